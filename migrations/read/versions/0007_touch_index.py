"""The index from a row's key to the events that touched it, in immutable blocks of the log."""

from migrations.script import crossing, isolation, run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TOUCH_INDEX = """
CREATE TABLE projection.touch_index (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    blocks integer NOT NULL CHECK (blocks >= 0),
    PRIMARY KEY (tenant_id, name, version)
) WITH (fillfactor = 50);
COMMENT ON COLUMN projection.touch_index.blocks IS 'how many blocks from the log''s beginning on are indexed';
CREATE TABLE projection.touch_block (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    block integer NOT NULL CHECK (block >= 0),
    keys bigint[] NOT NULL,
    masks bigint[] NOT NULL,
    PRIMARY KEY (tenant_id, name, version, block)
);
COMMENT ON COLUMN projection.touch_block.keys IS 'a digest of each key touched, which names tenant and projection too';
COMMENT ON COLUMN projection.touch_block.masks IS 'for each of keys a bit an event of the block';
CREATE INDEX touch_block_keys ON projection.touch_block USING gin (keys) WITH (fastupdate = off);
GRANT SELECT, INSERT, UPDATE, DELETE ON projection.touch_index, projection.touch_block TO shelfwise_projector;
"""


def upgrade() -> None:
    """Create the index."""
    run(TOUCH_INDEX)
    for table in ("projection.touch_index", "projection.touch_block"):
        run(isolation(table, roles="shelfwise_read_api", check=False))
        run(crossing(table, role="shelfwise_projector", verb="ALL"))
