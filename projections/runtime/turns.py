"""Whose turn it is in a shard: a fair share for every tenant, and none waits for another's backlog."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TypeAlias
from uuid import UUID

import msgspec

from projections.runtime.checkpoints import Checkpoint, CheckpointId
from shared_kernel.log.reader import Head, Want

TENANTS_TOGETHER = 32
EVENTS_TOGETHER = 2_000
"""What one transaction takes of all its tenants, so that it stays below half a second or so."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a tenant's checkpoints, all at one position, and what to fold into them."""

    checkpoints: tuple[Checkpoint, ...]
    want: Want

    @property
    def tenant_id(self) -> UUID:
        """Whose turn it is."""
        return self.want.tenant_id


class Turns(msgspec.Struct, frozen=True, kw_only=True):
    """One round: tenants who share a transaction, and those who have one of their own."""

    together: tuple[Turn, ...]
    alone: tuple[Turn, ...]


Level: TypeAlias = tuple[int, tuple[Checkpoint, ...]]
"""A position, and the checkpoints that are there."""


class _Tenant:
    """A tenant's checkpoints; which of them are in front is worked out once per change, not once per round."""

    def __init__(self) -> None:
        self.checkpoints: dict[CheckpointId, Checkpoint] = {}
        self.levels: list[Level] = []

    def sort(self, blocked: set[CheckpointId]) -> None:
        """Group what is folded along (neither paused nor blocked) by position, the lowest first."""
        folded = [one for one in self.checkpoints.values() if one.is_folded_along and one.id not in blocked]
        positions = sorted({one.position for one in folded})
        self.levels = [(at, tuple(one for one in folded if one.position == at)) for at in positions]


class ShardTenants:
    """What a drain knows of its shard's tenants while its lease lasts."""

    def __init__(self) -> None:
        self._tenants: dict[UUID, _Tenant] = {}
        self._order: deque[UUID] = deque()
        self._blocked: set[CheckpointId] = set()

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
            tenant.sort(self._blocked)

    def move(self, checkpoints: Iterable[Checkpoint]) -> list[UUID]:
        """These checkpoints are there now; the tenants of which more is parked than before must be loaded again."""
        moved: set[UUID] = set()
        parked: set[UUID] = set()
        for one in checkpoints:
            tenant = self._tenants[one.tenant_id]
            if one.parked > tenant.checkpoints[one.id].parked:
                parked.add(one.tenant_id)
            tenant.checkpoints[one.id] = one
            moved.add(one.tenant_id)
        for tenant_id in moved:
            self._tenants[tenant_id].sort(self._blocked)
        return list(parked)

    def forget(self) -> None:
        """Everything is to be loaded again."""
        self._tenants.clear()
        self._order.clear()
        self._blocked.clear()

    def live(self, tenant_id: UUID) -> list[Checkpoint]:
        """What readers see of the tenant."""
        return [one for one in self._tenants[tenant_id].checkpoints.values() if one.mode == "live"]

    def checkpoints(self) -> Iterable[Checkpoint]:
        """Every tenant's."""
        return (one for tenant in self._tenants.values() for one in tenant.checkpoints.values())

    def choose(self, heads: Iterable[Head], budget: int) -> Turns:
        """Who is served in a round: those a little behind together, one backlog, and one projection that catches up.

        A projection behind the others of its tenant, because it is new or was parked, has turns of its own: it must not
        hold them back.

        Args:
            heads: how far the log goes.
            budget: of events, for one tenant.
        """
        positions = {head.tenant_id: head.position for head in heads}
        round_ = _Round(budget)
        for tenant_id in self._order:
            round_.offer(tenant_id, self._tenants[tenant_id].levels, positions.get(tenant_id, 0))
        if round_.served:
            waiting = [tenant_id for tenant_id in self._order if tenant_id not in round_.served]
            self._order = deque([*waiting, *(one for one in self._order if one in round_.served)])
        alone = [turn for turn in (round_.backlog, round_.behind) if turn is not None]
        return Turns(together=tuple(round_.together), alone=tuple(alone))


class _Round:
    def __init__(self, budget: int) -> None:
        self.together: list[Turn] = []
        self.backlog: Turn | None = None
        self.behind: Turn | None = None
        self.served: set[UUID] = set()
        self._budget = budget
        self._room = EVENTS_TOGETHER

    def offer(self, tenant_id: UUID, levels: Sequence[Level], head: int) -> None:
        """Take what there is room for."""
        if not levels:
            return
        at, front = levels[-1]
        lag = head - at
        if 0 < lag < self._budget:
            if len(self.together) < TENANTS_TOGETHER and lag <= self._room:
                self._room -= lag
                self.together.append(self._turn(tenant_id, front, at, until=None))
        elif lag > 0 and self.backlog is None:
            self.backlog = self._turn(tenant_id, front, at, until=None)
        if len(levels) > 1 and self.behind is None:
            at, last = levels[0]
            self.behind = self._turn(tenant_id, last, at, until=levels[1][0])

    def _turn(self, tenant_id: UUID, checkpoints: tuple[Checkpoint, ...], after: int, *, until: int | None) -> Turn:
        self.served.add(tenant_id)
        want = Want(tenant_id=tenant_id, after=after, limit=self._budget, until=until)
        return Turn(checkpoints=checkpoints, want=want)
