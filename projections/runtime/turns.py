"""Whose turn it is in a worker's shards: a fair share for every tenant, and none waits for another's backlog."""

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from projections.runtime.checkpoints import Checkpoint, CheckpointId
from projections.runtime.levels import Level, Levels, levels_of
from shared_kernel.log.reader import Want

TENANTS_TOGETHER = 32
EVENTS_TOGETHER = 2_000
"""What one transaction takes of all its tenants, so that it stays below half a second or so."""

_PAST_ALL = 2**63
_NEVER = datetime.min.replace(tzinfo=UTC)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a tenant's checkpoints, all at one position, and what to fold into them."""

    checkpoints: tuple[Checkpoint, ...]
    want: Want

    @property
    def tenant_id(self) -> UUID:
        """Whose turn it is."""
        return self.want.tenant_id


class _Tenant:
    """A tenant's checkpoints; which of them are in front is worked out once per change, not once per round."""

    def __init__(self) -> None:
        self.checkpoints: dict[CheckpointId, Checkpoint] = {}
        self.levels = Levels()

    @property
    def lowest(self) -> int:
        """The position of what is folded along and furthest behind; past all where nothing is."""
        return self.levels.whole[0][0] if self.levels.whole else _PAST_ALL

    def sort(self, blocked: set[CheckpointId], gathered: Collection[str]) -> None:
        """Group what is folded along (neither paused nor blocked) by pace and position."""
        folded = [one for one in self.checkpoints.values() if one.is_folded_along and one.id not in blocked]
        self.levels = levels_of(folded, gathered)


