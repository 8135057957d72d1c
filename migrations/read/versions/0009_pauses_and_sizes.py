"""Lets whoever watches tell a projection that was paused from one that stands still, and see how many rows are dead."""

from migrations.script import run

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FUNCTIONS = """
DROP FUNCTION projection.standing(uuid);
CREATE FUNCTION projection.standing(only_tenant uuid)
RETURNS TABLE (name text, version integer, tenants bigint, position_sum numeric, rows numeric, dead bigint,
               retrying bigint, is_building boolean, is_paused boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT a.name, a.version, count(*), sum(c.position), sum(c.rows), coalesce(sum(p.dead), 0)::bigint,
        coalesce(sum(p.retrying), 0)::bigint,
        EXISTS (SELECT FROM projection.checkpoint b
                WHERE b.mode = 'building' AND b.name = a.name AND b.version = a.version
                    AND (only_tenant IS NULL OR b.tenant_id = only_tenant)),
        bool_or(c.paused)
    FROM read.active_build a
    JOIN projection.checkpoint c USING (tenant_id, name, version, build)
    LEFT JOIN (
        SELECT k.tenant_id, k.name, k.version, k.build, count(*) FILTER (WHERE k.state = 'dead') AS dead,
            count(*) FILTER (WHERE k.state = 'retrying') AS retrying
        FROM projection.parked_key k GROUP BY 1, 2, 3, 4
    ) p USING (tenant_id, name, version, build)
    WHERE only_tenant IS NULL OR a.tenant_id = only_tenant
    GROUP BY a.name, a.version
$$;
CREATE FUNCTION projection.sizes() RETURNS TABLE (database_bytes bigint, live_rows bigint, dead_rows bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT pg_database_size(current_database()), coalesce(sum(n_live_tup), 0)::bigint,
        coalesce(sum(n_dead_tup), 0)::bigint
    FROM pg_stat_user_tables
$$;
REVOKE ALL ON FUNCTION projection.standing, projection.sizes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION projection.standing, projection.sizes TO shelfwise_read_api, shelfwise_operator;
"""


def upgrade() -> None:
    """Replace one function and create another."""
    run(FUNCTIONS)
