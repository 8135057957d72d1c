"""The execution of queries: one look at Redis; where that is not enough, one snapshot of PostgreSQL for all who ask."""

from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import msgspec
from litestar import Response

from read_side.query_execution.admitting import admitted_fields
from read_side.query_execution.answers import AnyFetch, Fetch, OneStatementFetch, QueryT
from read_side.query_execution.asking import Asked, query_digest
from read_side.query_execution.cache import Look, QueryCache
from read_side.query_execution.compressed import as_taken
from read_side.query_execution.entities import EntityQuery, entity_fetch
from read_side.query_execution.errors import (
    AsOfTooEarlyError,
    EntityNotFoundError,
    PositionUnknownError,
    ProjectionBehindError,
    RowDegradedError,
)
from read_side.query_execution.frozen import BuildProgress, asked_as_of
from read_side.query_execution.heads import Heads
from read_side.query_execution.one_statement import PageConnections
from read_side.query_execution.parameters import NoParameters
from read_side.query_execution.repeating import LOOK_KEY, Repeats
from read_side.query_execution.requests import QueryRequest, field_of, mentions, principal_of
from read_side.query_execution.shown import Shown
from read_side.query_execution.single_flight import Flight, SingleFlight
from read_side.query_execution.states import States
from read_side.query_execution.table import Reading, read_page, read_progress, read_state, read_table
from read_side.query_execution.telling import Found, has_already, response_of
from read_side.query_execution.waiting import Waiting
from read_side.query_execution.waking import Place, WaitingRoom
from shared_kernel.clock import Clock, system_clock
from shared_kernel.database.pool import Pool
from shared_kernel.errors import FieldError, ShelfWiseError
from shared_kernel.http.content_codings import codings_taken
from shared_kernel.http.problems import problem_response
from shared_kernel.http.request_headers import if_none_match, minimum_position, wait_seconds
from shared_kernel.http.routes import declaration_of
from shared_kernel.rate_limits.headers import policy_value
from shared_kernel.rate_limits.settings import RateLimitSettings
from shared_kernel.redis.state import ProjectionState
from shared_kernel.views import Key, View, encode_key

_FRESH_READINGS: Final = 2
"""A reading that others began may be older than what was shown since; the second of one's own cannot be."""


