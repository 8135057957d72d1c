"""A loader: claims a store, reads its log once for all builds that wait for it, folds in memory, writes, goes on.

Memory is bounded by rows, not by stores: when more are held, half of the keys are let go, to be folded from the
beginning by whoever claims them next. Three numbers bound what is lost with a killed loader: one claim's work.
"""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import msgspec

from projections.runtime.catalog import Catalog
from projections.runtime.fault_points import FaultPoint, Reach, carry_on
from projections.runtime.key_parts import KeyPart
from projections.runtime.loading import claims
from projections.runtime.loading.claims import MAX_ATTEMPTS, End, Load
from projections.runtime.loading.courtesy import Courtesy
from projections.runtime.loading.filling import Filling
from projections.runtime.loading.writing import ClaimLostError, give_up, write
from projections.runtime.skipping import skips_of
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import lent, transaction
from shared_kernel.identifiers import new_id
from shared_kernel.log.partitions import shard_of
from shared_kernel.log.reader import StoredEvent, Want, decode, fetch_types, heads

_EVENTS_PER_FETCH = 4_000
"""Some ten megabytes of them."""
_EVENTS_PER_FETCH_BESIDE_OTHERS = 500
"""Some ten milliseconds of PostgreSQL's."""
_FEWEST_PER_FETCH = 50
MAX_HELD_ROWS = 150_000
"""Half a gigabyte at the very worst, of the largest rows there are."""
_RENEWAL_SECONDS = 0.5


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """One claimed build and what it comes to."""

    load: Load
    filling: Filling
    end: End


class _Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """Events, and up to where there are no more of their types."""

    events: list[StoredEvent]
    reached: int


class Loader:
    """Loads what waits, one claim after the other."""

    def __init__(
        self,
        *,
        log_pool: Pool,
        read_pool: Pool,
        catalog: Catalog,
        reach: Reach = carry_on,
        max_held_rows: int = MAX_HELD_ROWS,
        courtesy: Courtesy | None = None,
    ) -> None:
        self._log_pool = log_pool
        self._read_pool = read_pool
        self._catalog = catalog
        self._reach = reach
        self._max_held_rows = max_held_rows
        self._courtesy = courtesy or Courtesy()

    async def load_one(self) -> bool:
        """Claim something and load it; False where nothing waits.

        Raises:
            Whatever the databases raise: the claim runs out, and somebody claims it again.
        """
        claim_id = new_id()
        async with transaction(self._read_pool, tenant_id=None) as connection:
            claimed = await claims.claim(connection, self._catalog, claim_id)
            if self._courtesy.is_old:
                self._courtesy.note(await claims.live_revisions(connection))
            await connection.execute("COMMIT")
        if not claimed:
            return False
        try:
            deadly = [load for load in claimed if load.attempts > MAX_ATTEMPTS]
            for load in deadly:
                await give_up(self._read_pool, claim_id, load, self._catalog.subject(load.name))
            left = [load for load in claimed if load not in deadly]
            if left:
                await self._load(claim_id, left)
        except ClaimLostError:
            pass  # whoever took it, or cancelled it, sees to it
        return True

    async def _load(self, claim_id: UUID, loads: Sequence[Load]) -> None:
        parts = await self._parts(loads)
        run = _Run(
            self._log_pool,
            self._read_pool,
            claim_id,
            parts,
            courtesy=self._courtesy,
            max_held_rows=self._max_held_rows,
        )
        left = await run.fold()
        self._reach(FaultPoint.FOLD)
        for part in parts:
            await write(
                self._read_pool, claim_id, part.load, part.filling, end=part.end, left=left, courtesy=self._courtesy
            )
            self._reach(FaultPoint.COMMIT)

    async def _parts(self, loads: Sequence[Load]) -> list[_Part]:
        tenant_id = loads[0].tenant_id
        async with transaction(self._log_pool, tenant_id=None) as connection:
            known = await heads(connection, [shard_of(tenant_id)])
        its = [End(position=one.position, as_of=one.recorded_at) for one in known if one.tenant_id == tenant_id]
        head = its[0] if its else End(position=0, as_of=None)
        async with transaction(self._read_pool, tenant_id=None) as connection:
            skips = await skips_of(connection, self._catalog, [tenant_id])
        parts = []
        for load in loads:
            own = [skip for skip in skips if skip.name == load.name]
            filling = Filling(self._catalog.subject(load.name), tenant_id, part=load.key_part, skips=own)
            end = head if load.until is None else End(position=load.until, as_of=load.as_of)
            parts.append(_Part(load=load, filling=filling, end=end))
        return parts


