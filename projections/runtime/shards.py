"""Which shards this projector drains: the kernel's keeper, told how to drain one."""

from functools import partial
from uuid import UUID

from projections.runtime.drain import ShardDrain
from projections.runtime.live import LiveRounds
from projections.runtime.parts import DrainParts
from shared_kernel.subscription.shards import ShardKeeper, Subscription


def shard_keeper(parts: DrainParts, live: LiveRounds, worker_id: UUID) -> ShardKeeper:
    """Keeps a projector's shards, with a drain for each."""
    subscription = Subscription(
        pool=parts.read_pool,
        leases=parts.leases,
        times=parts.times,
        open_drain=partial(ShardDrain, parts, live),
        note_lost=parts.progress.note_lost,
    )
    return ShardKeeper(subscription, worker_id)