class ShardTenants:
    """What a drain knows of its shard's tenants while its lease lasts.

    Args:
        gathered: the names of the projections that show many events at a time.
    """

    def __init__(self, gathered: Collection[str] = ()) -> None:
        self._gathered = gathered
        self._tenants: dict[UUID, _Tenant] = {}
        self._order: deque[UUID] = deque()
        self._blocked: set[CheckpointId] = set()
        self._in_hand: Counter[CheckpointId] = Counter()
        self._resting_until: dict[UUID, float] = {}

    def ids(self) -> list[UUID]:
        """Every tenant known, in no order that means anything."""
        return list(self._tenants)

    def unknown(self, tenants: Iterable[UUID]) -> list[UUID]:
        """Which of these must be loaded."""
        return [tenant for tenant in tenants if tenant not in self._tenants]

    def put(self, checkpoints: Iterable[Checkpoint], *, blocked: Iterable[CheckpointId]) -> None:
        """What was just loaded of these tenants replaces what was known.

        Args:
            checkpoints: all of each tenant.
            blocked: those of them whose tenant is parked as a whole.
        """
        loaded: dict[UUID, list[Checkpoint]] = {}
        for one in checkpoints:
            loaded.setdefault(one.tenant_id, []).append(one)
        self._blocked = {one for one in self._blocked if one[0] not in loaded} | set(blocked)
        for tenant_id, its in loaded.items():
            if tenant_id not in self._tenants:
                self._order.append(tenant_id)
            tenant = self._tenants[tenant_id] = _Tenant()
            tenant.checkpoints = {one.id: one for one in its}
            tenant.sort(self._blocked, self._gathered)

    def move(self, checkpoints: Iterable[Checkpoint]) -> list[UUID]:
        """These checkpoints are there now; the tenants of which more is parked than before must be loaded again."""
        moved: set[UUID] = set()
        parked: set[UUID] = set()
        for one in checkpoints:
            tenant = self._tenants.get(one.tenant_id)
            if tenant is None or one.id not in tenant.checkpoints:
                continue  # loaded again meanwhile
            if one.parked > tenant.checkpoints[one.id].parked:
                parked.add(one.tenant_id)
            tenant.checkpoints[one.id] = one
            moved.add(one.tenant_id)
        for tenant_id in moved:
            self._tenants[tenant_id].sort(self._blocked, self._gathered)
        return list(parked)

    def forget(self, tenants: Iterable[UUID]) -> None:
        """These are to be loaded again."""
        gone = set(tenants)
        self._tenants = {tenant: known for tenant, known in self._tenants.items() if tenant not in gone}
        self._order = deque(one for one in self._order if one not in gone)
        self._blocked = {one for one in self._blocked if one[0] not in gone}

    def take_in_hand(self, turn: Turn) -> None:
        """A batch of these checkpoints is under way: until all who said so put them down they have no other turn."""
        self._in_hand.update(one.id for one in turn.checkpoints)

    def put_down(self, turn: Turn) -> None:
        """Their batch is done, for one of those who took them in hand."""
        self._in_hand -= Counter(one.id for one in turn.checkpoints)

    @property
    def in_hand(self) -> set[UUID]:
        """The tenants of which a batch is under way."""
        return {one[0] for one in self._in_hand}

    def lags(self, tenant_id: UUID, head: int) -> bool:
        """Whether there is anything of this tenant left to fold."""
        return tenant_id not in self._tenants or self._tenants[tenant_id].lowest < head

    @property
    def are_in_hand(self) -> bool:
        """Whether any batch is under way."""
        return bool(self._in_hand)

    def rest(self, tenant_id: UUID, *, seconds: float) -> None:
        """Its batch failed: others have their turns meanwhile."""
        self._resting_until[tenant_id] = time.monotonic() + seconds

    def live(self, tenant_id: UUID) -> list[Checkpoint]:
        """What readers see of the tenant."""
        tenant = self._tenants.get(tenant_id)
        return [one for one in tenant.checkpoints.values() if one.mode == "live"] if tenant is not None else []

    def checkpoints(self) -> Iterable[Checkpoint]:
        """Every tenant's."""
        return (one for tenant in self._tenants.values() for one in tenant.checkpoints.values())

    def is_behind(self, heads: Mapping[UUID, int]) -> bool:
        """Whether there is anything left to fold, up to these heads."""
        return any(self.lags(tenant_id, head) for tenant_id, head in heads.items())

    def offer(self, heads: Mapping[UUID, int], round_: "Round") -> None:
        """Offer those who may have a turn, the longest unserved first; the served then stand at the end."""
        now = time.monotonic()
        self._resting_until = {tenant: until for tenant, until in self._resting_until.items() if until > now}
        for tenant_id in self._order:
            if tenant_id not in self._resting_until:
                levels = self._tenants[tenant_id].levels
                round_.offer(tenant_id, levels, heads.get(tenant_id, 0), is_free=self._is_free)
        served = [tenant_id for tenant_id in self._order if tenant_id in round_.served]
        if served:
            waiting = [tenant_id for tenant_id in self._order if tenant_id not in round_.served]
            self._order = deque([*waiting, *served])

    def _is_free(self, level: Level) -> bool:
        return not self._in_hand or not any(one.id in self._in_hand for one in level[1])


