"""A group of tenants' turn, from the log to Redis: fetched, folded, committed and written through together."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

import structlog

from projections.runtime.batch import Batch, BatchResult
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.errors import LeaseLostError
from projections.runtime.fault_points import FaultPoint
from projections.runtime.folding import TenantEvents, read_events
from projections.runtime.parts import DrainParts
from projections.runtime.recent import RecentEvents
from projections.runtime.shard import Shard, load
from projections.runtime.slices import Slices
from projections.runtime.tracing import log_projected
from projections.runtime.turns import EVENTS_TOGETHER, Round, Turn
from shared_kernel.database.transactions import lent
from shared_kernel.log.archive.errors import UNREADABLE
from shared_kernel.log.partitions import shard_of
from shared_kernel.log.reader import StoredEvent, fetch, heads

_FIRST_BUDGET, _MIN_BUDGET, _MAX_BUDGET = 200, 16, 1_000
"""Events one tenant may have folded in a round; moves between these so that a batch takes about half a second."""
_SLOW_BUDGET = 100
"""A slow machine takes it no lower, only failures do: small backlogs, each alone, would make it slower still."""
_BUDGET_BESIDE_OTHERS = 200
"""Events of one tenant in a round while others have news, who wait as long as folding these takes."""
_GATHERED_BESIDE_OTHERS = 256
"""Events of all tenants whose sums are folded at a time then, or half of those that wait: ten milliseconds of the one
thread between two waits for PostgreSQL."""
_OTHERS_SECONDS = 1.0
"""How long ago others had news, for them to be expected again."""
_LOADED_TOGETHER = 500
"""Tenants, each with a score of checkpoints: a transaction of some tens of milliseconds."""
_LONG_BATCH_SECONDS, _SHORT_BATCH_SECONDS = 0.6, 0.15
_FAILURE_SHRINKS_BY = 4
_UNREADABLE_REST_SECONDS = 5.0
"""Somebody has to put a file back, or to restore a backup."""

log = structlog.get_logger()

Project: TypeAlias = Callable[[Batch], Awaitable[BatchResult]]


class Rounds:
    """What a round consists of, for whoever decides when there is one and how much care it takes.

    Args:
        project: folds and commits a batch.
    """

    def __init__(self, parts: DrainParts, project: Project) -> None:
        self._parts = parts
        self._project = project
        self._budget = _FIRST_BUDGET
        self._had_news: dict[UUID, float] = {}
        self._was_behind: dict[UUID, float] = {}
        self._backlogs = 0
        self._slices = Slices()
        self._recent = RecentEvents()

    def gives_way(self) -> bool:
        """Whether backlogs leave time to tenants that had news just now: not where most are behind, as after an outage.

        Then there is nobody to be spared, and all want it over soon.
        """
        since = time.monotonic() - _OTHERS_SECONDS
        return sum(at > since for at in self._had_news.values()) >= max(1, self._backlogs)

    async def look(self, shards: Sequence[Shard]) -> None:
        """See how far the logs of these shards' tenants go."""
        for shard in shards:
            shard.begin_look()
        async with lent(self._parts.log_pool) as connection:
            found = await heads(connection, [shard.number for shard in shards])
        by_shard: dict[int, dict[UUID, int]] = defaultdict(dict)
        for head in found:
            by_shard[head.shard][head.tenant_id] = head.position
        unknown: dict[Shard, list[UUID]] = {}
        for shard in shards:
            unknown[shard] = shard.note_heads(by_shard[shard.number])
            if sum(map(len, unknown.values())) >= _LOADED_TOGETHER:
                await load(self._parts, unknown)
                unknown = {}
        if any(unknown.values()):
            await load(self._parts, unknown)

    def choose(self, shards: Iterable[Shard], *, backlogs: int = 1, gathers: bool = True) -> Round:
        """Whose turn it is.

        Args:
            backlogs: how many more may be under way.
            gathers: whether it is also the turn of what shows many events at a time.
        """
        if self.gives_way():
            budget, alone = min(self._budget, _BUDGET_BESIDE_OTHERS), min(self._budget, self._slices.events)
        else:
            budget = alone = self._budget
        chosen = Round(budget=budget, backlogs=backlogs, alone=alone)
        for shard in shards:
            shard.tenants.offer(shard.heads, chosen)
        if gathers:
            few = max(_GATHERED_BESIDE_OTHERS, chosen.late_events // 2)
            chosen.gather(events=min(few, EVENTS_TOGETHER) if self.gives_way() else EVENTS_TOGETHER)
        now = time.monotonic()
        self._backlogs = len(chosen.backlogged)
        self._slices.note_behind(chosen.waiting)
        self._had_news = {tenant: at for tenant, at in self._had_news.items() if at > now - _OTHERS_SECONDS}
        self._was_behind = {tenant: at for tenant, at in self._was_behind.items() if at > now - _OTHERS_SECONDS}
        self._was_behind |= dict.fromkeys(chosen.backlogged, now)
        # The rest of a backlog is nobody's news: the last of many stores would leave time to those that are done.
        news = (turn.tenant_id for turn in chosen.together if turn.tenant_id not in self._was_behind)
        self._had_news |= dict.fromkeys(news, now)
        return chosen

    async def take(self, shards: Mapping[int, Shard], turns: Sequence[Turn], *, is_alone: bool = False) -> bool:
        """Take these tenants' turns, in one transaction; whether anything was projected.

        Args:
            shards: theirs.
            turns: of several a little behind, or one backlog's.
            is_alone: it is a backlog's.

        Raises: what `project` raises; tenants of shards that are lost or stand elsewhere are seen to.
        """
        for turn in turns:
            shards[shard_of(turn.tenant_id)].tenants.take_in_hand(turn)
        try:
            return await self._take(shards, turns, is_alone=is_alone)
        finally:
            for turn in turns:
                shards[shard_of(turn.tenant_id)].tenants.put_down(turn)

    def rest_seconds(self, took_seconds: float) -> float:
        """How long a backlog whose batch took so long leaves the others to themselves."""
        return self._slices.rest_seconds(took_seconds) if self.gives_way() else 0.0

    def shrink(self) -> None:
        """A batch failed: it may have been too large for its timeout."""
        self._budget = max(_MIN_BUDGET, self._budget // _FAILURE_SHRINKS_BY)

    async def _take(self, shards: Mapping[int, Shard], turns: Sequence[Turn], *, is_alone: bool) -> bool:
        gathers = all(one.name in self._parts.catalog.gathered for turn in turns for one in turn.checkpoints)
        events = await self._read(shards, turns, gathers=gathers, is_alone=is_alone)
        started = time.monotonic()
        moving = tuple(one for turn in turns if turn.tenant_id in events for one in turn.checkpoints)
        if not moving:
            return False
        concerned = {shard_of(tenant) for tenant in events}
        batch = Batch(leases=tuple(shards[number].lease for number in concerned), checkpoints=moving, events=events)
        result = await self._project(batch)
        self._pace(events=result.events, seconds=time.monotonic() - started, is_alone=is_alone)
        await asyncio.gather(*(_settle(shards[number], number, batch, result) for number in concerned))
        if not gathers:  # or the same lines would come twice
            log_projected(run for tenant, run in events.items() if tenant not in result.left_out)
        return True

    async def _read(
        self, shards: Mapping[int, Shard], turns: Sequence[Turn], *, gathers: bool, is_alone: bool
    ) -> dict[UUID, TenantEvents]:
        """These tenants' events; what rounds have just read is not read again for those projections that gather."""
        unread = self._parts.skips.unread(one for turn in turns for one in turn.checkpoints)
        is_shared = not (unread or is_alone)
        recent = self._recent.take_all(turn.want for turn in turns) if gathers and is_shared else {}
        others = [turn for turn in turns if turn.tenant_id not in recent]
        stored = await self._fetch(shards, others) if others else []
        self._parts.reach(FaultPoint.FETCH)
        events = read_events(stored, unread)
        if is_shared and not gathers and self._parts.catalog.gathered:
            self._recent.note_all(events.values())
        return events | recent

    async def _fetch(self, shards: Mapping[int, Shard], turns: Sequence[Turn]) -> list[StoredEvent]:
        """These tenants' events; whose log cannot be read rests, and holds up nobody else."""
        async with lent(self._parts.log_pool) as connection:
            try:
                return await fetch(connection, [turn.want for turn in turns])
            except UNREADABLE:
                stored: list[StoredEvent] = []
                for turn in turns:
                    try:
                        stored += await fetch(connection, [turn.want])
                    except UNREADABLE as error:
                        log.warning("log_unreadable", tenant=str(turn.tenant_id), error=str(error))
                        shards[shard_of(turn.tenant_id)].tenants.rest(turn.tenant_id, seconds=_UNREADABLE_REST_SECONDS)
                return stored

    def _pace(self, *, events: int, seconds: float, is_alone: bool) -> None:
        self._parts.progress.note_batch(events=events, seconds=seconds)
        if is_alone and self.gives_way():
            self._slices.note_batch(events=events, seconds=seconds)
        if seconds > _LONG_BATCH_SECONDS:
            self._budget = max(min(self._budget, _SLOW_BUDGET), self._budget // 2)
        elif seconds < _SHORT_BATCH_SECONDS:
            self._budget = min(_MAX_BUDGET, self._budget * 2)


async def _settle(shard: Shard, number: int, batch: Batch, result: BatchResult) -> None:
    """Take note of what became of one shard's tenants, and show it."""
    its = [tenant for tenant in batch.events if shard_of(tenant) == number]
    shard.is_lost = shard.is_lost or number in result.lost_shards
    left_out = [tenant for tenant in its if tenant in result.left_out]
    if left_out:
        shard.forget(left_out)
    done = [tenant for tenant in its if tenant not in result.left_out]
    if not done:
        return
    rows = {tenant: result.cached_rows.get(tenant, []) for tenant in done}
    try:
        newly_parked = await shard.note_moved(_of(result.checkpoints, done), done, rows)
    except LeaseLostError:  # this shard's alone: what was committed is shown by whoever has it now
        shard.is_lost = True
        return
    if newly_parked:
        await shard.load(newly_parked)


def _of(checkpoints: Iterable[Checkpoint], tenants: Collection[UUID]) -> list[Checkpoint]:
    return [one for one in checkpoints if one.tenant_id in tenants]