class _Run:
    """Reading one tenant's log once, for all builds of one claim."""

    def __init__(
        self,
        log_pool: Pool,
        read_pool: Pool,
        claim_id: UUID,
        parts: Sequence[_Part],
        *,
        courtesy: Courtesy,
        max_held_rows: int,
    ) -> None:
        self._log_pool = log_pool
        self._read_pool = read_pool
        self._claim_id = claim_id
        self._parts = parts
        self._courtesy = courtesy
        self._max_held_rows = max_held_rows
        self._rate = min((part.load.rate for part in parts if part.load.rate), default=0)
        self._claims = 1
        self._uncounted = 0
        self._renewed_at = time.monotonic()
        kinds = {kind for part in parts for kind in part.filling.subject.projection.handles}
        self._types = sorted(kind.__name__ for kind in kinds)

    async def fold(self) -> list[KeyPart]:
        """Fold up to each build's end; the parts of the keys that were let go on the way.

        Raises:
            ClaimLostError: somebody else has it now.
        """
        left: list[KeyPart] = []
        until = max(part.end.position for part in self._parts)
        after = 0
        following = asyncio.create_task(self._fetch(after, until))
        try:
            while after < until:
                started = time.monotonic()
                fetched = await following
                # The next events are on their way while these are folded.
                following = asyncio.create_task(self._fetch(fetched.reached, until))
                await asyncio.sleep(0)
                self._take(fetched.events)
                await self._count(fetched.reached - after, started)
                after = fetched.reached
                left += self._bound()
                await self._courtesy.rest()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await self._renew()
        return left

    def _limit(self) -> int:
        most = _EVENTS_PER_FETCH_BESIDE_OTHERS if self._courtesy.gives_way else _EVENTS_PER_FETCH
        return max(_FEWEST_PER_FETCH, min(most, self._rate // 4)) if self._rate else most

    async def _fetch(self, after: int, until: int) -> _Fetched:
        if after >= until:
            return _Fetched(events=[], reached=until)
        limit = self._limit()
        want = Want(tenant_id=self._parts[0].load.tenant_id, after=after, until=until, limit=limit)
        # No transaction: a file of the archive may take longer to come than one may be left idle.
        async with lent(self._log_pool) as connection:
            events = await fetch_types(connection, want, self._types)
        return _Fetched(events=events, reached=events[-1].position if len(events) == limit else until)

    def _take(self, stored: Sequence[StoredEvent]) -> None:
        for one in stored:
            try:
                recorded = decode(one)
            except Exception:  # noqa: BLE001 - accounted for: an ordinary batch meets it again, and says why
                for part in self._parts:
                    if one.position <= part.end.position:
                        part.filling.miss(one.position)
                continue
            for part in self._parts:
                if one.position <= part.end.position:
                    part.filling.take(recorded)

    def _bound(self) -> list[KeyPart]:
        """Where too much is held, let half of the keys go."""
        if sum(part.filling.size for part in self._parts) <= self._max_held_rows:
            return []
        return [part.filling.halve() for part in self._parts][:1]

    async def _count(self, positions: int, started: float) -> None:
        self._uncounted += positions
        if time.monotonic() - self._renewed_at > _RENEWAL_SECONDS:
            await self._renew()
        # Few of a long run's events may be this view's: at the rate asked for, passing it takes longer than a claim.
        while self._rate and (left := positions * self._claims / self._rate - (time.monotonic() - started)) > 0:
            await asyncio.sleep(min(left, _RENEWAL_SECONDS))
            await self._renew()

    async def _renew(self) -> None:
        self._renewed_at = time.monotonic()
        share = self._parts[0].filling.part.of
        requests = [part.load.request_id for part in self._parts]
        async with transaction(self._read_pool, tenant_id=None) as connection:
            renewed = await claims.renew(connection, self._claim_id, requests, events=self._uncounted // share)
            await connection.execute("COMMIT")
        self._uncounted %= share
        self._claims = max(1, renewed.claims)
        self._courtesy.note(renewed.live_revisions)
        if renewed.held < len(self._parts):
            raise ClaimLostError
