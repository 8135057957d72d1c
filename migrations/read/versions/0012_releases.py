"""Several releases at once: which versions each runs, leases for one that is behind, the end of what nobody runs."""

from migrations.script import run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE projection.release (
    line text PRIMARY KEY,
    rank bigint NOT NULL,
    names text[] NOT NULL,
    versions integer[] NOT NULL,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE projection.release IS 'sets of versions that workers run; the highest rank holds the leases in lease';
CREATE TABLE projection.lease_behind (LIKE projection.lease INCLUDING ALL);
CREATE TABLE projection.worker_behind (LIKE projection.worker INCLUDING ALL);
COMMENT ON TABLE projection.lease_behind IS 'leases of workers that project only what a newer release does not have';
GRANT SELECT, INSERT, UPDATE, DELETE ON projection.release, projection.lease_behind, projection.worker_behind
    TO shelfwise_projector;
GRANT SELECT ON projection.release, projection.lease_behind, projection.worker_behind TO shelfwise_operator;
"""

FUNCTIONS = """
-- Names of views, no row of any: the query API is not ready before what it reads has been built.
CREATE FUNCTION projection.unbuilt(names text[], versions integer[]) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(array_agg(v.name ORDER BY v.name), '{}') FROM unnest(names, versions) AS v(name, version)
    WHERE EXISTS (
        SELECT FROM read.active_build a
        WHERE a.name = v.name AND a.version <> v.version AND NOT EXISTS (
            SELECT FROM read.active_build b
            WHERE (b.tenant_id, b.name, b.version) = (a.tenant_id, v.name, v.version)))
$$;

-- Only what no release has been seen to run for a while, and only once nothing in the control tables speaks of it.
CREATE FUNCTION projection.drop_version(projection_name text, projection_version integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    target text := projection_name || '__v' || projection_version;
    part integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('read.' || target, 0));
    IF EXISTS (SELECT FROM projection.release r, unnest(r.names, r.versions) AS v(name, version)
               WHERE (v.name, v.version) = (projection_name, projection_version)
                   AND r.seen_at > clock_timestamp() - interval '1 minute') THEN
        RAISE EXCEPTION 'a release that runs has %@%', projection_name, projection_version;
    END IF;
    IF EXISTS (SELECT FROM projection.checkpoint WHERE (name, version) = (projection_name, projection_version)) THEN
        RAISE EXCEPTION '%@% is still in use', projection_name, projection_version;
    END IF;
    FOR part IN DELETE FROM projection.build WHERE (name, version) = (projection_name, projection_version)
                RETURNING build LOOP
        EXECUTE format('DROP TABLE IF EXISTS loading.%I', target || '_b' || part);
    END LOOP;
    EXECUTE format('DROP TABLE IF EXISTS read.%I', target);
END
$$;
REVOKE ALL ON FUNCTION projection.unbuilt, projection.drop_version FROM PUBLIC;
GRANT EXECUTE ON FUNCTION projection.unbuilt TO shelfwise_read_api;
GRANT EXECUTE ON FUNCTION projection.drop_version TO shelfwise_projector;
"""


def upgrade() -> None:
    """Create tables and functions."""
    run(TABLES + FUNCTIONS)
