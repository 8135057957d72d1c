"""Lets whoever watches ask how far every projection is and who is at work; a projector says where it can be probed."""

from migrations.script import crossing, run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE projection.worker ADD COLUMN machine text, ADD COLUMN probe_host text, ADD COLUMN probe_port integer;
"""

# Ids, positions and counts, and no row of any view: the query API's role may ask too.
FUNCTIONS = """
CREATE FUNCTION projection.standing(only_tenant uuid)
RETURNS TABLE (name text, version integer, tenants bigint, position_sum numeric, rows numeric, dead bigint,
               retrying bigint, is_building boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT a.name, a.version, count(*), sum(c.position), sum(c.rows), coalesce(sum(p.dead), 0)::bigint,
        coalesce(sum(p.retrying), 0)::bigint,
        EXISTS (SELECT FROM projection.checkpoint b
                WHERE b.mode = 'building' AND b.name = a.name AND b.version = a.version
                    AND (only_tenant IS NULL OR b.tenant_id = only_tenant))
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
-- A store that a projection has not begun is behind by all of its log.
CREATE FUNCTION projection.behind(names text[], versions integer[], tenants uuid[], heads bigint[])
RETURNS TABLE (name text, version integer, tenant_id uuid, "position" bigint, head bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT v.name, v.version, h.tenant_id, coalesce(c.position, 0), h.head
    FROM unnest(names, versions) AS v(name, version) CROSS JOIN unnest(tenants, heads) AS h(tenant_id, head)
    LEFT JOIN (read.active_build a JOIN projection.checkpoint c USING (tenant_id, name, version, build))
        ON (a.tenant_id, a.name, a.version) = (h.tenant_id, v.name, v.version)
    WHERE coalesce(c.position, 0) < h.head
$$;
CREATE FUNCTION projection.labour(seen_seconds double precision)
RETURNS TABLE (workers bigint, shards bigint, held_shards bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT (SELECT count(*) FROM projection.worker w
            WHERE w.seen_at > clock_timestamp() - make_interval(secs => seen_seconds)),
        count(*), count(*) FILTER (WHERE l.owner IS NOT NULL AND l.expires_at > clock_timestamp())
    FROM projection.lease l
$$;
REVOKE ALL ON FUNCTION projection.standing, projection.behind, projection.labour FROM PUBLIC;
GRANT EXECUTE ON FUNCTION projection.standing, projection.behind, projection.labour
    TO shelfwise_read_api, shelfwise_operator;
"""


def upgrade() -> None:
    """Create the functions, which see every store as their owner does."""
    run(COLUMNS)
    for table in ("read.active_build", "projection.parked_key"):
        run(crossing(table, role="shelfwise_owner"))
    run(FUNCTIONS)
