"""Comparing the rows that Redis holds with a fold, each at its own position."""

from collections.abc import Iterable
from itertools import islice

import msgspec

from projections.runtime.catalog import Subject
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.folding import AnyStoredRow
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.state import INCARNATION_FIELD
from shared_kernel.views import Key, encode_key

_ROWS_PER_CALL = 200


class CacheMismatch(msgspec.Struct, frozen=True, kw_only=True):
    """A row in Redis that is not what the log says at its position."""

    key: str
    stands: str
    should: str


class CacheComparison(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows Redis had, and which of them are wrong."""

    compared: int
    mismatches: tuple[CacheMismatch, ...]


class CachedRows:
    """Reads rows as readers do: under the tenant's current incarnation."""

    def __init__(self, redis: MultiplexedRedis) -> None:
        self._redis = redis

    async def compare(
        self, subject: Subject, checkpoint: Checkpoint, folded: dict[Key, AnyStoredRow]
    ) -> CacheComparison:
        """Compare the rows of a fold to `checkpoint` with those in Redis.

        A row that is not in Redis is no difference: readers go to the table. Nor is one newer than the checkpoint: it was
        written after the snapshot.

        Raises:
            RedisUnavailable: Redis is away.
        """
        keys = TenantKeys(checkpoint.tenant_id)
        incarnation = await self._redis.call("HGET", keys.state_key(), INCARNATION_FIELD)
        if not isinstance(incarnation, bytes):
            return CacheComparison(compared=0, mismatches=())
        compared = 0
        mismatches: list[CacheMismatch] = []
        for chunk in _chunks(folded.items()):
            names = [
                keys.row_key(
                    incarnation=incarnation.decode(),
                    projection=checkpoint.name,
                    version=checkpoint.version,
                    build=checkpoint.build,
                    row_key=encode_key(key),
                )
                for key, _ in chunk
            ]
            replies = await self._redis.call("MGET", *names)
            assert isinstance(replies, list)
            for (key, should), stands in zip(chunk, replies, strict=True):
                if not isinstance(stands, bytes):
                    continue
                compared += 1
                mismatch = _compare(subject, checkpoint, key, should, stands)
                if mismatch is not None:
                    mismatches.append(mismatch)
        return CacheComparison(compared=compared, mismatches=tuple(mismatches))


def _compare(
    subject: Subject, checkpoint: Checkpoint, key: Key, should: AnyStoredRow, stands: bytes
) -> CacheMismatch | None:
    position, _, body = stands.partition(b"|")
    encode = subject.projection.view.body
    if encode is None or int(position) > checkpoint.position:
        return None
    expected = encode(should.row)
    if int(position) == should.position and body == expected:
        return None
    return CacheMismatch(
        key=encode_key(key),
        stands=f"{stands[:500]!r}",
        should=f"{b'%d|%s' % (should.position, expected[:480])!r}",
    )


def _chunks(items: Iterable[tuple[Key, AnyStoredRow]]) -> Iterable[list[tuple[Key, AnyStoredRow]]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _ROWS_PER_CALL)):
        yield chunk
