"""Rows that Redis has and the table has not: one pass over Redis' keys for a projection, whatever the number of stores.

`SCAN` visits every key of the server once, a bounded number a call, and holds nobody up. What it finds is looked up in
the read table, which the verification has compared with a fold already.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import suppress
from typing import cast
from uuid import UUID

import asyncpg
import msgspec

from projections.runtime.catalog import Subject
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.row_keys import select_present, split_key
from projections.verification.looking_again import is_shown_behind, looks_again
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.state import INCARNATION_FIELD

_KEYS_PER_CALL = 1_000
"""Some hundred microseconds of Redis' time."""

_ACTIVE = """
SELECT build FROM read.active_build WHERE (tenant_id, name, version) = ($1, $2, $3)
"""
_CHECKPOINTS = """
SELECT c.tenant_id, c.name, c.version, c.build, c.mode, c.position, c.as_of, c.revision, c.rows, c.parked
FROM read.active_build a JOIN projection.checkpoint c USING (tenant_id, name, version, build)
WHERE a.tenant_id = ANY($1::uuid[]) AND (a.name, a.version) = ($2, $3)
"""


class CachedKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a row's name in Redis says."""

    name: str
    tenant_id: UUID
    incarnation: str
    build: int
    key: str


class ExtraRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that readers of Redis see and no table has."""

    tenant_id: UUID
    key: str
    stands: bytes


class ExtraRows:
    """Looks for them."""

    def __init__(self, redis: MultiplexedRedis, read_pool: Pool) -> None:
        self._redis = redis
        self._read_pool = read_pool

    async def find(self, subject: Subject, *, tenant_id: UUID | None) -> list[ExtraRow]:
        """Those of one projection, of all tenants or one.

        Raises:
            RedisUnavailable: Redis is away.
        """
        found: list[ExtraRow] = []
        async for names in self._scan(subject, tenant_id):
            doubtful = await self._doubtful(subject, [_parse(name) for name in names])
            found += [ExtraRow(tenant_id=one.tenant_id, key=one.key, stands=stands) for one, stands in doubtful.items()]
        return found

    async def _doubtful(self, subject: Subject, keys: Iterable[CachedKey]) -> dict[CachedKey, bytes]:
        """The extra rows among these; a deleted row's tombstone may be on its way, so they are looked at again."""
        doubtful = await self._extra(subject, keys)
        tenants = {one.tenant_id for one in doubtful}
        if doubtful:
            async for _ in looks_again(lambda: self._is_any_behind(subject, tenants)):
                doubtful = await self._extra(subject, doubtful.keys())
                if not doubtful:
                    break
        return doubtful

    async def _is_any_behind(self, subject: Subject, tenants: Collection[UUID]) -> bool:
        """Whether readers of any of these tenants are told of an older state than their table's."""
        async with transaction(self._read_pool, tenant_id=None) as connection:
            rows = await connection.fetch(_CHECKPOINTS, list(tenants), subject.name, subject.version)
        for row in rows:
            if await is_shown_behind(self._redis, Checkpoint(**dict(row))):
                return True
        return False

    async def _scan(self, subject: Subject, tenant_id: UUID | None) -> AsyncIterator[list[str]]:
        whose = "*" if tenant_id is None else tenant_id.hex
        pattern = f"sw:{{{whose}}}:row:*:{subject.name}:{subject.version}:*"
        cursor = b"0"
        # Bounded by Redis: a full iteration ends for a key space of any size.
        while True:
            reply = await self._redis.call("SCAN", cursor, "MATCH", pattern, "COUNT", _KEYS_PER_CALL)
            cursor, names = cast("tuple[bytes, list[bytes]]", reply)
            if names:
                yield [name.decode() for name in names]
            if cursor == b"0":
                return

    async def _extra(self, subject: Subject, keys: Iterable[CachedKey]) -> dict[CachedKey, bytes]:
        """Which of these readers see though their table does not have them: Redis is asked first, then the table."""
        by_tenant: dict[UUID, list[CachedKey]] = defaultdict(list)
        for one in keys:
            by_tenant[one.tenant_id].append(one)
        found: dict[CachedKey, bytes] = {}
        for tenant_id, its in by_tenant.items():
            rows = await self._rows(tenant_id, its)
            missing = await self._missing(subject, tenant_id, rows.keys()) if rows else set()
            found |= {one: rows[one] for one in missing}
        return found

    async def _rows(self, tenant_id: UUID, keys: Collection[CachedKey]) -> dict[CachedKey, bytes]:
        """Those that are rows now, and not tombstones nor of an incarnation that nobody reads."""
        incarnation = await self._redis.call("HGET", TenantKeys(tenant_id).state_key(), INCARNATION_FIELD)
        if not isinstance(incarnation, bytes):
            return {}
        read = [one for one in keys if one.incarnation == incarnation.decode()]
        if not read:
            return {}
        replies = cast("list[bytes | None]", await self._redis.call("MGET", *(one.name for one in read)))
        return {
            one: stands
            for one, stands in zip(read, replies, strict=True)
            if stands is not None and stands.partition(b"|")[2]
        }

    async def _missing(self, subject: Subject, tenant_id: UUID, keys: Collection[CachedKey]) -> set[CachedKey]:
        view = subject.projection.view
        async with transaction(self._read_pool, tenant_id=None) as connection:
            build = await connection.fetchval(_ACTIVE, tenant_id, subject.name, subject.version)
        read = [one for one in keys if one.build == build]
        legible = [one for one in read if len(split_key(one.key)) == len(view.key)]
        try:
            present = await self._present(subject, legible)
        except asyncpg.DataError:  # one of them is no value of its column: find out which
            present = set()
            for one in legible:
                with suppress(asyncpg.DataError):
                    present |= await self._present(subject, [one])
        return set(read) - present

    async def _present(self, subject: Subject, keys: Sequence[CachedKey]) -> set[CachedKey]:
        if not keys:
            return set()
        columns = zip(*(split_key(one.key) for one in keys), strict=True)
        arguments = [list(column) for column in columns]
        async with transaction(self._read_pool, tenant_id=None) as connection:
            rows = await connection.fetch(
                select_present(subject.projection.view),
                keys[0].tenant_id,
                keys[0].build,
                list(range(len(keys))),
                *arguments,
            )
        return {keys[row["number"]] for row in rows}


def _parse(name: str) -> CachedKey:
    prefix, _, rest = name.partition(":row:")
    incarnation, _projection, _version, build, key = rest.split(":", 4)
    tenant_id = UUID(hex=prefix.removeprefix("sw:{").removesuffix("}"))
    return CachedKey(name=name, tenant_id=tenant_id, incarnation=incarnation, build=int(build), key=key)
