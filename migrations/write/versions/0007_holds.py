"""Holds and special orders."""

from migrations.script import isolation, run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

HOLDS = """
CREATE TABLE write.hold (
    tenant_id uuid NOT NULL,
    hold_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    kind text NOT NULL CHECK (kind IN ('hold', 'special_order')),
    status text NOT NULL CHECK (status IN ('waiting', 'ready', 'collected', 'cancelled', 'expired')),
    location_id uuid NOT NULL,
    edition_id uuid NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    allocated integer NOT NULL CHECK (allocated BETWEEN 0 AND quantity),
    placed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, hold_id),
    CONSTRAINT hold_location_fkey FOREIGN KEY (tenant_id, location_id) REFERENCES write.location,
    CONSTRAINT hold_edition_fkey FOREIGN KEY (tenant_id, edition_id) REFERENCES write.edition,
    CONSTRAINT hold_ready_is_whole CHECK ((status = 'ready') = (allocated = quantity))
);
CREATE INDEX hold_waiting ON write.hold (location_id, edition_id, placed_at, tenant_id) WHERE status = 'waiting';
-- How many copies are waited for rides along with every account that is loaded: nobody asks where nobody waits.
ALTER TABLE write.stock ADD COLUMN waiting integer NOT NULL DEFAULT 0 CHECK (waiting >= 0);
GRANT SELECT, INSERT, UPDATE ON write.hold TO shelfwise_write_api;
"""


def upgrade() -> None:
    """Create the table of holds."""
    run(HOLDS)
    run(isolation("write.hold"))
