"""How the log and the work on it are divided."""

from uuid import UUID

LOG_PARTITIONS = 16
"""Hash partitions of `log.event`; fixed when the table is created."""

SHARDS = 16
"""Units of projecting: one worker at a time drains a shard. More workers than shards would idle."""


def shard_of(tenant_id: UUID) -> int:
    """The shard a tenant's events are projected in: the low bits of a UUIDv7 are random, so tenants spread evenly."""
    return tenant_id.int % SHARDS
