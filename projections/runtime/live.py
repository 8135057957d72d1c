"""All the shards a worker holds, drained together: one round after the other, at once when there is news.

Those a little behind share a transaction, so that a round costs its round trips once, whatever the number of stores;
while one round is under way the next one's events gather. Backlogs go beside, each in a lane of its own, and so do the
projections that show many events at a time, all together: no round waits for them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import structlog

from projections.runtime.batch import Batch, BatchResult
from projections.runtime.errors import (
    CheckpointMovedError,
    LeaseLostError,
    is_database_away,
    is_database_failure,
)
from projections.runtime.parts import DrainParts
from projections.runtime.projecting import project
from projections.runtime.rounds import Rounds
from projections.runtime.shard import Shard
from projections.runtime.turns import Turn
from shared_kernel.log.partitions import shard_of
from shared_kernel.subscription.stopping import heed_cancellation

SWEEP_SECONDS = 1.0
"""How long a lost hint can delay an event."""
_LANES = 2
"""Backlogs under way at once: while PostgreSQL works for one, the other is folded; more would only queue."""
_LANES_BESIDE_OTHERS = 1
"""And while others have news, that one rests after each batch."""
_GATHER_SECONDS = 0.2
"""From one gathering to the next: as long as sums may be older than what they are sums of."""
_REST_SECONDS = 0.5
"""How long a tenant whose batch failed lets the others go first."""
_STOP_SECONDS = 1.0
"""A batch under way should end by then; one that does not is given up, and redelivered to whoever comes next."""

log = structlog.get_logger()


class LiveRounds:
    """The rounds of every shard that has joined; what fails is taken apart until it stands alone, and then rests."""

    def __init__(self, parts: DrainParts) -> None:
        self._parts = parts
        self._rounds = Rounds(parts, self._project)
        self._shards: dict[int, Shard] = {}
        self._with_news: set[int] = set()
        self._swept_at = 0.0
        self._wake = asyncio.Event()
        self._lanes: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.Task[None] | None = None
        self._gathers_at = 0.0
        self._is_late = False
        self._progress = asyncio.Condition()
        self._begun = self._completed = 0
        self._is_stopping = False

    def join(self, shard: Shard) -> None:
        """From now on the shard is drained here."""
        if self._shards.get(shard.number) is not shard:
            self._shards[shard.number] = shard
            self.wake(shard.number)

    def leave(self, shard: Shard) -> None:
        """No further batch of the shard begins here; one under way is fenced by its lease."""
        if self._shards.get(shard.number) is shard:
            del self._shards[shard.number]

    def wake(self, number: int) -> None:
        """A shard has news: do not wait for the sweep."""
        self._with_news.add(number)
        self._wake.set()

    def hear(self, tenant_id: UUID, position: int) -> bool:
        """A tenant's log goes so far: nobody need be asked, if there is a shard here that knows the tenant."""
        shard = self._shards.get(shard_of(tenant_id))
        if shard is None or not shard.hear(tenant_id, position):
            return False
        self._wake.set()
        return True

    def gives_way(self) -> bool:
        """Whether what can wait leaves time to tenants that have news."""
        return self._rounds.gives_way()

    async def run(self) -> None:
        """Round after round until cancelled, and no failure ends it; what is under way then is still shown."""
        rounds = asyncio.create_task(self._run_rounds(), name="live-rounds")
        try:
            await asyncio.shield(rounds)
        finally:
            self._is_stopping = True
            self._wake.set()
            under_way = {rounds, *self._lanes, *([self._gathering] if self._gathering else [])}
            try:
                await asyncio.wait(under_way, timeout=_STOP_SECONDS)
            finally:
                for task in under_way:
                    task.cancel()
                await asyncio.wait(under_way)
                await self._tell()

    async def _run_rounds(self) -> None:
        while not self._is_stopping:
            heed_cancellation()
            self._begun += 1
            if not await self._round():
                await self._wait()

    @asynccontextmanager
    async def standing_still(self, shard: Shard) -> AsyncIterator[None]:
        """Within the block no batch of the shard is under way; after it, one round passes before this returns."""
        shard.stands_still = True
        try:
            await self.none_under_way(shard)
            yield
        finally:
            shard.stands_still = False
        await self._pass(shard)

    async def none_under_way(self, shard: Shard) -> None:
        """Returns once no batch of the shard is between the log and Redis."""
        async with self._progress:
            await self._progress.wait_for(lambda: not shard.tenants.are_in_hand)

    async def _pass(self, shard: Shard) -> None:
        """Let a round begin and end, so that whoever stands still again and again holds up no news."""
        if self._shards.get(shard.number) is not shard:
            return
        begun = self._begun
        self.wake(shard.number)
        try:
            async with asyncio.timeout(SWEEP_SECONDS), self._progress:
                await self._progress.wait_for(lambda: self._completed > begun)
        except TimeoutError:
            return

    async def _round(self) -> bool:
        """A turn for all those whose turn it is; whether the next round may find more."""
        self._wake.clear()
        try:
            await self._look()
        except Exception as error:  # noqa: BLE001 - the edge of a round: logged, and the sweep tries again
            log.warning("log_not_looked_at", error=type(error).__name__)
            await asyncio.sleep(_REST_SECONDS)
            return False
        if self._is_stopping:  # told to while it looked: what begins now would outlive the one who waits for it
            return False
        shards = self._standing_ready()
        lanes = _LANES_BESIDE_OTHERS if self._rounds.gives_way() else _LANES
        gathers = self._gathering is None and time.monotonic() >= self._gathers_at
        chosen = self._rounds.choose(shards.values(), backlogs=lanes - len(self._lanes), gathers=gathers)
        for turn in chosen.alone:
            self._start_lane(shards, turn)
        self._is_late = chosen.is_late
        if chosen.gathered:
            self._start_gathering(shards, chosen.gathered)
        if chosen.together:
            self._take_in_hand(shards, chosen.together)
            await self._take(shards, chosen.together)
        self._completed = self._begun
        await self._tell()
        return bool(chosen.together)

    async def _look(self) -> None:
        now = time.monotonic()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            self._with_news.update(self._shards)
        due = [self._shards[number] for number in self._with_news if number in self._shards]
        self._with_news.clear()
        if due:
            await self._rounds.look(due)
        if doubtful := [shard.number for shard in due if shard.is_doubtful]:
            self._with_news.update(doubtful)
            self._wake.set()

    def _standing_ready(self) -> dict[int, Shard]:
        """The shards that may be served, another one first each time."""
        ready = [shard for shard in self._shards.values() if self._is_ready(shard)]
        first = self._begun % len(ready) if ready else 0
        return {shard.number: shard for shard in [*ready[first:], *ready[:first]]}

    def _is_ready(self, shard: Shard) -> bool:
        return self._shards.get(shard.number) is shard and not (shard.stands_still or shard.is_lost)

    def _start_lane(self, shards: dict[int, Shard], turn: Turn) -> None:
        # At once, and not when the lane has its first turn: until then others would take what it was started for.
        self._take_in_hand(shards, [turn])
        lane = asyncio.create_task(self._run_lane(shards, turn), name=f"backlog-{turn.tenant_id}")
        self._lanes.add(lane)

    async def _run_lane(self, shards: dict[int, Shard], turn: Turn) -> None:
        started = time.monotonic()
        try:
            await self._take(shards, [turn], is_alone=True)
            await self._tell()
            await asyncio.sleep(self._rounds.rest_seconds(time.monotonic() - started))
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._lanes.discard(task)
            self._wake.set()

    def _start_gathering(self, shards: dict[int, Shard], turns: Sequence[Turn]) -> None:
        self._take_in_hand(shards, turns)
        # What there was no room for goes on at once: it has waited already.
        self._gathers_at = 0.0 if self._is_late else time.monotonic() + _GATHER_SECONDS
        self._gathering = asyncio.create_task(self._gather(shards, turns), name="gathering")

    async def _gather(self, shards: dict[int, Shard], turns: Sequence[Turn]) -> None:
        try:
            await self._take(shards, turns)
            await self._tell()
        finally:
            self._gathering = None
            self._wake.set()

    async def _take(self, shards: dict[int, Shard], turns: Sequence[Turn], *, is_alone: bool = False) -> None:
        """Take these turns, and put them down; not before all are done, or others would take those still to come."""
        try:
            await self._take_apart(shards, turns, is_alone=is_alone)
        finally:
            for turn in turns:
                shard = shards[shard_of(turn.tenant_id)]
                shard.tenants.put_down(turn)
                if shard.tenants.unknown([turn.tenant_id]):  # forgotten: what was heard of it begins no look
                    self.wake(shard.number)

    def _take_in_hand(self, shards: dict[int, Shard], turns: Sequence[Turn]) -> None:
        for turn in turns:
            shards[shard_of(turn.tenant_id)].tenants.take_in_hand(turn)

    async def _take_apart(self, shards: dict[int, Shard], turns: Sequence[Turn], *, is_alone: bool = False) -> None:
        """Take these turns; if that fails, in halves, down to the tenant that it fails for."""
        turns = [turn for turn in turns if self._is_ready(shards[shard_of(turn.tenant_id)])]
        if not turns:
            return
        try:
            await self._rounds.take(shards, turns, is_alone=is_alone)
        except CheckpointMovedError:
            self._forget(shards, turns)
        except LeaseLostError as error:
            self._forget(shards, turns)
            for number in error.shards or {shard_of(turn.tenant_id) for turn in turns}:
                shards[number].is_lost = True
        except Exception as error:  # noqa: BLE001 - the edge of a batch: taken apart, logged, and looked into with care
            self._rounds.shrink()
            self._forget(shards, turns)
            if len(turns) == 1 or is_database_away(error):
                self._fail(shards, turns, error)
                return
            middle = len(turns) // 2
            await self._take_apart(shards, turns[:middle])
            await self._take_apart(shards, turns[middle:])

    def _forget(self, shards: dict[int, Shard], turns: Sequence[Turn]) -> None:
        for turn in turns:
            shards[shard_of(turn.tenant_id)].forget([turn.tenant_id])

    def _fail(self, shards: dict[int, Shard], turns: Sequence[Turn], error: Exception) -> None:
        concerned = {shard_of(turn.tenant_id) for turn in turns}
        kind = type(error).__name__
        for turn in turns:
            shards[shard_of(turn.tenant_id)].tenants.rest(turn.tenant_id, seconds=_REST_SECONDS)
        if is_database_failure(error):
            log.warning("projecting_failed", shards=sorted(concerned), tenants=len(turns), error=kind)
            return
        for number in concerned:
            shards[number].needs_care = True
        log.error("projecting_failed_unexpectedly", shards=sorted(concerned), error=kind, exc_info=error)

    async def _project(self, batch: Batch) -> BatchResult:
        result = await project(self._parts.read_pool, self._parts.catalog, batch, self._parts.reach)
        self._parts.statistics.note(batch.checkpoints, result.checkpoints)
        return result

    async def _tell(self) -> None:
        """Let those who wait for a batch or a round to end look again."""
        async with self._progress:
            self._progress.notify_all()

    async def _wait(self) -> None:
        until = self._swept_at + SWEEP_SECONDS
        if self._is_late and self._gathering is None:
            until = min(until, self._gathers_at)
        try:
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            return
