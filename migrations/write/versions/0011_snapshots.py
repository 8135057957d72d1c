"""Snapshots that stores ask for, and which position a moment of their log was."""

from migrations.script import isolation, run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SNAPSHOTS = """
CREATE TABLE write.snapshot (
    tenant_id uuid NOT NULL REFERENCES write.tenant,
    snapshot_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    views text[] NOT NULL CHECK (cardinality(views) BETWEEN 1 AND 50),
    position bigint NOT NULL CHECK (position > 0),
    requested_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, snapshot_id)
);
CREATE INDEX snapshot_by_expiry ON write.snapshot (tenant_id, expires_at);
GRANT SELECT, INSERT ON write.snapshot TO shelfwise_write_api;

-- Positions and times of recording agree, so a moment is found by halving: some twenty look-ups by key. What is no
-- longer in this table is older than all that is. Row-level security shows it the tenant's own log only.
CREATE FUNCTION log.position_at(asked_tenant uuid, moment timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    low bigint := 0;
    high bigint;
    middle bigint;
    recorded timestamptz;
BEGIN
    SELECT position INTO high FROM log.tenant_head WHERE tenant_id = asked_tenant;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        SELECT e.recorded_at INTO recorded FROM log.event e WHERE e.tenant_id = asked_tenant AND e.position = middle;
        IF recorded IS NULL OR recorded <= moment THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END
$$;
REVOKE ALL ON FUNCTION log.position_at FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.position_at TO shelfwise_write_api;
"""


def upgrade() -> None:
    """Create them."""
    run(SNAPSHOTS)
    run(isolation("write.snapshot"))
