"""Dead letters: where a fold failed, what operators skip for good, and their requests about parked keys."""

from migrations.script import crossing, isolation, run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

DEAD_LETTERS = """
ALTER TABLE projection.parked_key ADD COLUMN traceback text NOT NULL DEFAULT '' CHECK (length(traceback) <= 8000);
COMMENT ON COLUMN projection.parked_key.traceback IS 'file, line and function of each frame; no values';
CREATE TABLE projection.skipped (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    key text NOT NULL CHECK (length(key) <= 2000),
    position bigint NOT NULL CHECK (position > 0),
    why text NOT NULL CHECK (length(why) BETWEEN 1 AND 1000),
    skipped_by text NOT NULL,
    skipped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, name, version, key, position)
);
COMMENT ON TABLE projection.skipped IS 'events that a row of a projection never shows: every fold leaves them out';
ALTER TABLE projection.request DROP CONSTRAINT request_kind_check;
ALTER TABLE projection.request ADD CONSTRAINT request_kind_check
    CHECK (kind IN ('rebuild', 'rollback', 'pause', 'resume', 'retry', 'skip'));
CREATE INDEX request_open ON projection.request (kind, requested_at) WHERE state IN ('requested', 'running');
GRANT SELECT, INSERT ON projection.skipped TO shelfwise_projector;
GRANT SELECT ON projection.skipped TO shelfwise_operator;
"""


def upgrade() -> None:
    """Extend the control tables."""
    run(DEAD_LETTERS)
    run(isolation("projection.skipped", roles="shelfwise_read_api", check=False))
    run(crossing("projection.skipped", role="shelfwise_projector", verb="ALL"))
    run(crossing("projection.skipped", role="shelfwise_operator"))