class Round:
    """Who is served in a round: those a little behind together, a backlog, and a projection that catches up.

    A projection behind the others of its tenant and pace, because it is new or was parked, has turns of its own: it
    must not hold them back. Of a backlog, all go on together, whatever their pace.

    Args:
        budget: of events, for one tenant.
        backlogs: how many tenants may have a transaction of their own for what is more than that, and how many for a
            projection behind the others; below 0 where more than that have one already, which is none as well.
        alone: of events, in a transaction of one's own; as many as the budget unless told.

    Attributes:
        together: who share a transaction.
        gathered: whose gathered projections share another.
        alone: who have one of their own.
        served: whose turns together or alone these are.
        backlogged: which tenants were further behind than the budget, and by how many events, in hand or not.
        waiting: by how many events whoever has transactions of its own for it is behind: these tenants, and those of
            which a projection is behind the others.
    """

    def __init__(self, *, budget: int, backlogs: int, alone: int | None = None) -> None:
        self.together: list[Turn] = []
        self.gathered: list[Turn] = []
        self.alone: list[Turn] = []
        self.served: set[UUID] = set()
        self.backlogged: dict[UUID, int] = {}
        self.waiting: dict[UUID, int] = {}
        self._late: list[tuple[UUID, Level, int]] = []
        self._done = 0
        self._budget = budget
        self._alone = budget if alone is None else alone
        self._room = EVENTS_TOGETHER
        self._backlogs_left = self._behind_left = max(0, backlogs)

    def offer(self, tenant_id: UUID, levels: Levels, head: int, *, is_free: Callable[[Level], bool]) -> None:
        """Take what there is room for.

        Args:
            levels: where the tenant's checkpoints are.
            head: how far its log goes.
            is_free: whether no batch of a level is under way.
        """
        if not levels.whole:
            return
        furthest = levels.whole[-1][0]
        if head - furthest >= self._budget:
            self.backlogged[tenant_id] = head - furthest
            behind = self._offer_backlog(tenant_id, levels, is_free)
        else:
            behind = self._offer_fronts(tenant_id, levels, head, is_free)
        if behind or tenant_id in self.backlogged:
            self.waiting[tenant_id] = head - levels.whole[0][0]
        for level, until in behind:
            if self._behind_left and is_free(level):
                self._behind_left -= 1
                self._serve(self.alone, self._turn(tenant_id, level, limit=self._alone, until=until))

    @property
    def late_events(self) -> int:
        """How many events gathered projections have to fold, those of which no batch is under way."""
        return sum(head - at for _, (at, _), head in self._late)

    @property
    def is_late(self) -> bool:
        """Whether gathered projections are left that have events to fold, and no turn for all of these."""
        return self._done < len(self._late)

    def gather(self, *, events: int) -> None:
        """Have gathered projections take part, those that show the oldest first, with so many events in all."""
        for tenant_id, level, head in sorted(self._late, key=lambda late: late[1][1][0].as_of or _NEVER):
            if events <= 0 or len(self.gathered) == TENANTS_TOGETHER:
                break
            lag, limit = head - level[0], min(events, self._budget)
            self.gathered.append(self._turn(tenant_id, level, limit=limit))
            events -= min(lag, limit)
            self._done += lag <= limit

    def _offer_backlog(
        self, tenant_id: UUID, levels: Levels, is_free: Callable[[Level], bool]
    ) -> list[tuple[Level, int]]:
        """A turn for the furthest; which are behind it, and up to where they have turns of their own."""
        front, until = levels.whole[-1], None
        low, high = levels.fronts[0], levels.fronts[-1]
        if low < high < low + self._budget:  # one pace is a little ahead, and waits so that its events are read once
            front, until = next(level for level in levels.whole if level[0] == low), high
        if self._backlogs_left and is_free(front):
            self._backlogs_left -= 1
            self._serve(self.alone, self._turn(tenant_id, front, limit=self._alone, until=until))
        lowest = levels.whole[0]
        return [(lowest, levels.whole[1][0])] if lowest is not front else []

    def _offer_fronts(
        self, tenant_id: UUID, levels: Levels, head: int, is_free: Callable[[Level], bool]
    ) -> list[tuple[Level, int]]:
        """A turn for the furthest of each pace; which are behind, and up to where they have turns of their own."""
        behind: list[tuple[Level, int]] = []
        # Sums that a stall left behind would fall further back if each store's waited for a lane: they go on together.
        for its, most in ((levels.prompt, self._budget), (levels.gathered, EVENTS_TOGETHER)):
            if not its:
                continue
            front = its[-1]
            if head - front[0] >= most:
                behind.append((front, levels.whole[-1][0]))
            elif front[0] < head and is_free(front):
                if its is levels.gathered:
                    self._late.append((tenant_id, front, head))
                else:
                    self._offer_together(tenant_id, front, head)
            if len(its) > 1:
                behind.append((its[0], its[1][0]))
        return behind

    def _offer_together(self, tenant_id: UUID, front: Level, head: int) -> None:
        lag = head - front[0]
        if len(self.together) < TENANTS_TOGETHER and lag <= self._room:
            self._room -= lag
            self._serve(self.together, self._turn(tenant_id, front, limit=self._budget))

    def _serve(self, group: list[Turn], turn: Turn) -> None:
        self.served.add(turn.tenant_id)
        group.append(turn)

    def _turn(self, tenant_id: UUID, level: Level, *, limit: int, until: int | None = None) -> Turn:
        after, checkpoints = level
        return Turn(checkpoints=checkpoints, want=Want(tenant_id=tenant_id, after=after, limit=limit, until=until))
