"""Lets the operator's role see which migrations the read database has had."""

from migrations.script import run

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One grant."""
    run("GRANT SELECT ON projection.alembic_version TO shelfwise_operator")
