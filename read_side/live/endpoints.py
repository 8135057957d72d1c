"""`GET /live`."""

from typing import Annotated, Final, cast

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Parameter, Schema
from litestar.response import Stream as StreamResponse

from read_side.live.errors import StreamsFullError, TooManyStreamsError
from read_side.live.news import read_event_id
from read_side.live.response import LiveResponse
from read_side.live.streams import LiveStreams
from read_side.live.topics import TOPICS, Topic
from read_side.query_execution import NamedDependency, QueryRequest, parse_parameters, principal_of
from read_side.query_execution.documentation import operation_with
from shared_kernel.access.roles import READ_OPERATIONS
from shared_kernel.errors import FieldError, ForbiddenError, InvalidError, ShelfWiseError
from shared_kernel.http.exchange import EVENT_STREAM, EXCHANGE_KEY, Exchange
from shared_kernel.http.problems import problem_response
from shared_kernel.http.routes import declare

_COST: Final = 5
_MAX_SECONDS: Final = 900
_MAX_VIEWS_LENGTH: Final = 400
"""Characters: twice what every name there is takes."""


class LiveParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Names separated by commas, and how long the stream lasts at most: with 0 it tells what stands now, and ends."""

    views: Annotated[str, msgspec.Meta(max_length=_MAX_VIEWS_LENGTH)]
    seconds: Annotated[int, msgspec.Meta(ge=0, le=_MAX_SECONDS)] | None = None


_DOCUMENTED: Final = (
    Parameter(
        name="views",
        param_in="query",
        required=True,
        description="What to tell of, separated by commas.",
        style="form",
        explode=False,
        schema=Schema(
            type="array",  # type: ignore[arg-type]  # a plain string is what the enum holds
            items=Schema(type="string", enum=[*TOPICS]),  # type: ignore[arg-type]  # as above
            min_items=1,
            max_items=len(TOPICS),
            unique_items=True,
        ),
    ),
    Parameter(
        name="seconds",
        param_in="query",
        required=False,
        description="How long at most; with 0 it tells what stands now, and ends.",
        schema=Schema(type="integer", minimum=0, maximum=_MAX_SECONDS),  # type: ignore[arg-type]  # as above
    ),
    Parameter(
        name="Last-Event-ID",
        param_in="header",
        required=False,
        description="The last event's `id`, or the lowest position of what was read: what differs is told first.",
        schema=Schema(type="string", examples=["4711"]),  # type: ignore[arg-type]  # as above
    ),
)


@get(
    "/live",
    opt=declare(
        policy=READ_OPERATIONS, cost=_COST, waits=False, streams=True, errors=(TooManyStreamsError, StreamsFullError)
    ),
    summary="Which views have moved, as it happens",
    media_type=EVENT_STREAM,
    operation_class=operation_with(_DOCUMENTED),
)
async def live(request: QueryRequest, streams: NamedDependency[LiveStreams]) -> StreamResponse:
    """Server-sent events: one for each of the views asked for, and again whenever its answers have changed.

    `event` is the view's name, `id` begins with the position that everything told includes, and `data` has `view`,
    `revision` (opaque; it stays the same while the view's rows do), and `position`, `as_of`, `lag_events`, `source`
    and `degraded` as in the `meta` of a query. Ask the view again with `ShelfWise-Min-Position: <position>`: all its
    routes are that far. Where `furthest` is past it, one of them is further on; asked with `<furthest>`, it shows at
    least what was told, and one that is behind waits. No event says that a day has begun: `sales`, `kpis` and
    `best-sellers` counted from today change at the store's midnight, too.

    At most four events a second and view. A client that comes back with `Last-Event-ID` is told what differs from
    what it was told, and may be told something twice. Every 15 seconds there is a comment; then the key is looked at
    again, too. The stream ends by itself, at the latest after 15 minutes, with the event `end`: come back then,
    unless its `reason` is `key`.

    A browser's own `EventSource` cannot send a key: read the stream with `fetch`, as its libraries do.
    """
    parameters = parse_parameters(request, LiveParameters)
    topics = _topics(parameters.views)
    principal = principal_of(request)
    if any(principal.role not in topic.policy.roles for topic in topics):
        raise ForbiddenError(f"A key with the role {principal.role.value} may not read one of these views.")
    fields = await streams.admitting.admit(principal, cost=_COST)
    exchange = cast("Exchange", request.scope[EXCHANGE_KEY])  # type: ignore[typeddict-item]  # a scope is an open dictionary (ASGI)
    try:
        stream = await streams.open(
            principal,
            topics,
            authorization=exchange.headers.get(b"authorization"),
            heard=read_event_id(request.headers.get("last-event-id")),
            lasts_seconds=0 if exchange.method == "HEAD" else parameters.seconds,
        )
    except ShelfWiseError as error:
        # Only here is it known what the limits said, which every answer tells.
        return cast("StreamResponse", problem_response(error, instance=request.scope["path"], fields=fields))
    return LiveResponse(
        stream,
        leave=lambda: streams.leave(stream),
        write_seconds=streams.settings.write_seconds,
        headers=fields,
    )


def _topics(names: str) -> tuple[Topic, ...]:
    asked = dict.fromkeys(names.split(","))
    if unknown := [name for name in asked if name not in TOPICS]:
        detail = f"one or more of {', '.join(TOPICS)}, separated by commas"
        fault = FieldError(pointer="views", code="invalid" if unknown != [""] else "required", detail=detail)
        raise InvalidError("the query string is not valid: see errors", errors=(fault,))
    return tuple(TOPICS[name] for name in asked)


ROUTES: tuple[HTTPRouteHandler, ...] = (live,)
