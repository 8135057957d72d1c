"""Redis as a projection: rows and states of a tenant written through together, and only by whoever may.

A tenant's cache has an incarnation, kept in PostgreSQL, that its keys contain. A write is refused unless that
incarnation is still there and the writer's epoch is not older; a row is refused unless its position is newer. Whenever
Redis may have missed something (it was away, flushed, the lease changed hands), the lease holder begins a new
incarnation instead of mending the old one: rows that are not there are read from their table.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar, cast
from uuid import UUID

from projections.runtime import leases
from projections.runtime.batch import CachedRow
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.leases import Lease
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.redis.keys import SHOWN_CHANNEL, TenantKeys
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.scripts import Script, ScriptCall, run_scripts
from shared_kernel.redis.shown import encode_shown
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
_CALLS_PER_PIPELINE = 64

_WRITTEN = 1

WRITE_LIMITS = ConnectionLimits(timeout_seconds=1.0, stall_seconds=2.0)
"""A pipeline of full calls takes Redis longer than a reader would wait; an outage costs a drain one such wait."""

WRITE = Script(
    """
    -- KEYS: state, rows...   ARGV: incarnation, epoch, state ttl ms, row ttl s, channel, what to say there,
    -- number of state fields, (field, value)..., then per row: position, '1' and body, or '0' and '' for a deletion
    local held = redis.call('HMGET', KEYS[1], 'i', 'e')
    if held[1] ~= ARGV[1] or tonumber(held[2]) > tonumber(ARGV[2]) then return 0 end
    local at = 7
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
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    if fields > 0 then
        redis.call('HSET', KEYS[1], unpack(ARGV, at + 1, at + 2 * fields))
        redis.call('PUBLISH', ARGV[5], ARGV[6])
    end
    return 1
    """
)
"""Rows first, then states, in one step: whoever sees a state, or is told of it, finds no older row beside."""

_INSTALL = Script(
    """
    -- KEYS: state   ARGV: incarnation, epoch, deadline in microseconds of this clock, state ttl ms, (field, value)...
    local now = redis.call('TIME')
    if tonumber(now[1]) * 1000000 + tonumber(now[2]) >= tonumber(ARGV[3]) then return 0 end
    local epoch = redis.call('HGET', KEYS[1], 'e')
    if epoch and tonumber(epoch) > tonumber(ARGV[2]) then return 0 end
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'i', ARGV[1], 'e', ARGV[2], unpack(ARGV, 5))
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    return 1
    """
)
"""After a flush Redis knows no epoch to compare: only what happens within the lease's own time is the holder's."""

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
    """The write-through of one shard's tenants; remembers their incarnations for as long as the lease is held."""

    def __init__(self, *, redis: MultiplexedRedis, pool: Pool, lease: Lease) -> None:
        self._redis = redis
        self._pool = pool
        self._lease = lease
        self._incarnations: dict[UUID, str] = {}

    def needs_incarnation(self, tenants: Iterable[UUID]) -> list[UUID]:
        """Which of these tenants have none that this lease knows to be whole."""
        return [] if self._lease.line else [tenant for tenant in tenants if tenant not in self._incarnations]

    def forget(self, tenants: Iterable[UUID]) -> None:
        """These tenants' caches may have missed something: the next write begins them anew."""
        for tenant in tenants:
            self._incarnations.pop(tenant, None)

    async def write(
        self, states: Mapping[UUID, Sequence[Checkpoint]], rows: Mapping[UUID, Sequence[CachedRow]]
    ) -> None:
        """Write rows and states of these tenants through, beginning a new incarnation for those that have none.

        Args:
            states: all live checkpoints of each tenant.
            rows: what the batch changed.

        Raises:
            RedisUnavailable, RedisReplyError: the tenants concerned begin anew next time.
            LeaseLostError: another worker has the shard.
        """
        if self._lease.line:
            return  # of a line behind: a tenant's cache has one writer, the newest
        try:
            without = self.needs_incarnation(states)
            if without:
                await self._begin_incarnations({tenant: states[tenant] for tenant in without})
            known = [tenant for tenant in states if tenant in self._incarnations]
            # Whoever sees a state must find no older row beside it, so what does not fit one call goes ahead of it.
            refused = await self._run([call for tenant in known for call in self._early_calls(tenant, rows)])
            # And who was forgotten meanwhile, by a batch that failed beside this one, begins anew with the next write.
            late = [tenant for tenant in known if tenant not in refused and tenant in self._incarnations]
            refused |= await self._run([(tenant, self._last_call(tenant, states[tenant], rows)) for tenant in late])
        except BaseException:
            self.forget(states)
            raise
        self.forget(refused)

    async def _begin_incarnations(self, states: Mapping[UUID, Sequence[Checkpoint]]) -> None:
        """Start these tenants' caches anew and empty, showing `states`; PostgreSQL hears of it first."""
        fresh = {tenant: secrets.token_hex(8) for tenant in states}
        asked_at_us = await self._redis_clock_us()
        async with transaction(self._pool, tenant_id=None) as connection:
            left_seconds = await leases.fence(connection, self._lease)
            await connection.execute(_REMEMBER, list(fresh), list(fresh.values()), self._lease.epoch)
            await connection.execute("COMMIT")
        deadline_us = asked_at_us + int(left_seconds * 1_000_000)
        calls = [(tenant, self._install_call(tenant, fresh[tenant], states[tenant], deadline_us)) for tenant in states]
        refused = await self._run(calls)
        self._incarnations |= {tenant: mark for tenant, mark in fresh.items() if tenant not in refused}

    async def _redis_clock_us(self) -> int:
        reply = await self._redis.call("TIME")
        assert isinstance(reply, list)
        seconds, microseconds = (int(cast("bytes", part)) for part in reply)
        return seconds * 1_000_000 + microseconds

    async def _run(self, calls: Sequence[tuple[UUID, ScriptCall]]) -> set[UUID]:
        """Run bounded pipelines one after the other; the tenants that were refused."""
        refused: set[UUID] = set()
        for group in _groups(calls, _CALLS_PER_PIPELINE):
            replies = await run_scripts(self._redis, [call for _, call in group])
            for (tenant, _), reply in zip(group, replies, strict=True):
                if isinstance(reply, Exception):
                    raise reply
                if reply != _WRITTEN:
                    refused.add(tenant)
        return refused

    def _early_calls(self, tenant: UUID, rows: Mapping[UUID, Sequence[CachedRow]]) -> list[tuple[UUID, ScriptCall]]:
        return [(tenant, self._write_call(tenant, (), chunk)) for chunk in _chunks(rows, tenant)[:-1]]

    def _last_call(
        self, tenant: UUID, checkpoints: Sequence[Checkpoint], rows: Mapping[UUID, Sequence[CachedRow]]
    ) -> ScriptCall:
        return self._write_call(tenant, checkpoints, _chunks(rows, tenant)[-1])

    def _write_call(self, tenant: UUID, checkpoints: Sequence[Checkpoint], rows: Sequence[CachedRow]) -> ScriptCall:
        incarnation = self._incarnations[tenant]
        row_args = [part for row in rows for part in (row.position, int(row.body is not None), row.body or b"")]
        return ScriptCall(
            script=WRITE,
            keys=(TenantKeys(tenant).state_key(), *(_row_key(tenant, incarnation, row) for row in rows)),
            args=(
                incarnation,
                self._lease.epoch,
                STATE_TTL_MILLISECONDS,
                _ROW_TTL_SECONDS,
                SHOWN_CHANNEL,
                encode_shown(tenant, [(_label(one), one.position) for one in checkpoints]) if checkpoints else "",
                len(checkpoints),
                *_fields(checkpoints),
                *row_args,
            ),
        )

    def _install_call(
        self, tenant: UUID, incarnation: str, checkpoints: Sequence[Checkpoint], deadline_us: int
    ) -> ScriptCall:
        return ScriptCall(
            script=_INSTALL,
            keys=(TenantKeys(tenant).state_key(),),
            args=(incarnation, self._lease.epoch, deadline_us, STATE_TTL_MILLISECONDS, *_fields(checkpoints)),
        )


def _row_key(tenant: UUID, incarnation: str, row: CachedRow) -> str:
    return TenantKeys(tenant).row_key(
        incarnation=incarnation,
        projection=row.build.name,
        version=row.build.version,
        build=row.build.build,
        row_key=row.key,
    )


def _chunks(rows: Mapping[UUID, Sequence[CachedRow]], tenant: UUID) -> list[Sequence[CachedRow]]:
    return _groups(rows.get(tenant, ()), _ROWS_PER_CALL) or [()]


def _fields(checkpoints: Sequence[Checkpoint]) -> list[str]:
    return [part for one in checkpoints for part in (_label(one), encode_state(shown_state(one)))]


def _label(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.name}@{checkpoint.version}"


def _groups(items: Sequence[ItemT], size: int) -> list[Sequence[ItemT]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