class Queries:
    """Answers every query of this process."""

    def __init__(
        self,
        pool: Pool,
        cache: QueryCache,
        heads: Heads,
        limits: RateLimitSettings,
        *,
        pages: Pool,
        room: WaitingRoom,
        clock: Clock = system_clock,
    ) -> None:
        """Answer from these; `pages` has the settings `IN_INDEX_ORDER`."""
        self._pool = pool
        self._connections = PageConnections.kept(pool, pages)
        self._cache = cache
        self._heads = heads
        self._limit_policy = policy_value(limits)
        self._shown = Shown()
        self.repeats = Repeats(cache=cache, shown=self._shown, clock=clock, limit_policy=self._limit_policy)
        self.states = States(pool=pool, cache=cache, heads=heads, shown=self._shown)
        self._readings: SingleFlight[Reading] = SingleFlight()
        self._states: SingleFlight[ProjectionState] = SingleFlight()
        self._room = room
        self._waiting = Waiting(
            room=room,
            in_redis=cache.look_again,
            in_table=self._state_in_table,
            refuse_unknown=self._refuse_unknown,
        )

    async def entity(self, request: QueryRequest, *, view: View[Any], key: Key) -> Response[Any]:
        """One row by its key: from Redis, else from the table, else 404."""
        query = EntityQuery(key=key)
        asked = _asked(request, view, query, row=encode_key(key))
        return await self._respond(request, asked, query, OneStatementFetch(fetch=entity_fetch(view)))

    async def page(
        self, request: QueryRequest, *, view: View[Any], query: QueryT, fetch: Fetch[QueryT]
    ) -> Response[Any]:
        """As `answer`, for a fetch that runs one statement and no more, which an index keeps short.

        It is read in one round trip, and given up when it takes as long as a database that does not answer.
        """
        asked = _asked(request, view, query, row=None)
        return await self._respond(request, asked, query, OneStatementFetch(fetch=fetch))

    async def answer(
        self, request: QueryRequest, *, view: View[Any], query: QueryT, fetch: Fetch[QueryT], lasts: bool = True
    ) -> Response[Any]:
        """Whatever `fetch` finds: stored with build and revision, and told again while both hold.

        Args:
            request: whose headers say how fresh it must be, and what the client has already.
            view: the one that `fetch` reads.
            query: fully resolved; equal ones have equal answers while the view's rows do not change.
            fetch: reads the table where Redis has no answer.
            lasts: False where the same request is another query before the store's day ends.
        """
        asked = _asked(request, view, query, row=None, lasts=lasts)
        return await self._respond(request, asked, query, fetch)

    async def moment(self, request: QueryRequest, *, view: View[Any], clock: Clock) -> datetime:
        """What relative dates count from: now, or when the last event of the snapshot asked for was recorded."""
        if asked_as_of(request) is None:
            return clock()
        asked = _asked(request, view, NoParameters(), row=None)
        key = (asked.tenant_id, asked.view.label, asked.as_of)
        state = await self._states.join(key, lambda flight: read_state(self._pool, asked, flight))
        return clock() if state.as_of is None else state.as_of

    async def frozen_builds(self, request: QueryRequest, snapshot_id: UUID) -> tuple[BuildProgress, ...]:
        """How far the builds of a snapshot are."""
        return await read_progress(self._pool, principal_of(request).tenant.id, snapshot_id)

    async def aclose(self) -> None:
        """End what is under way."""
        await self._readings.aclose()
        await self._states.aclose()
        await self.states.aclose()
        await self._connections.aclose()
        await self._cache.aclose()

    async def _respond(
        self, request: QueryRequest, asked: Asked, query: QueryT, fetch: AnyFetch[QueryT]
    ) -> Response[Any]:
        with self._room.place(asked) as place:
            look = _look_had(request, asked) or await self._cache.look(asked, cost=asked.cost)
            beside = {} if asked.codings is None else {"Vary": "Accept-Encoding"}
            fields = admitted_fields(self._limit_policy, look.admission, beside)
            try:
                found = await self._find(place, look, query, fetch)
            except ShelfWiseError as error:
                # Only here is it known what the limits said, which every answer tells.
                return problem_response(error, instance=request.scope["path"], fields=fields)
        if found.source == "cache" and asked.lasts:
            self.repeats.remember(request.scope, principal_of(request), asked)
        return response_of(request, asked, found, fields)

    async def _find(self, place: Place, look: Look, query: QueryT, fetch: AnyFetch[QueryT]) -> Found:
        asked = place.asked
        if asked.as_of is not None:
            found = await self._in_snapshot(asked, look, query, fetch)
        else:
            found = await self._live(place, look, query, fetch)
            self._shown.remember(asked, found.state)
        if found.answer is None and not found.unchanged:
            raise EntityNotFoundError("There is no such thing in this store.", position=found.state.position)
        if found.head is None and not found.unchanged:
            found = msgspec.structs.replace(found, head=await self._heads.head(asked.tenant_id))
        return found

    async def _live(self, place: Place, look: Look, query: QueryT, fetch: AnyFetch[QueryT]) -> Found:
        asked = place.asked
        if asked.wait_seconds > 0 and (look.state is None or not asked.is_satisfied_by(look.state)):
            look = await self._waiting.look_when_satisfied(place)
        found = self._in_cache(asked, look)
        return await self._in_table(asked, look, query, fetch) if found is None else found

    async def _refuse_unknown(self, asked: Asked, hinted_head: int | None) -> None:
        """A hint may be old; only the log itself can say that there is no such position."""
        minimum = asked.minimum_position
        if minimum is None or (hinted_head is not None and hinted_head >= minimum):
            return
        head = await self._heads.certain_head(asked.tenant_id)
        if head is not None and head < minimum:
            detail = f"the log ends at {head}"
            raise PositionUnknownError(
                "ShelfWise-Min-Position is past the end of the log; no waiting helps.",
                errors=(FieldError(pointer="ShelfWise-Min-Position", code="position_unknown", detail=detail),),
            )

    def _in_cache(self, asked: Asked, look: Look) -> Found | None:
        state = look.state
        if state is None or state.parked or not asked.is_satisfied_by(state) or self._shown.is_past(asked, state):
            return None
        if has_already(asked, state):
            return Found(state=state, answer=None, source="cache", head=look.head, unchanged=True)
        if not look.found:
            return None
        return Found(state=state, answer=look.answer, source="cache", head=look.head)

    async def _in_table(self, asked: Asked, look: Look, query: QueryT, fetch: AnyFetch[QueryT]) -> Found:
        likely = look.state or self._shown.last(asked)
        reading = await self._read(asked, query, fetch, 0 if likely is None else likely.build)
        state = reading.state
        if not asked.is_satisfied_by(state):
            await self._refuse_unknown(asked, look.head)
            behind = ProjectionBehindError(f"the view is at {state.position}; try again", retry_after_seconds=1)
            behind.position = state.position
            raise behind
        return _found_in_table(asked, look, reading)

    async def _in_snapshot(self, asked: Asked, look: Look, query: QueryT, fetch: AnyFetch[QueryT]) -> Found:
        """What a frozen build shows: read from its table each time, and never compared with what is live."""
        plain = fetch.fetch if isinstance(fetch, OneStatementFetch) else fetch

        async def read(flight: Flight) -> Reading:
            return as_taken(asked, await read_table(self._pool, asked, query, plain, flight=flight))

        reading = await self._readings.join((asked.tenant_id, asked.stored_under, asked.as_of), read)
        if not asked.is_satisfied_by(reading.state):
            raise AsOfTooEarlyError(f"the snapshot ends at {reading.state.position}, before ShelfWise-Min-Position")
        return _found_in_table(asked, look, reading)

    async def _read(self, asked: Asked, query: QueryT, fetch: AnyFetch[QueryT], likely_build: int) -> Reading:
        async def read(flight: Flight) -> Reading:
            if isinstance(fetch, OneStatementFetch):
                reading = await read_page(
                    self._pool,
                    asked,
                    query,
                    fetch.fetch,
                    flight=flight,
                    connections=self._connections,
                    likely_build=likely_build,
                )
            else:
                reading = await read_table(self._pool, asked, query, fetch, flight=flight)
            reading = as_taken(asked, reading)
            answer = reading.answer
            is_kept = answer is not None and not answer.is_personal
            if answer is not None and is_kept and reading.state.build and not reading.state.parked:
                self._cache.store(asked, reading.state, answer)
            return reading

        key = (asked.tenant_id, asked.stored_under)
        reading = await self._readings.join(key, read)
        for _ in range(_FRESH_READINGS):
            if asked.is_satisfied_by(reading.state) and not self._shown.is_past(asked, reading.state):
                break
            reading = await self._readings.start(key, read)
        return reading

    async def _state_in_table(self, asked: Asked) -> ProjectionState | None:
        key: tuple[UUID, str] = (asked.tenant_id, asked.view.label)
        return await self._states.join(key, lambda flight: read_state(self._pool, asked, flight))


