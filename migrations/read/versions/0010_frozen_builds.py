"""Builds that are folded up to a position and stopped, for whoever asks how things stood."""

from migrations.script import crossing, isolation, run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FROZEN = """
ALTER TABLE projection.checkpoint
    DROP CONSTRAINT checkpoint_mode_check,
    ADD CONSTRAINT checkpoint_mode_check CHECK (mode IN ('live', 'kept', 'returning', 'building', 'frozen'));
ALTER TABLE projection.build ADD COLUMN is_frozen boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN projection.build.is_frozen IS 'holds snapshots of many tenants, one each; nobody is enrolled in it';
CREATE TABLE projection.frozen_build (
    tenant_id uuid NOT NULL,
    snapshot_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    build integer NOT NULL,
    position bigint NOT NULL CHECK (position > 0),
    as_of timestamptz,
    expires_at timestamptz NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, snapshot_id, name, version),
    UNIQUE (tenant_id, name, version, build),
    FOREIGN KEY (tenant_id, name, version, build) REFERENCES projection.checkpoint
);
COMMENT ON COLUMN projection.frozen_build.position IS 'where it stops; its checkpoint says how far it is';
COMMENT ON COLUMN projection.frozen_build.as_of IS 'the moment asked for, where it was one';
CREATE INDEX frozen_build_expiry ON projection.frozen_build (expires_at);

CREATE FUNCTION projection.create_frozen_build(projection_name text, projection_version integer) RETURNS integer
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
    EXECUTE format('CREATE TABLE read.%I (LIKE read.%I INCLUDING ALL)', part, target);
    PERFORM projection.protect(part, NULL);
    EXECUTE format('ALTER TABLE read.%I ATTACH PARTITION read.%I FOR VALUES IN (%s)', target, part, next_build);
    INSERT INTO projection.build (name, version, build, is_frozen)
        VALUES (projection_name, projection_version, next_build, true);
    RETURN next_build;
END
$$;
REVOKE ALL ON FUNCTION projection.create_frozen_build FROM PUBLIC;
GRANT EXECUTE ON FUNCTION projection.create_frozen_build TO shelfwise_projector;
GRANT SELECT, INSERT, DELETE ON projection.frozen_build TO shelfwise_projector;
GRANT SELECT ON projection.frozen_build TO shelfwise_read_api, shelfwise_operator;
"""


def upgrade() -> None:
    """Create them."""
    run(FROZEN)
    run(isolation("projection.frozen_build", roles="shelfwise_read_api", check=False))
    run(crossing("projection.frozen_build", role="shelfwise_projector", verb="ALL"))
    run(crossing("projection.frozen_build", role="shelfwise_operator"))
