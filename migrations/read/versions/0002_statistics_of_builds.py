"""Lets the projector have a build's statistics taken, without owning its table."""

from migrations.script import run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ANALYZE_BUILD = """
CREATE FUNCTION projection.analyze_build(projection_name text, projection_version integer, grown integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (SELECT FROM projection.build
               WHERE (name, version, build) = (projection_name, projection_version, grown)) THEN
        EXECUTE format('ANALYZE read.%I', projection_name || '__v' || projection_version || '_b' || grown);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION projection.analyze_build FROM PUBLIC;
GRANT EXECUTE ON FUNCTION projection.analyze_build TO shelfwise_projector;
"""


def upgrade() -> None:
    """Create the function."""
    run(ANALYZE_BUILD)
