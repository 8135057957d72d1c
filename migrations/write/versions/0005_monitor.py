"""Lets whoever watches ask where every log ends, when an event was recorded, and who waits for a log's head."""

from migrations.script import crossing, run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Ids, positions and times, and nothing that an event says: the query API's role may ask too.
FUNCTIONS = """
CREATE FUNCTION log.heads(only_tenant uuid) RETURNS TABLE (tenant_id uuid, "position" bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT h.tenant_id, h.position FROM log.tenant_head h
    WHERE h.position > 0 AND (only_tenant IS NULL OR h.tenant_id = only_tenant)
$$;
CREATE FUNCTION log.recorded_at(tenants uuid[], positions bigint[])
RETURNS TABLE (tenant_id uuid, "position" bigint, recorded_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
SET enable_seqscan = off SET enable_hashjoin = off AS $$
    SELECT e.tenant_id, e.position, e.recorded_at
    FROM unnest(tenants, positions) AS asked(tenant_id, position)
    JOIN log.event e ON (e.tenant_id, e.position) = (asked.tenant_id, asked.position)
$$;
-- Whoever appends holds a lock on the table of heads, and one that is not granted is on the row or on its holder.
CREATE FUNCTION log.vitals() RETURNS TABLE (append_waiting bigint, append_wait_seconds double precision)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH locks AS MATERIALIZED (SELECT pid, granted, waitstart, database, relation FROM pg_locks)
    SELECT count(DISTINCT waiting.pid),
        coalesce(max(extract(epoch FROM clock_timestamp() - waiting.waitstart)), 0)::double precision
    FROM locks waiting
    WHERE NOT waiting.granted AND EXISTS (
        SELECT FROM locks held
        WHERE held.pid = waiting.pid AND held.relation = 'log.tenant_head'::regclass
            AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
$$;
REVOKE ALL ON FUNCTION log.heads, log.recorded_at, log.vitals FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.heads, log.recorded_at, log.vitals TO shelfwise_read_api, shelfwise_operator;
GRANT SELECT ON log.event TO shelfwise_gatekeeper;
GRANT CREATE ON SCHEMA log TO shelfwise_gatekeeper;
ALTER FUNCTION log.heads OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION log.recorded_at OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION log.vitals OWNER TO shelfwise_gatekeeper;
REVOKE CREATE ON SCHEMA log FROM shelfwise_gatekeeper;
"""


def upgrade() -> None:
    """Create the functions."""
    run(crossing("log.event", role="shelfwise_gatekeeper") + FUNCTIONS)
