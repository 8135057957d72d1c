"""Operators' keys, the audit of what they do, their answered calls, and verifications asked for by HTTP."""

from migrations.script import run

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = """
CREATE SCHEMA operations;
CREATE TABLE operations.operator_key (
    key_id uuid PRIMARY KEY,
    operator_id uuid NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    key_hash text NOT NULL UNIQUE CHECK (key_hash ~ '^[0-9a-f]{64}$'),
    -- of a browser's short key: the key it was exchanged for
    session_of uuid REFERENCES operations.operator_key,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL CHECK (length(created_by) <= 200),
    expires_at timestamptz,
    revoked_at timestamptz,
    CHECK (session_of IS NULL OR expires_at IS NOT NULL)
);
-- An entry before a call's effect and one after: what was cut short shows.
CREATE TABLE operations.audit (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    phase text NOT NULL CHECK (phase IN ('asked', 'done', 'refused', 'failed')),
    actor text NOT NULL CHECK (length(actor) <= 200),
    action text NOT NULL CHECK (length(action) <= 100),
    target jsonb NOT NULL,
    request_id text CHECK (length(request_id) <= 200),
    detail text CHECK (length(detail) <= 2000)
);
CREATE TABLE operations.answered_call (
    operator_id uuid NOT NULL,
    key_digest text NOT NULL CHECK (key_digest ~ '^[0-9a-f]{64}$'),
    request_digest text NOT NULL CHECK (request_digest ~ '^[0-9a-f]{64}$'),
    resource_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    claimed_until timestamptz NOT NULL,
    status smallint,
    location text,
    body bytea,
    PRIMARY KEY (operator_id, key_digest)
);
CREATE INDEX answered_call_by_age ON operations.answered_call (created_at);
CREATE TABLE operations.verification (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    version integer NOT NULL,
    only_tenant uuid,
    requested_by text NOT NULL CHECK (length(requested_by) <= 200),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    events_done bigint NOT NULL DEFAULT 0,
    events bigint,
    finding jsonb,
    error text CHECK (length(error) <= 2000),
    finished_at timestamptz
);
CREATE INDEX verification_by_age ON operations.verification (requested_at);
"""

# What is written is not unwritten: nobody who logs in may change or remove an entry of the audit.
GRANTS = """
GRANT USAGE ON SCHEMA operations TO shelfwise_operator;
GRANT SELECT, INSERT ON operations.operator_key, operations.audit, operations.answered_call, operations.verification
    TO shelfwise_operator;
GRANT UPDATE (revoked_at) ON operations.operator_key TO shelfwise_operator;
GRANT UPDATE (claimed_until, status, location, body), DELETE ON operations.answered_call TO shelfwise_operator;
GRANT UPDATE (seen_at, state, events_done, events, finding, error, finished_at) ON operations.verification
    TO shelfwise_operator;
GRANT SELECT ON write.alembic_version TO shelfwise_operator;
"""


def upgrade() -> None:
    """Create everything an operator needs who works by HTTP."""
    run(TABLES + GRANTS)
