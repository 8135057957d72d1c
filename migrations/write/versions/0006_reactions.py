"""Reactions: their worker's leases, where each is in each store, and what waits because it failed."""

from migrations.script import crossing, isolation, run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = """
CREATE SCHEMA reaction;
GRANT USAGE ON SCHEMA reaction TO shelfwise_reactions, shelfwise_operator;
CREATE TABLE reaction.lease (
    shard smallint PRIMARY KEY CHECK (shard >= 0),
    owner uuid,
    epoch bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity',
    crashes integer NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    trying text
) WITH (fillfactor = 50);
CREATE TABLE reaction.worker (
    worker_id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE reaction.subscription (
    reaction text PRIMARY KEY CHECK (reaction ~ '^[a-z][a-z0-9_]{0,62}$'),
    begins text NOT NULL CHECK (begins IN ('head', 'beginning')),
    subscribed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE reaction.checkpoint (
    reaction text NOT NULL REFERENCES reaction.subscription,
    tenant_id uuid NOT NULL REFERENCES write.tenant,
    position bigint NOT NULL CHECK (position >= 0),
    parked integer NOT NULL DEFAULT 0 CHECK (parked >= 0),
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (reaction, tenant_id)
) WITH (fillfactor = 50);
CREATE TABLE reaction.parked_key (
    reaction text NOT NULL,
    tenant_id uuid NOT NULL,
    key uuid NOT NULL,
    id uuid NOT NULL UNIQUE,
    state text NOT NULL CHECK (state IN ('retrying', 'dead')),
    first_position bigint NOT NULL,
    attempts integer NOT NULL CHECK (attempts >= 0),
    error text NOT NULL CHECK (length(error) <= 2000),
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_attempt_at timestamptz NOT NULL,
    PRIMARY KEY (reaction, tenant_id, key),
    FOREIGN KEY (reaction, tenant_id) REFERENCES reaction.checkpoint
);
CREATE INDEX parked_key_due ON reaction.parked_key (next_attempt_at) WHERE state = 'retrying';
CREATE TABLE reaction.parked_event (
    reaction text NOT NULL,
    tenant_id uuid NOT NULL,
    key uuid NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (reaction, tenant_id, key, position),
    FOREIGN KEY (reaction, tenant_id, key) REFERENCES reaction.parked_key ON DELETE CASCADE
);
"""

# shelfwise_reactions is a member of shelfwise_write_api: acting for a store it may do what commands may, under the same
# policies. What it may cross beside is here.
GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON reaction.lease, reaction.worker, reaction.checkpoint, reaction.parked_key,
    reaction.parked_event TO shelfwise_reactions;
GRANT SELECT, INSERT ON reaction.subscription TO shelfwise_reactions;
GRANT SELECT ON reaction.lease, reaction.worker, reaction.subscription, reaction.checkpoint, reaction.parked_key,
    reaction.parked_event TO shelfwise_operator;
GRANT UPDATE (state, attempts, next_attempt_at) ON reaction.parked_key TO shelfwise_operator;
"""


def upgrade() -> None:
    """Create what the reactions' worker needs."""
    run(TABLES)
    for table in ("reaction.checkpoint", "reaction.parked_key", "reaction.parked_event"):
        run(isolation(table) + crossing(table, role="shelfwise_reactions", verb="ALL"))
    for table in ("reaction.checkpoint", "reaction.parked_event"):
        run(crossing(table, role="shelfwise_operator"))
    run(crossing("reaction.parked_key", role="shelfwise_operator", verb="ALL"))
    for table in ("log.tenant_head", "log.event"):
        run(crossing(table, role="shelfwise_reactions"))
    run(GRANTS)
