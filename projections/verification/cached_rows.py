"""Comparing the rows that Redis holds with a fold, each at its own position."""

from collections.abc import Iterable, Mapping
from itertools import islice

import msgspec

from projections.runtime.catalog import Subject
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.folding import AnyStoredRow
from projections.verification.looking_again import is_shown_behind, looks_again
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.state import INCARNATION_FIELD
from shared_kernel.views import Key, encode_key

_ROWS_PER_CALL = 200
_SHOWN_BYTES = 500


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
        self, subject: Subject, checkpoint: Checkpoint, folded: Mapping[Key, AnyStoredRow]
    ) -> CacheComparison:
        """Compare the rows of a fold to `checkpoint` with those in Redis.

        A row that is not in Redis is no difference: readers go to the table. Nor is one newer than the checkpoint: it
        was written after the snapshot. One that is older may be on its way, so what differs is looked at again; and it
        is right while readers are told of an older state, which the next projector, or expiry, puts an end to.

        Raises:
            RedisUnavailable: Redis is away.
        """
        compared, doubtful = await self._compare_once(subject, checkpoint, folded)
        if doubtful:
            async for _ in looks_again(lambda: is_shown_behind(self._redis, checkpoint)):
                _, doubtful = await self._compare_once(subject, checkpoint, {key: folded[key] for key in doubtful})
                if not doubtful:
                    break
        return CacheComparison(compared=compared, mismatches=tuple(doubtful.values()))

    async def _compare_once(
        self, subject: Subject, checkpoint: Checkpoint, folded: Mapping[Key, AnyStoredRow]
    ) -> tuple[int, dict[Key, CacheMismatch]]:
        """How many of these rows Redis has, and which of them differ."""
        state_key = TenantKeys(checkpoint.tenant_id).state_key()
        incarnation = await self._redis.call("HGET", state_key, INCARNATION_FIELD)
        if not isinstance(incarnation, bytes):
            return 0, {}
        compared = 0
        mismatches: dict[Key, CacheMismatch] = {}
        for chunk in _chunks(folded.items()):
            names = [_name(checkpoint, incarnation.decode(), key) for key, _ in chunk]
            replies = await self._redis.call("MGET", *names)
            assert isinstance(replies, list)
            for (key, should), stands in zip(chunk, replies, strict=True):
                if isinstance(stands, bytes):
                    compared += 1
                    mismatch = _mismatch(subject, checkpoint, (key, should), stands)
                    mismatches |= {} if mismatch is None else {key: mismatch}
        return compared, mismatches


def _name(checkpoint: Checkpoint, incarnation: str, key: Key) -> str:
    return TenantKeys(checkpoint.tenant_id).row_key(
        incarnation=incarnation,
        projection=checkpoint.name,
        version=checkpoint.version,
        build=checkpoint.build,
        row_key=encode_key(key),
    )


def _mismatch(
    subject: Subject, checkpoint: Checkpoint, folded: tuple[Key, AnyStoredRow], stands: bytes
) -> CacheMismatch | None:
    key, should = folded
    position, _, body = stands.partition(b"|")
    encode = subject.projection.view.body
    if encode is None or (position.isdigit() and int(position) > checkpoint.position):
        return None
    expected = encode(should.row)
    if position == b"%d" % should.position and body == expected:
        return None
    should_stand = b"%d|%s" % (should.position, expected)
    return CacheMismatch(
        key=encode_key(key), stands=f"{stands[:_SHOWN_BYTES]!r}", should=f"{should_stand[:_SHOWN_BYTES]!r}"
    )


def _chunks(items: Iterable[tuple[Key, AnyStoredRow]]) -> Iterable[list[tuple[Key, AnyStoredRow]]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _ROWS_PER_CALL)):
        yield chunk
