"""The query API: `read_side.app:app`. Its whole object graph is in this file, but for the pools."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import Any, Final

import msgspec
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.types import ASGIApp

from read_side.contract import contract_routes
from read_side.live.streams import LiveStreams
from read_side.pools import Pools, pools_of
from read_side.principal.queries import authenticate
from read_side.query_execution.admitting import Admitting
from read_side.query_execution.cache import QueryCache
from read_side.query_execution.heads import Heads
from read_side.query_execution.queries import Queries
from read_side.query_execution.repeating import Repeats, ShortWay
from read_side.query_execution.single_flight import Flight, SingleFlight
from read_side.query_execution.table import told_as_unavailable
from read_side.query_execution.waking import WaitingRoom
from read_side.readiness import ViewsBuilt
from read_side.settings import Overrides, ReadApiSettings
from read_side.store_origins.queries import is_known_origin
from read_side.views import VIEWS
from shared_kernel.access.principals import Principal, PrincipalCache
from shared_kernel.access.revocations import Revocations
from shared_kernel.background import beside
from shared_kernel.clock import Clock
from shared_kernel.database.pool import Pool
from shared_kernel.http.app_factory import Application, build_app
from shared_kernel.http.authentication import Authenticate, Authentication
from shared_kernel.http.cors import IsKnownOrigin
from shared_kernel.http.deployable import Running, limits_of, networks
from shared_kernel.http.door import DoorSettings
from shared_kernel.http.health import Check, Detail, Draining, Health
from shared_kernel.monitor.exporting import WatchCollector
from shared_kernel.monitor.looking import Version
from shared_kernel.monitor.watching import Watch
from shared_kernel.observability.logging import configure_logging
from shared_kernel.observability.metrics import Metrics
from shared_kernel.process import hearing_of_its_end, keep_for_good
from shared_kernel.rate_limits.limiter import LocalShare, RateLimiter
from shared_kernel.redis.keys import SHOWN_CHANNEL
from shared_kernel.redis.listening import Listener
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.settings import read_settings

__all__ = ["API_PATH", "Overrides", "ReadApiSettings", "create_app"]

API_PATH: Final = "/api/v1"


class ReadApiParts(msgspec.Struct, frozen=True, kw_only=True):
    """The singletons of a running query API."""

    read_pool: Pool
    redis: MultiplexedRedis
    queries: Queries
    streams: LiveStreams
    watch: Watch
    principals: SingleFlight[Principal | None]
    origins: SingleFlight[bool]


class _Running(Running[ReadApiParts]):
    @property
    def watch(self) -> Watch | None:
        """Who looks whether events become visible; None outside the application's lifetime."""
        return None if self.parts_if_there is None else self.parts_if_there.watch

    def repeats(self) -> Repeats | None:
        """What has been asked before; None outside the lifetime."""
        return None if self.parts_if_there is None else self.parts_if_there.queries.repeats


@asynccontextmanager
async def read_api_parts(
    settings: ReadApiSettings,
    overrides: Overrides,
    *,
    revocations: Revocations,
    authentication: Authentication,
    draining: Draining,
) -> AsyncIterator[ReadApiParts]:
    """Build everything, in this order, and close it in the reverse. Nothing here needs a server to be there already."""
    limits = overrides.limits or limits_of(settings)
    async with AsyncExitStack() as stack:
        pools = await stack.enter_async_context(pools_of(settings))
        redis = await stack.enter_async_context(MultiplexedRedis.from_url(settings.redis_url, client_name="read-api"))
        room = WaitingRoom(max_waiters=overrides.max_waiters, pauses=overrides.pauses)
        messages = _messages(settings.redis_url, room, revocations)
        await stack.enter_async_context(beside(messages.run(), name="messages"))
        heads = Heads(pools.heads, redis)
        stack.push_async_callback(heads.aclose)
        local_share = LocalShare(limits, processes=settings.processes)
        cache = QueryCache(redis, limits, local_share=local_share)
        queries = Queries(pools.reads, cache, heads, limits, pages=pools.pages, room=room, clock=overrides.clock)
        stack.push_async_callback(queries.aclose)
        streams = LiveStreams(
            admitting=Admitting(RateLimiter(redis, limits, local_share=local_share), limits),
            states=queries.states,
            room=room,
            authentication=authentication,
            draining=draining,
            settings=overrides.live,
        )
        stack.push_async_callback(streams.aclose)
        principals: SingleFlight[Principal | None] = SingleFlight()
        stack.push_async_callback(principals.aclose)
        origins: SingleFlight[bool] = SingleFlight()
        stack.push_async_callback(origins.aclose)
        watch = _watch(pools, redis)
        await stack.enter_async_context(beside(watch.run(), name="watch"))
        yield ReadApiParts(
            read_pool=pools.reads,
            redis=redis,
            queries=queries,
            streams=streams,
            watch=watch,
            principals=principals,
            origins=origins,
        )