def _found_in_table(asked: Asked, look: Look, reading: Reading) -> Found:
    parked_from = reading.parked_from
    minimum = asked.minimum_position
    if parked_from is not None and minimum is not None and minimum >= parked_from:
        degraded = RowDegradedError(f"a row shown is parked since {parked_from}", retry_after_seconds=5)
        degraded.position = parked_from - 1
        raise degraded
    return Found(
        state=reading.state,
        answer=reading.answer,
        source="table",
        head=look.head,
        degraded=parked_from is not None,
        unchanged=reading.answer is not None and has_already(asked, reading.state),
    )


def _look_had(request: QueryRequest, asked: Asked) -> Look | None:
    """The look that the short way had, of this very question: it was charged then."""
    stored_under, look = cast("tuple[bytes, Look | None]", request.scope.get(LOOK_KEY, (b"", None)))
    return look if stored_under == asked.stored_under else None


def _asked(
    request: QueryRequest, view: View[Any], query: msgspec.Struct, *, row: str | None, lasts: bool = True
) -> Asked:
    principal = principal_of(request)
    minimum = minimum_position(request.headers) if mentions(request, "shelfwise-min-position") else None
    declaration = declaration_of(request.route_handler)
    return Asked(
        tenant_id=principal.tenant.id,
        key_id=principal.key_id,
        view=view,
        digest=query_digest(request.scope["path_template"], view, query),
        row=row,
        cost=declaration.cost,
        minimum_position=minimum,
        wait_seconds=wait_seconds(request.headers) if minimum is not None else 0,
        if_none_match=if_none_match(request.headers) if mentions(request, "if-none-match") else None,
        as_of=asked_as_of(request),
        lasts=lasts,
        codings=codings_taken(field_of(request, "accept-encoding")) if declaration.compresses else None,
    )
