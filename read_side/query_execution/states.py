"""Up to where a store's views are shown: what an answer of theirs would say right now, without any rows."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec

from read_side.query_execution.asking import place_of
from read_side.query_execution.cache import QueryCache
from read_side.query_execution.heads import Heads
from read_side.query_execution.shown import Shown
from read_side.query_execution.single_flight import Flight, SingleFlight
from read_side.query_execution.table import read_states
from shared_kernel.database.pool import Pool
from shared_kernel.redis.state import ProjectionState
from shared_kernel.views import View

AnyView = View[Any]  # Any: rows of every kind


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where views stand.

    Attributes:
        states: by the view's label.
        source: who said so.
        head: the log's last position; None where nobody knows.
    """

    states: dict[str, ProjectionState]
    source: Literal["cache", "table"]
    head: int | None


class States:
    """Asks Redis, else PostgreSQL; what it says is no older than what this process has shown, and counts as shown."""

    def __init__(self, *, pool: Pool, cache: QueryCache, heads: Heads, shown: Shown) -> None:
        self._pool = pool
        self._cache = cache
        self._heads = heads
        self._shown = shown
        self._flights: SingleFlight[dict[str, ProjectionState]] = SingleFlight()

    async def of(self, tenant_id: UUID, views: Sequence[AnyView]) -> Standing:
        """Where these views of a store stand.

        Raises:
            DatabaseUnavailableError: neither Redis nor PostgreSQL can tell.
            ViewNotBuiltError: this release's table of one of them is not there yet.
        """
        found = await self._cache.states(tenant_id, views)
        if found is not None and self._may_show(tenant_id, views, found.states):
            return Standing(states=found.states, source="cache", head=found.head)
        standing = await self._in_table(tenant_id, views, None if found is None else found.head)
        self._may_show(tenant_id, views, standing.states)
        return standing

    async def with_head(self, tenant_id: UUID, standing: Standing) -> Standing:
        """The same with the log's head, where only the log itself can tell it."""
        if standing.head is not None:
            return standing
        return msgspec.structs.replace(standing, head=await self._heads.head(tenant_id))

    async def aclose(self) -> None:
        """End what is under way."""
        await self._flights.aclose()

    def _may_show(self, tenant_id: UUID, views: Sequence[AnyView], states: dict[str, ProjectionState]) -> bool:
        """Whether none is older than what was shown; these count as shown from now on.

        Who is told of a state asks for its rows next, and must not be shown those before.
        """
        shown = [self._shown.may_show(place_of(tenant_id, view), states[view.label]) for view in views]
        return all(shown)

    async def _in_table(self, tenant_id: UUID, views: Sequence[AnyView], head: int | None) -> Standing:
        async def read(flight: Flight) -> dict[str, ProjectionState]:
            return await read_states(self._pool, tenant_id, views, flight)

        key = (tenant_id, tuple(view.label for view in views))
        # Begun now: one that others began may be older than what was shown since.
        return Standing(states=await self._flights.start(key, read), source="table", head=head)
