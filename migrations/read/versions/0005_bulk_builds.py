"""Builds that are loaded in bulk before anybody sees them, projections that stand still, more kinds of requests."""

from migrations.script import crossing, isolation, run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE projection.request
    DROP CONSTRAINT request_kind_check, ADD CONSTRAINT request_kind_check CHECK (kind ~ '^[a-z_]{1,30}$'),
    DROP CONSTRAINT request_state_check,
    ADD CONSTRAINT request_state_check CHECK (state IN ('requested', 'running', 'done', 'failed', 'cancelled')),
    ADD COLUMN loaded_at timestamptz;
COMMENT ON COLUMN projection.request.loaded_at IS 'when its build was attached; from then on it is folded like others';
ALTER TABLE projection.build ADD COLUMN attached_at timestamptz DEFAULT clock_timestamp();
COMMENT ON COLUMN projection.build.attached_at IS 'null while it is loaded, in schema loading, where nobody reads';
ALTER TABLE projection.checkpoint ADD COLUMN paused boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT checkpoint_mode_check,
    ADD CONSTRAINT checkpoint_mode_check CHECK (mode IN ('live', 'kept', 'returning', 'building'));
DROP INDEX projection.checkpoint_building;
CREATE INDEX checkpoint_turning ON projection.checkpoint (tenant_id) WHERE mode IN ('building', 'returning');
"""

TABLES = """
CREATE SCHEMA loading;
GRANT USAGE ON SCHEMA loading TO shelfwise_projector;
CREATE TABLE projection.pause (
    name text PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    requested_by text NOT NULL
);
CREATE TABLE projection.load (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    build integer NOT NULL,
    part integer NOT NULL DEFAULT 0 CHECK (part >= 0),
    parts integer NOT NULL DEFAULT 1 CHECK (parts > part),
    size bigint NOT NULL,
    until bigint,
    as_of timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    claim uuid,
    claimed_until timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (tenant_id, name, version, build, part, parts),
    FOREIGN KEY (tenant_id, name, version, build) REFERENCES projection.checkpoint ON DELETE CASCADE
) WITH (fillfactor = 50);
COMMENT ON TABLE projection.load IS 'what of a build is still to be loaded: a tenant, or a part of its keys';
COMMENT ON COLUMN projection.load.until IS 'the position that all parts of the tenant are folded up to';
"""

FUNCTIONS = """
CREATE FUNCTION projection.next_build(projection_name text, projection_version integer) RETURNS integer
LANGUAGE sql SET search_path = pg_catalog AS $$
    -- A number is never used again: in Redis there may still be rows under it.
    SELECT 1 + greatest(
        coalesce((SELECT max(build) FROM projection.build WHERE (name, version) = ($1, $2)), 0),
        coalesce((SELECT max(to_build) FROM projection.request WHERE (name, version) = ($1, $2)), 0));
$$;

-- A table of its own, without indexes and without row-level security, which COPY refuses: it lies in a schema that the
-- projector alone may enter, until `attach_build` has protected it.
CREATE FUNCTION projection.begin_build(projection_name text, projection_version integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    target text := projection_name || '__v' || projection_version;
    next_build integer;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('read.' || target, 0));
    IF NOT EXISTS (SELECT FROM projection.build WHERE (name, version) = (projection_name, projection_version)) THEN
        RAISE EXCEPTION 'there is no read table of %@%', projection_name, projection_version;
    END IF;
    next_build := projection.next_build(projection_name, projection_version);
    part := target || '_b' || next_build;
    EXECUTE format('CREATE TABLE loading.%I (LIKE read.%I, CONSTRAINT of_one_build CHECK (build = %s))',
        part, target, next_build);
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON loading.%I TO shelfwise_projector', part);
    INSERT INTO projection.build (name, version, build, attached_at)
        VALUES (projection_name, projection_version, next_build, NULL);
    RETURN next_build;
END
$$;

-- Indexes are built here, once, over rows that are all there. Readers are not held up.
CREATE FUNCTION projection.attach_build(projection_name text, projection_version integer, loaded integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    target text := projection_name || '__v' || projection_version;
    part text := target || '_b' || loaded;
    since timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('read.' || target, 0));
    SELECT attached_at INTO since FROM projection.build
        WHERE (name, version, build) = (projection_name, projection_version, loaded);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no build % of %@%', loaded, projection_name, projection_version;
    END IF;
    IF since IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('REVOKE ALL ON loading.%I FROM shelfwise_projector', part);
    EXECUTE format('ALTER TABLE loading.%I SET SCHEMA read', part);
    PERFORM projection.protect(part, NULL);
    EXECUTE format('ALTER TABLE read.%I ATTACH PARTITION read.%I FOR VALUES IN (%s)', target, part, loaded);
    EXECUTE format('ALTER TABLE read.%I DROP CONSTRAINT of_one_build', part);
    EXECUTE format('ANALYZE read.%I', part);
    UPDATE projection.build SET attached_at = clock_timestamp()
        WHERE (name, version, build) = (projection_name, projection_version, loaded);
END
$$;

CREATE OR REPLACE FUNCTION projection.drop_build(projection_name text, projection_version integer, dropped integer)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    target text := projection_name || '__v' || projection_version;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('read.' || target, 0));
    IF EXISTS (SELECT FROM projection.checkpoint
               WHERE name = projection_name AND version = projection_version AND build = dropped) THEN
        RAISE EXCEPTION 'build % of %@% is still in use', dropped, projection_name, projection_version;
    END IF;
    DELETE FROM projection.build WHERE name = projection_name AND version = projection_version AND build = dropped;
    EXECUTE format('DROP TABLE IF EXISTS read.%I', target || '_b' || dropped);
    EXECUTE format('DROP TABLE IF EXISTS loading.%I', target || '_b' || dropped);
END
$$;
REVOKE ALL ON FUNCTION projection.next_build, projection.begin_build, projection.attach_build FROM PUBLIC;
GRANT EXECUTE ON FUNCTION projection.begin_build, projection.attach_build TO shelfwise_projector;
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON projection.load, projection.pause TO shelfwise_projector;
GRANT SELECT ON projection.load, projection.pause TO shelfwise_operator;
"""


def upgrade() -> None:
    """Create the tables and functions."""
    run(COLUMNS + TABLES)
    run(isolation("projection.load", roles="shelfwise_read_api", check=False))
    run(crossing("projection.load", role="shelfwise_projector", verb="ALL"))
    run(crossing("projection.load", role="shelfwise_operator"))
    run(FUNCTIONS + GRANTS)
