"""Lines of orders know their publisher."""

from migrations.script import run

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

PUBLISHER = """
ALTER TABLE write.order_line ADD COLUMN publisher text;
"""


def upgrade() -> None:
    """Lines of before stay without: what they were sold as is not made up afterwards."""
    run(PUBLISHER)
