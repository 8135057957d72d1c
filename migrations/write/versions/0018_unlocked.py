"""A statement that compares what was read before can undo itself."""

from migrations.script import run

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Volatile, so that nobody works it out ahead of time: a plan only calls it where the comparison has failed.
REFUSAL = """
CREATE FUNCTION access.refuse_overtaken() RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'what was read has changed, or the idempotency key is in use' USING ERRCODE = 'SW412';
END
$$;
REVOKE ALL ON FUNCTION access.refuse_overtaken FROM PUBLIC;
GRANT EXECUTE ON FUNCTION access.refuse_overtaken TO shelfwise_write_api;
"""


def upgrade() -> None:
    """Give commands that lock nothing until they write a way to write nothing."""
    run(REFUSAL)
