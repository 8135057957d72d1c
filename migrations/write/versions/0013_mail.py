"""Mail to customers: an outbox without anything personal."""

from migrations.script import crossing, isolation, run

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE write.mail (
    tenant_id uuid NOT NULL,
    mail_id uuid NOT NULL,
    event_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    template text NOT NULL CHECK (template IN ('order_confirmed', 'order_cancelled', 'order_fulfilled')),
    number text NOT NULL,
    total_minor bigint NOT NULL,
    currency text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'sent', 'failed', 'skipped')),
    attempts integer NOT NULL CHECK (attempts >= 0),
    error text CHECK (length(error) <= 100),
    next_attempt_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, mail_id),
    CONSTRAINT mail_event_key UNIQUE (event_id, tenant_id),
    CONSTRAINT mail_customer_fkey FOREIGN KEY (tenant_id, customer_id) REFERENCES write.customer
);
CREATE INDEX mail_due ON write.mail (next_attempt_at) WHERE status = 'pending';
GRANT SELECT, INSERT, UPDATE ON write.mail TO shelfwise_write_api;
"""


def upgrade() -> None:
    """Create it; the reactions' worker looks for what is due across stores."""
    run(TABLES)
    run(isolation("write.mail") + crossing("write.mail", role="shelfwise_reactions"))
