"""Who customers are: the one table of the read database with personal data, which erasing empties."""

from migrations.script import crossing, isolation, run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = """
CREATE SCHEMA personal;
GRANT USAGE ON SCHEMA personal TO shelfwise_read_api, shelfwise_reactions;
CREATE TABLE personal.customer (
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    version integer NOT NULL,
    name text,
    email text,
    phone text,
    PRIMARY KEY (tenant_id, customer_id)
);
GRANT SELECT ON personal.customer TO shelfwise_read_api;
GRANT SELECT, INSERT, UPDATE ON personal.customer TO shelfwise_reactions;
"""


def upgrade() -> None:
    """Create it; the reactions' worker alone fills it, the query API alone reads it."""
    run(TABLES)
    run(isolation("personal.customer", roles="shelfwise_read_api", check=False))
    run(crossing("personal.customer", role="shelfwise_reactions", verb="ALL"))
