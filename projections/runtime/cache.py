"""Redis as a projection: rows and states of a tenant written through together, and only by whoever may.

A tenant's cache has an incarnation, kept in PostgreSQL, that its keys contain. A write is refused unless that incarnation is
still there and the writer's epoch is not older; a row is refused unless its position is newer. Whenever Redis may have missed
something (it was away, flushed, the lease changed hands), the lease holder begins a new incarnation instead of mending the
old one: rows that are not there are read from their table.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from projections.runtime import leases
from projections.runtime.batch import CachedRow, Lease
from projections.runtime.checkpoints import Checkpoint
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.scripts import Script, ScriptCall, run_scripts
from shared_kernel.redis.state import (
    EPOCH_FIELD,
    INCARNATION_FIELD,
    STATE_TTL_MILLISECONDS,
    ProjectionState,
    encode_state,
)

ItemT = TypeVar("ItemT")

_ROW_TTL_SECONDS = 86_400
"""A row nobody rewrote for a day leaves Redis; its table still has it."""
_ROWS_PER_CALL = 500
"""Bounds how long one script holds Redis: some milliseconds."""
_TENANTS_PER_PIPELINE = 64

_WRITTEN = 1

WRITE = Script(
    """
    -- KEYS: state, rows...   ARGV: incarnation, epoch, state ttl ms, row ttl s, number of state fields,
    -- (field, value)..., then per row: position, '1' and body, or '0' and '' for a deletion
    local held = redis.call('HMGET', KEYS[1], 'i', 'e')
    if held[1] ~= ARGV[1] or tonumber(held[2]) > tonumber(ARGV[2]) then return 0 end
    local at = 5
    local fields = tonumber(ARGV[at])
    local rows_at = at + 2 * fields
    for index = 2, #KEYS do
        local base = rows_at + (index - 2) * 3
        local position = ARGV[base + 1]
        local stored = redis.call('GET', KEYS[index])
        local newer = true
        if stored then newer = tonumber(string.match(stored, '^(%d+)|')) < tonumber(position) end
        if newer then
            local body = ''
            if ARGV[base + 2] == '1' then body = ARGV[base + 3] end
            redis.call('SET', KEYS[index], position .. '|' .. body, 'EX', ARGV[4])
        end
    end
    for index = 1, fields do
        redis.call('HSET', KEYS[1], ARGV[at + 2 * index - 1], ARGV[at + 2 * index])
    end
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return 1
    """
)
"""Rows first, then states, in one step: whoever sees a state finds no older row beside it."""

_INSTALL = Script(
    """
    -- KEYS: state   ARGV: incarnation, epoch, state ttl ms, (field, value)...
    local epoch = redis.call('HGET', KEYS[1], 'e')
    if epoch and tonumber(epoch) > tonumber(ARGV[2]) then return 0 end
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'i', ARGV[1], 'e', ARGV[2])
    for index = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1]) end
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return 1
    """
)

_REMEMBER = """
INSERT INTO projection.cache (tenant_id, incarnation, epoch) SELECT t.tenant_id, t.incarnation, $3
FROM unnest($1::uuid[], $2::text[]) AS t(tenant_id, incarnation)
ON CONFLICT (tenant_id) DO UPDATE SET incarnation = excluded.incarnation, epoch = excluded.epoch
"""

assert INCARNATION_FIELD == "i" and EPOCH_FIELD == "e"  # noqa: PT018 - the scripts above spell them out


def shown_state(checkpoint: Checkpoint) -> ProjectionState:
    """What readers are told of a checkpoint."""
    return ProjectionState(
        build=checkpoint.build,
        revision=checkpoint.revision,
        position=checkpoint.position,
        as_of=checkpoint.as_of,
        parked=checkpoint.parked,
        rows=checkpoint.rows,
    )


class TenantCache:
    """The write-through of one shard's tenants, under one lease. Incarnations are remembered here as long as it is held."""

    def __init__(self, *, redis: MultiplexedRedis, pool: Pool, lease: Lease) -> None:
        self._redis = redis
        self._pool = pool
        self._lease = lease
        self._incarnations: dict[UUID, str] = {}

    async def write(
        self, states: Mapping[UUID, Sequence[Checkpoint]], rows: Mapping[UUID, Sequence[CachedRow]]
    ) -> None:
        """Write rows and states of these tenants through; begin a new incarnation where the old one is not to be had.

        Args:
            states: the live checkpoints of each tenant, all of them where the tenant has no incarnation yet.
            rows: what the batch changed.

        Raises:
            RedisUnavailable: Redis is away; the tenants concerned begin anew next time.
            LeaseLostError: another worker has the shard.
        """
        refused: list[UUID] = [tenant for tenant in states if tenant not in self._incarnations]
        known = [tenant for tenant in states if tenant in self._incarnations]
        try:
            for group in _groups(known, _TENANTS_PER_PIPELINE):
                refused += await self._write_group(group, states, rows)
        except Exception:
            self.forget(states)
            raise
        if refused:
            self.forget(refused)

    def needs_incarnation(self, tenants: Iterable[UUID]) -> list[UUID]:
        """Which of these tenants have none that this lease knows to be whole."""
        return [tenant for tenant in tenants if tenant not in self._incarnations]

    async def begin_incarnations(self, states: Mapping[UUID, Sequence[Checkpoint]]) -> None:
        """Start these tenants' caches anew and empty, showing `states`; PostgreSQL, which fences zombies, hears of it first.

        Raises:
            RedisUnavailable, LeaseLostError.
        """
        fresh = {tenant: secrets.token_hex(8) for tenant in states}
        async with transaction(self._pool, tenant_id=None) as connection:
            await leases.fence(connection, self._lease.shard, self._lease.epoch)
            await connection.execute(_REMEMBER, list(fresh), list(fresh.values()), self._lease.epoch)
            await connection.execute("COMMIT")
        for group in _groups(list(states), _TENANTS_PER_PIPELINE):
            calls = [self._install_call(tenant, fresh[tenant], states[tenant]) for tenant in group]
            for tenant, reply in zip(group, await run_scripts(self._redis, calls), strict=True):
                if isinstance(reply, Exception):
                    raise reply
                if reply == _WRITTEN:
                    self._incarnations[tenant] = fresh[tenant]

    def forget(self, tenants: Iterable[UUID]) -> None:
        """These tenants' caches may have missed something: the next write begins them anew."""
        for tenant in tenants:
            self._incarnations.pop(tenant, None)

    async def _write_group(
        self,
        tenants: Sequence[UUID],
        states: Mapping[UUID, Sequence[Checkpoint]],
        rows: Mapping[UUID, Sequence[CachedRow]],
    ) -> list[UUID]:
        calls: list[ScriptCall] = []
        owners: list[UUID] = []
        for tenant in tenants:
            for call in self._write_calls(tenant, states[tenant], rows.get(tenant, ())):
                calls.append(call)
                owners.append(tenant)
        refused: list[UUID] = []
        for tenant, reply in zip(owners, await run_scripts(self._redis, calls), strict=True):
            if isinstance(reply, Exception):
                raise reply
            if reply != _WRITTEN and tenant not in refused:
                refused.append(tenant)
        return refused

    def _write_calls(
        self, tenant: UUID, checkpoints: Sequence[Checkpoint], rows: Sequence[CachedRow]
    ) -> list[ScriptCall]:
        """All rows, in bounded calls; the states travel with the last."""
        chunks = _groups(list(rows), _ROWS_PER_CALL) or [[]]
        return [self._write_call(tenant, checkpoints if chunk is chunks[-1] else (), chunk) for chunk in chunks]

    def _write_call(self, tenant: UUID, checkpoints: Sequence[Checkpoint], rows: Sequence[CachedRow]) -> ScriptCall:
        keys = TenantKeys(tenant)
        incarnation = self._incarnations[tenant]
        row_keys = [
            keys.row_key(
                incarnation=incarnation, projection=row.name, version=row.version, build=row.build, row_key=row.key
            )
            for row in rows
        ]
        row_args = [part for row in rows for part in (row.position, int(row.body is not None), row.body or b"")]
        return ScriptCall(
            script=WRITE,
            keys=(keys.state_key(), *row_keys),
            args=(
                incarnation,
                self._lease.epoch,
                STATE_TTL_MILLISECONDS,
                _ROW_TTL_SECONDS,
                len(checkpoints),
                *_fields(checkpoints),
                *row_args,
            ),
        )

    def _install_call(self, tenant: UUID, incarnation: str, checkpoints: Sequence[Checkpoint]) -> ScriptCall:
        return ScriptCall(
            script=_INSTALL,
            keys=(TenantKeys(tenant).state_key(),),
            args=(incarnation, self._lease.epoch, STATE_TTL_MILLISECONDS, *_fields(checkpoints)),
        )


def _fields(checkpoints: Sequence[Checkpoint]) -> list[str]:
    return [part for one in checkpoints for part in (f"{one.name}@{one.version}", encode_state(shown_state(one)))]


def _groups(items: Sequence[ItemT], size: int) -> list[Sequence[ItemT]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
