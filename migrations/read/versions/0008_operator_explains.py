"""Lets the operator's role explain rows by the index of keys, which the projector keeps."""

from migrations.script import crossing, run

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two grants, with the policies that make something of them."""
    for table in ("projection.touch_index", "projection.touch_block"):
        run(crossing(table, role="shelfwise_operator"))
        run(f"GRANT SELECT ON {table} TO shelfwise_operator")