def _messages(redis_url: str, room: WaitingRoom, revocations: Revocations) -> Listener:
    """All that this process listens to, over one connection."""
    return Listener.from_url(
        redis_url,
        {SHOWN_CHANNEL: room.hear, **revocations.channels()},
        client_name="read-api-messages",
        on_begin=room.begin_to_hear,
        on_end=room.hear_no_more,
    )


def _watch(pools: Pools, redis: MultiplexedRedis) -> Watch:
    versions = [Version(name=one.name, version=one.version) for one in VIEWS]
    return Watch(write_pool=pools.watched_writes, read_pool=pools.watched_reads, redis=redis, versions=versions)


def create_app(
    settings: ReadApiSettings,
    overrides: Overrides | None = None,
    *,
    draining: Draining | None = None,
    hears_signals: bool = False,
) -> Application:
    """The application; it opens nothing before its lifespan begins.

    Args:
        settings: of this deployable.
        overrides: a test's.
        draining: of a process that says itself when it is about to end.
        hears_signals: whether SIGTERM says so, where nobody else does.
    """
    overrides = overrides or Overrides()
    draining = draining or Draining()
    running = _Running()
    revocations = Revocations(cache := PrincipalCache())
    authentication = Authentication(
        authenticate=_look_up(running, revocations, overrides.clock),
        cache=cache,
        secret_key=settings.secret_key,
        clock=overrides.clock,
    )

    def short_way(app: ASGIApp) -> ASGIApp:
        return ShortWay(app, authentication=authentication, repeats=running.repeats)

    async def queries() -> Any:  # noqa: ANN401 - Litestar compares the annotation with the handlers' own
        return running.parts.queries

    async def streams() -> Any:  # noqa: ANN401 - as above
        return running.parts.streams

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        parts = read_api_parts(
            settings, overrides, revocations=revocations, authentication=authentication, draining=draining
        )
        with hearing_of_its_end(draining.begin) if hears_signals else nullcontext():
            async with running.opened(parts):
                yield

    metrics = Metrics()
    metrics.registry.register(WatchCollector(lambda: running.watch))
    return build_app(
        [Router(API_PATH, route_handlers=[*overrides.routes]), *contract_routes()],
        door=DoorSettings(
            rate_limits=overrides.limits or limits_of(settings),
            processes=settings.processes,
            trusted_proxies=networks(settings.trusted_proxies),
        ),
        metrics=metrics,
        health=_health(running, draining),
        authentication=authentication,
        dependencies={"queries": Provide(queries), "streams": Provide(streams), "clock": overrides.clock},
        lifespan=[lifespan],
        is_known_origin=_origins_of(running),
        short_way=short_way,
    )


def _look_up(running: _Running, revocations: Revocations, clock: Clock) -> Authenticate:
    async def principal_of_key(key_hash: str) -> Principal | None:
        if revocations.is_revoked(key_hash):
            return None
        parts = running.parts

        async def look_up(_flight: Flight) -> Principal | None:
            with told_as_unavailable():
                return await authenticate(parts.read_pool, key_hash, clock())

        principal = await parts.principals.join(key_hash, look_up)
        # The message may have come while the database, which does not know yet, was asked.
        return None if revocations.is_revoked(key_hash) else principal

    return principal_of_key


def _origins_of(running: _Running) -> IsKnownOrigin:
    async def is_known(origin: str) -> bool:
        parts = running.parts

        async def look_up(_flight: Flight) -> bool:
            with told_as_unavailable():
                return await is_known_origin(parts.read_pool, origin)

        return await parts.origins.join(origin, look_up)

    return is_known


def _health(running: _Running, draining: Draining) -> Health:
    async def database() -> None:
        await running.parts.read_pool.fetchval("SELECT 1")

    async def database_or_redis() -> None:
        # With either there are answers: taken out of service for the other, this process could give none.
        if not running.parts.redis.connected:
            await database()

    def details() -> tuple[Detail, ...]:
        # No check: without a projector this process still answers, and says how old its answers are.
        verdict = running.parts.watch.verdict
        return (Detail(name="projecting", status="green" if verdict.is_green else "red", says=verdict.text),)

    views_built = ViewsBuilt(lambda: running.parts.read_pool)
    return Health(
        [Check(name="read_database_or_redis", run=database_or_redis), Check(name="views_built", run=views_built.check)],
        startup=[Check(name="read_database", run=database)],
        details=details,
        draining=draining,
    )


def __getattr__(name: str) -> Application:
    """`app` is built, and logs as this process does, when a server asks for it: importing reads no environment."""
    if name == "app":
        settings = read_settings(ReadApiSettings, os.environ)
        configure_logging(level=settings.log_level, log_format=settings.log_format)
        built = create_app(settings, hears_signals=True)
        keep_for_good()
        globals()["app"] = built
        return built
    raise AttributeError(name)
