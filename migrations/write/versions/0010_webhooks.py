"""Receivers of webhooks, and the outbox of what they are sent."""

from migrations.script import crossing, isolation, run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE write.webhook (
    tenant_id uuid NOT NULL REFERENCES write.tenant,
    webhook_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    url text NOT NULL CHECK (length(url) <= 2000),
    event_types text[] NOT NULL,
    description text CHECK (length(description) <= 200),
    status text NOT NULL CHECK (status IN ('enabled', 'disabled', 'deleted')),
    secret_number integer NOT NULL CHECK (secret_number > 0),
    rotated_at timestamptz,
    failing_since timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, webhook_id)
);
CREATE TABLE write.webhook_delivery (
    tenant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    webhook_id uuid NOT NULL,
    event_id uuid NOT NULL,
    position bigint NOT NULL CHECK (position > 0),
    type text NOT NULL,
    body bytea NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'held', 'delivered', 'failed', 'dropped')),
    version integer NOT NULL CHECK (version >= 0),
    attempts integer NOT NULL CHECK (attempts >= 0),
    next_attempt_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, delivery_id),
    CONSTRAINT webhook_delivery_event_key UNIQUE (webhook_id, event_id, tenant_id),
    CONSTRAINT webhook_delivery_webhook_fkey FOREIGN KEY (tenant_id, webhook_id) REFERENCES write.webhook
);
CREATE INDEX webhook_delivery_due ON write.webhook_delivery (next_attempt_at) WHERE status = 'pending';
CREATE INDEX webhook_delivery_by_position ON write.webhook_delivery (webhook_id, position);
CREATE INDEX webhook_delivery_by_age ON write.webhook_delivery (created_at);
GRANT SELECT, INSERT, UPDATE ON write.webhook, write.webhook_delivery TO shelfwise_write_api;
GRANT DELETE ON write.webhook_delivery TO shelfwise_reactions;
"""


def upgrade() -> None:
    """Create what webhooks need; the reactions' worker looks for what is due across stores."""
    run(TABLES)
    run(isolation("write.webhook") + crossing("write.webhook", role="shelfwise_reactions"))
    run(isolation("write.webhook_delivery"))
    run(crossing("write.webhook_delivery", role="shelfwise_reactions", verb="ALL"))
