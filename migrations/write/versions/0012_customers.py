"""Customers, apart from them who they are, which of that views are to show, and whose an order is."""

from migrations.script import crossing, isolation, run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE write.customer (
    tenant_id uuid NOT NULL REFERENCES write.tenant,
    customer_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    status text NOT NULL CHECK (status IN ('active', 'erased')),
    marketing_consent boolean NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
);
CREATE TABLE write.customer_person (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    email text CHECK (length(email) BETWEEN 3 AND 254),
    phone text CHECK (length(phone) BETWEEN 3 AND 40),
    PRIMARY KEY (tenant_id, customer_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES write.customer
);
CREATE TABLE write.person_to_show (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (tenant_id, customer_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES write.customer
);
CREATE TABLE write.order_customer (
    tenant_id uuid NOT NULL,
    order_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, order_id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES write.sales_order,
    FOREIGN KEY (tenant_id, customer_id) REFERENCES write.customer
);
GRANT SELECT, INSERT, UPDATE ON write.customer, write.person_to_show TO shelfwise_write_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON write.customer_person TO shelfwise_write_api;
GRANT SELECT, INSERT ON write.order_customer TO shelfwise_write_api;
GRANT DELETE ON write.person_to_show TO shelfwise_reactions;
"""


def upgrade() -> None:
    """Create what customers need; the reactions' worker looks across stores for who is to be shown."""
    run(TABLES)
    for table in ("customer", "customer_person", "person_to_show", "order_customer"):
        run(isolation(f"write.{table}"))
    for table in ("customer", "customer_person", "person_to_show"):
        run(crossing(f"write.{table}", role="shelfwise_reactions"))
