"""`doctor`, the overview that the console shows, its stream, and the audit."""

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from operations.access.audit import AuditEntry, entries
from operations.api.answers import NEVER_STORED, Answer, answer
from operations.api.desk import Desk
from operations.api.live import TooManyStreams
from operations.command_line.examination import Examination, examine
from operations.projecting.overview import Overview, StoreStatus, look_over, store_statuses
from shared_kernel.access.roles import OPERATE
from shared_kernel.http.routes import declare

MAX_STORES = 50
"""As many as a page shows at once; the whole list has its own address."""


class Stores(msgspec.Struct, frozen=True, kw_only=True):
    """Every store by its slowest projection, the furthest behind first."""

    stores: tuple[StoreStatus, ...]


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first."""

    entries: tuple[AuditEntry, ...]


@get("/overview", opt=declare(policy=OPERATE, cost=5, waits=False), summary="Everything worth watching, in one look")
async def overview(desk: NamedDependency[Desk]) -> Response[Answer[Overview]]:
    """Projections, the stores furthest behind, projectors, shards and the newest requests."""
    return answer(await look_over(desk.write_pool, desk.read_pool, max_stores=MAX_STORES))


@get(
    "/live",
    opt=declare(policy=OPERATE, cost=5, waits=False, streams=True, errors=(TooManyStreams,)),
    summary="The overview, every second",
    media_type="text/event-stream",
)
async def live(desk: NamedDependency[Desk]) -> Stream:
    """Server-sent events: `overview`, or `away` with a reason where the databases do not answer."""
    fields = {**NEVER_STORED, "X-Accel-Buffering": "no"}
    return Stream(desk.live.stream(), media_type="text/event-stream", headers=fields)


@get("/stores", opt=declare(policy=OPERATE, cost=5, waits=False), summary="Every store by its lag")
async def stores(desk: NamedDependency[Desk]) -> Response[Answer[Stores]]:
    """The furthest behind first."""
    return answer(Stores(stores=tuple(await store_statuses(desk.write_pool, desk.read_pool))))


@get(
    "/doctor", opt=declare(policy=OPERATE, cost=20, waits=False), summary="What is reachable, migrated, lagging, stuck"
)
async def doctor(desk: NamedDependency[Desk]) -> Response[Answer[Examination]]:
    """Every question asked for itself: one dead server does not hide what the others say."""
    return answer(await examine(desk.installation))


@get("/audit", opt=declare(policy=OPERATE, waits=False), summary="Who did what, when, and what came of it")
async def audit(
    desk: NamedDependency[Desk],
    before: FromQuery[int | None] = None,
    limit: Annotated[FromQuery[int], QueryParameter(ge=1, le=500)] = 100,
) -> Response[Answer[Audit]]:
    """The newest first; `before` an entry, the ones before it."""
    return answer(Audit(entries=await entries(desk.write_pool, before=before, limit=limit)))


ROUTES: tuple[HTTPRouteHandler, ...] = (overview, live, stores, doctor, audit)
