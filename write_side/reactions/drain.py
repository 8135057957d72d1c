"""One shard under one lease: its reactions follow the log round after round, its duties go on beside them."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import msgspec
import structlog

from shared_kernel.log.archive.errors import UNREADABLE
from shared_kernel.log.reader import heads
from shared_kernel.subscription.failures import CheckpointMovedError, LeaseLostError, is_database_failure
from shared_kernel.subscription.leases import Lease, LeaseTimes
from shared_kernel.subscription.stopping import heed_cancellation
from write_side.reactions import checkpoints, parking
from write_side.reactions.checkpoints import Checkpoint
from write_side.reactions.post import Post
from write_side.reactions.progress import Progress
from write_side.reactions.reaction import Duty, Reaction
from write_side.reactions.retrying import Retry
from write_side.reactions.turns import Taken, Turns
from write_side.reactions.working import LEASES, Workplace, crossing

SWEEP_SECONDS = 1.0
"""How long a lost hint can delay an event."""
_UPKEEP_SECONDS = 0.5
_RETRIES_AT_A_TIME = 20
_MAX_BACKOFF_SECONDS = 5.0
_UNREADABLE_REST_SECONDS = 5.0
"""Somebody has to put a file back, or to restore a backup."""
_SETTLED_SECONDS = 30.0
"""A duty that went well for so long fails for the first time again: what it failed of before is over."""

log = structlog.get_logger()


class DrainParts(msgspec.Struct, frozen=True, kw_only=True):
    """What every shard's drain shares.

    Attributes:
        turns: how many turns may be under way at once, of all shards: each has a connection.
    """

    place: Workplace
    reactions: Sequence[Reaction]
    duties: Sequence[Duty]
    progress: Progress
    turns: asyncio.Semaphore
    times: LeaseTimes


class _Following:
    """Where one reaction is in one store."""

    def __init__(self, reaction: Reaction, checkpoint: Checkpoint) -> None:
        self.reaction = reaction
        self.checkpoint = checkpoint
        self.scanned = checkpoint.position
        self.rests_until = 0.0


class ShardDrain:
    """Owns what is known of a shard's stores while its lease lasts; anything doubtful is loaded again."""

    def __init__(self, parts: DrainParts, lease: Lease) -> None:
        self._parts = parts
        self._lease = lease
        self._wake = asyncio.Event()
        self._following: dict[tuple[str, UUID], _Following] = {}
        self._turns = Turns(parts.place, lease)
        self._retry = Retry(parts.place, lease)
        self._posts = [(duty, Post(parts.place, lease, duty.name)) for duty in parts.duties]
        self._is_careful = lease.crashes > 0
        self._kept_up_at = 0.0

    @property
    def lease(self) -> Lease:
        """Under which it works."""
        return self._lease

    def wake(self) -> None:
        """There is news: do not wait for the sweep."""
        self._wake.set()
        for _, post in self._posts:
            post.wake()

    async def run(self) -> None:
        """React, and have the duties done, until cancelled; no failure but a lost lease ends it.

        Raises:
            LeaseLostError: another worker has the shard.
        """
        duties = [asyncio.create_task(self._perform(duty, post), name=duty.name) for duty, post in self._posts]
        try:
            await self._react()
        finally:
            for task in duties:
                task.cancel()
            await asyncio.gather(*duties, return_exceptions=True)

    async def _react(self) -> None:
        failures = 0
        while True:
            heed_cancellation()
            try:
                await self._drain()
                failures = 0
            except LeaseLostError:
                raise
            except CheckpointMovedError:
                self._following.clear()
            except Exception as error:  # noqa: BLE001 - the edge of a drain: logged, and begun again
                failures += 1
                self._following.clear()
                _log_failure("reacting_failed", error, shard=self._lease.shard, failures=failures)
                await asyncio.sleep(min(_MAX_BACKOFF_SECONDS, 0.1 * 2 ** min(failures, 6)))
            await self._wait()

    async def _perform(self, duty: Duty, post: Post) -> None:
        failures = 0
        while True:
            heed_cancellation()
            begun_at = time.monotonic()
            try:
                await duty.run(post)
            except LeaseLostError:
                return
            except Exception as error:  # noqa: BLE001 - the edge of a duty: logged, and begun again
                failures = failures_in_a_row(failures, lasted_seconds=time.monotonic() - begun_at)
                _log_failure("duty_failed", error, duty=duty.name, shard=self._lease.shard, failures=failures)
            await asyncio.sleep(min(_MAX_BACKOFF_SECONDS, 0.1 * 2 ** min(failures, 6)))

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(SWEEP_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _drain(self) -> None:
        """Rounds until every reaction has reached every head."""
        self._wake.clear()
        if self._is_careful:
            await self._turns.look_back()
        while await self._round():
            await self._keep_up()
        await self._keep_up()
        if self._is_careful:
            await self._trust()

    async def _round(self) -> bool:
        """A turn for everyone who is behind, each store and reaction beside the others; whether anyone was."""
        known, now = await self._heads(), time.monotonic()
        awake = [one for one in self._following.values() if one.rests_until <= now]
        behind = [one for one in awake if one.scanned < known[one.checkpoint.tenant_id]]
        if self._is_careful:
            for one in behind:
                await self._turn(one, known[one.checkpoint.tenant_id])
            return bool(behind)
        turns = (self._turn(one, known[one.checkpoint.tenant_id]) for one in behind)
        failures = [one for one in await asyncio.gather(*turns, return_exceptions=True) if one is not None]
        if failures:
            raise next((one for one in failures if isinstance(one, LeaseLostError)), failures[0])
        return bool(behind)

    async def _turn(self, one: _Following, head: int) -> None:
        try:
            async with self._parts.turns:
                taken: Taken = await self._turns.take(
                    one.reaction, one.checkpoint, scanned=one.scanned, head=head, careful=self._is_careful
                )
        except UNREADABLE as error:  # of one store: it rests, and holds up nobody else
            log.warning("log_unreadable", tenant=str(one.checkpoint.tenant_id), error=str(error))
            one.rests_until = time.monotonic() + _UNREADABLE_REST_SECONDS
            return
        one.checkpoint, one.scanned = taken.checkpoint, taken.scanned
        if taken.events:
            self._parts.progress.note_events(one.reaction.name, taken.events)
            for _, post in self._posts:
                post.wake()

    async def _heads(self) -> dict[UUID, int]:
        async with crossing(self._parts.place, self._lease) as connection:
            found = {head.tenant_id: head.position for head in await heads(connection, [self._lease.shard])}
            unknown = found.keys() - {tenant for _, tenant in self._following}
            if unknown:
                names = [reaction.name for reaction in self._parts.reactions]
                await checkpoints.enrol(connection, names, list(unknown))
                loaded = await checkpoints.load(connection, names, list(unknown))
                reactions = {reaction.name: reaction for reaction in self._parts.reactions}
                for one in loaded:
                    self._following[one.reaction, one.tenant_id] = _Following(reactions[one.reaction], one)
        return found

    async def _keep_up(self) -> None:
        """What is due by the clock, however busy the shard is."""
        now = time.monotonic()
        if now - self._kept_up_at < _UPKEEP_SECONDS:
            return
        self._kept_up_at = now
        known = await self._heads()
        await self._pass_by()
        await self._retry_parked()
        totals: dict[str, tuple[int, int]] = {}
        for one in self._following.values():
            lag, parked = totals.get(one.reaction.name, (0, 0))
            behind = max(0, known[one.checkpoint.tenant_id] - one.scanned)
            totals[one.reaction.name] = (lag + behind, parked + one.checkpoint.parked)
        self._parts.progress.note_shard(self._lease.shard, totals)

    async def _pass_by(self) -> None:
        """Commit what was only scanned, so that the next worker does not scan it again."""
        passed = [one for one in self._following.values() if one.scanned > one.checkpoint.position]
        if not passed:
            return
        async with crossing(self._parts.place, self._lease) as connection:
            await checkpoints.pass_by(connection, [(one.checkpoint, one.scanned) for one in passed])
        for one in passed:
            one.checkpoint = msgspec.structs.replace(one.checkpoint, position=one.scanned)

    async def _retry_parked(self) -> None:
        waiting = [one.checkpoint for one in self._following.values()]
        async with crossing(self._parts.place, self._lease) as connection:
            due = await parking.due(
                connection,
                {one.reaction for one in waiting},
                {one.tenant_id for one in waiting},
                limit=_RETRIES_AT_A_TIME,
            )
        for parked in due:
            one = self._following[parked.reaction, parked.tenant_id]
            if await self._retry.attempt(one.reaction, one.checkpoint, parked):
                one.checkpoint = msgspec.structs.replace(one.checkpoint, parked=one.checkpoint.parked - 1)

    async def _trust(self) -> None:
        async with crossing(self._parts.place, self._lease) as connection:
            await LEASES.trust(connection, self._lease)
        self._is_careful = False


def failures_in_a_row(before: int, *, lasted_seconds: float) -> int:
    """How many there were with the one that just ended a duty, which went well for so long until then."""
    return 1 if lasted_seconds > _SETTLED_SECONDS else before + 1


def _log_failure(event: str, error: Exception, **context: object) -> None:
    kind = type(error).__name__
    if is_database_failure(error):
        log.warning(event, error=kind, **context)
    else:
        log.error(event, error=kind, exc_info=error, **context)
