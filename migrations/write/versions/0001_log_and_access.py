"""Schemas, the event log, stores, API keys and idempotency."""

from migrations.script import crossing, isolation, run
from shared_kernel.log.partitions import LOG_PARTITIONS

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMAS = """
CREATE SCHEMA log;
CREATE SCHEMA access;
GRANT USAGE ON SCHEMA write, log, access TO shelfwise_write_api, shelfwise_operator;
GRANT USAGE ON SCHEMA log TO shelfwise_projector, shelfwise_read_api, shelfwise_gatekeeper;
GRANT USAGE ON SCHEMA access, write TO shelfwise_gatekeeper;
"""

STORES = """
CREATE TABLE write.tenant (
    tenant_id uuid PRIMARY KEY,
    version integer NOT NULL CHECK (version > 0),
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    timezone text NOT NULL CHECK (length(timezone) BETWEEN 1 AND 64),
    prices_include_tax boolean NOT NULL,
    tax_rates jsonb NOT NULL,
    allowed_origins text[] NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE access.api_key (
    tenant_id uuid NOT NULL REFERENCES write.tenant,
    key_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    principal_id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    role text NOT NULL CHECK (role IN ('owner', 'manager', 'clerk', 'analyst')),
    key_hash text NOT NULL CHECK (key_hash ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, key_id)
);
CREATE INDEX api_key_by_hash ON access.api_key (key_hash);
CREATE TABLE access.idempotent_response (
    tenant_id uuid NOT NULL REFERENCES write.tenant,
    key_digest text NOT NULL CHECK (key_digest ~ '^[0-9a-f]{64}$'),
    operation text NOT NULL,
    request_digest text NOT NULL CHECK (request_digest ~ '^[0-9a-f]{64}$'),
    status smallint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    position bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key_digest)
);
CREATE INDEX idempotent_response_by_age ON access.idempotent_response (created_at);
"""

LOG = """
CREATE TABLE log.tenant_head (
    tenant_id uuid PRIMARY KEY REFERENCES write.tenant,
    shard smallint NOT NULL CHECK (shard >= 0),
    position bigint NOT NULL CHECK (position >= 0),
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX tenant_head_by_shard ON log.tenant_head (shard);
CREATE TABLE log.event (
    tenant_id uuid NOT NULL,
    position bigint NOT NULL CHECK (position > 0),
    event_id uuid NOT NULL,
    stream_type text NOT NULL,
    stream_id uuid NOT NULL,
    stream_version integer NOT NULL CHECK (stream_version > 0),
    type text NOT NULL,
    schema_version smallint NOT NULL CHECK (schema_version > 0),
    payload jsonb NOT NULL,
    metadata jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, position),
    UNIQUE (stream_id, stream_version, tenant_id)
) PARTITION BY HASH (tenant_id);
"""

FUNCTIONS = """
CREATE FUNCTION access.authenticate(presented_hash text)
RETURNS TABLE (tenant_id uuid, slug text, currency text, timezone text, allowed_origins text[],
               key_id uuid, principal_id uuid, role text, expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT t.tenant_id, t.slug, t.currency, t.timezone, t.allowed_origins,
           k.key_id, k.principal_id, k.role, k.expires_at
    FROM access.api_key k JOIN write.tenant t USING (tenant_id)
    WHERE k.key_hash = presented_hash AND k.revoked_at IS NULL
$$;
CREATE FUNCTION log.head_of(asked_tenant uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT position FROM log.tenant_head WHERE tenant_id = asked_tenant
$$;
-- One key, one command: the lock ends with the transaction, so a dead client's key is free again at once. The look-up
-- is a statement of its own inside a volatile function, so it sees whatever was committed before the lock was granted.
CREATE FUNCTION access.claim_idempotency_key(tenant uuid, digest text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended(tenant::text || digest, 0)) THEN
        RAISE EXCEPTION 'idempotency key in flight' USING ERRCODE = 'SW409';
    END IF;
    PERFORM 1 FROM access.idempotent_response r WHERE r.tenant_id = tenant AND r.key_digest = digest;
    IF FOUND THEN
        RAISE EXCEPTION 'idempotency key already answered' USING ERRCODE = 'SW200';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION access.authenticate, log.head_of, access.claim_idempotency_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION access.authenticate, access.claim_idempotency_key TO shelfwise_write_api;
GRANT EXECUTE ON FUNCTION log.head_of TO shelfwise_read_api;
GRANT CREATE ON SCHEMA access, log TO shelfwise_gatekeeper;
ALTER FUNCTION access.authenticate OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION log.head_of OWNER TO shelfwise_gatekeeper;
REVOKE CREATE ON SCHEMA access, log FROM shelfwise_gatekeeper;
"""

GRANTS = """
GRANT SELECT, INSERT ON write.tenant, access.idempotent_response, log.event TO shelfwise_write_api;
GRANT SELECT, INSERT, UPDATE ON access.api_key, log.tenant_head TO shelfwise_write_api;
GRANT DELETE ON access.idempotent_response TO shelfwise_write_api;
GRANT SELECT ON write.tenant, access.api_key, log.tenant_head, log.event TO shelfwise_operator;
GRANT SELECT ON log.tenant_head, log.event TO shelfwise_projector;
GRANT SELECT ON write.tenant, access.api_key, log.tenant_head TO shelfwise_gatekeeper;
"""


def upgrade() -> None:
    """Create everything the first command needs."""
    run(SCHEMAS + STORES + LOG)
    partitions = [f"log.event_{number:02}" for number in range(LOG_PARTITIONS)]
    for number, partition in enumerate(partitions):
        run(
            f"CREATE TABLE {partition} PARTITION OF log.event"
            f" FOR VALUES WITH (MODULUS {LOG_PARTITIONS}, REMAINDER {number})"
        )
    tables = ["write.tenant", "access.api_key", "access.idempotent_response", "log.tenant_head", "log.event"]
    for table in [*tables, *partitions]:
        run(isolation(table))
    for table in ("write.tenant", "access.api_key", "log.tenant_head"):
        run(crossing(table, role="shelfwise_gatekeeper") + crossing(table, role="shelfwise_operator"))
    for table in ("log.event", "log.tenant_head"):
        run(crossing(table, role="shelfwise_projector"))
    run(crossing("log.event", role="shelfwise_operator"))
    run(FUNCTIONS + GRANTS)
