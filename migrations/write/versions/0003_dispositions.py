"""What becomes of copies that come back; until now they all went on the shelf."""

from migrations.script import run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A constant default rewrites no row."""
    run("""
        ALTER TABLE write.return_line ADD COLUMN disposition text NOT NULL DEFAULT 'restock'
            CHECK (disposition IN ('restock', 'damage', 'to_supplier'));
    """)
