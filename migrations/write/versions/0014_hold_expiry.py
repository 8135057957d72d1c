"""Holds that end by themselves."""

from migrations.script import crossing, run

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

HOLDS = """
ALTER TABLE write.hold ADD COLUMN expires_at timestamptz;
CREATE INDEX hold_expiring ON write.hold (expires_at)
    WHERE status IN ('waiting', 'ready') AND expires_at IS NOT NULL;
"""


def upgrade() -> None:
    """Say until when; the reactions' worker looks across stores for those whose time has come."""
    run(HOLDS)
    run(crossing("write.hold", role="shelfwise_reactions"))
