"""The operators' API and the console: `operations.api.app:app`. Its whole object graph is in this file."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from arq.connections import ArqRedis
from litestar import Litestar, Router
from litestar.di import Provide
from redis.asyncio import ConnectionPool

from operations.access.operator_keys import authenticate
from operations.access.repeating import keep_forgetting
from operations.api.calling import OperatorLimits
from operations.api.cookies import CookieApplication
from operations.api.desk import Desk
from operations.api.document import schema_routes
from operations.api.installation import OperatorLogins, installation_of
from operations.api.live import INTERVAL_SECONDS, LiveOverview
from operations.api.routes import API_PATH, ROUTES
from operations.api.verifying import VerificationJobs
from operations.api.watching import MAX_STORES
from operations.console.pages import console_routes
from operations.in_house import InHouse
from operations.projecting.overview import look_over
from shared_kernel.access.principals import Principal, PrincipalCache
from shared_kernel.access.revocations import RevocationMessages, Revocations
from shared_kernel.background import beside
from shared_kernel.database.pool import OpeningPool, Pool, PoolSettings, build_pool
from shared_kernel.doorbell import RedisDoorbell, decode_job, encode_job
from shared_kernel.http.app_factory import Application, build_app
from shared_kernel.http.authentication import Authentication
from shared_kernel.http.deployable import Running, limits_of, networks
from shared_kernel.http.door import DoorSettings
from shared_kernel.http.health import Check, Draining, Health
from shared_kernel.observability.logging import configure_logging
from shared_kernel.observability.metrics import Metrics
from shared_kernel.rate_limits.settings import RateLimitSettings
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.settings import read_settings
from write_side.command_execution.execution import CommandExecution

_POOL_SIZE: Final = 4
"""Operators are few; a console's look takes one connection of each database for some milliseconds a second."""
_COMMAND_POOL_SIZE: Final = 2
_PATIENCE_SECONDS: Final = 1.8
_ARQ_TIMEOUT_SECONDS: Final = 2.0
_DEFAULT_LIMITS: Final = RateLimitSettings()


class OperationsSettings(OperatorLogins, frozen=True, kw_only=True):
    """What the operators' API reads from `SHELFWISE_*`.

    Attributes:
        command_database_url: the write database, logged in as `shelfwise_write_api`: opening a store and handing out
            its keys are commands, and only their role may append to a log.
        processes: among which the limits are shared out.
        trusted_proxies: networks in CIDR form, separated by commas, whose `X-Forwarded-For` is believed.
        tenant_per_minute, key_per_minute, address_per_minute: units of the limits.
        live_interval_seconds: between two looks, while somebody watches.
    """

    command_database_url: str
    processes: int = 1
    trusted_proxies: str = ""
    tenant_per_minute: int = _DEFAULT_LIMITS.tenant_per_minute
    key_per_minute: int = _DEFAULT_LIMITS.key_per_minute
    address_per_minute: int = _DEFAULT_LIMITS.address_per_minute
    live_interval_seconds: float = INTERVAL_SECONDS


@asynccontextmanager
async def operations_parts(
    settings: OperationsSettings, revocations: Revocations, draining: Draining
) -> AsyncIterator[Desk]:
    """Build everything, in this order, and close it in the reverse. Nothing here needs a server to be there already."""
    async with AsyncExitStack() as stack:
        write_pool = await stack.enter_async_context(_pool(settings.write_database_url))
        read_pool = await stack.enter_async_context(_pool(settings.read_database_url))
        redis = await stack.enter_async_context(MultiplexedRedis.from_url(settings.redis_url, client_name="operations"))
        await stack.enter_async_context(beside(revocations.listen(settings.redis_url), name="revocations"))
        await stack.enter_async_context(beside(keep_forgetting(write_pool), name="forgetting"))
        house = await _house(stack, settings, write_pool=write_pool, redis=redis)
        verifications = VerificationJobs(write_pool, variables=_variables(settings))
        stack.push_async_callback(verifications.aclose)
        live = LiveOverview(
            lambda: look_over(write_pool, read_pool, max_stores=MAX_STORES),
            draining=draining,
            interval_seconds=settings.live_interval_seconds,
        )
        stack.push_async_callback(live.aclose)
        yield Desk(
            house=house,
            read_pool=read_pool,
            installation=installation_of(settings),
            live=live,
            verifications=verifications,
        )


def create_app(settings: OperationsSettings, *, draining: Draining | None = None) -> Application:
    """The application; it opens nothing before its lifespan begins. Streams end when `draining` begins."""
    running: Running[Desk] = Running()
    cache = PrincipalCache()
    revocations = Revocations(cache)
    limits = limits_of(settings)
    operator_limits = OperatorLimits(limits, processes=settings.processes)

    async def principal_of_key(key_hash: str) -> Principal | None:
        return None if revocations.is_revoked(key_hash) else await authenticate(running.parts.write_pool, key_hash)

    async def desk() -> Any:  # noqa: ANN401 - Litestar compares the annotation with the handlers' own
        return running.parts

    health = _health(lambda: running.parts, draining or Draining())

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with running.opened(operations_parts(settings, revocations, health.draining)):
            yield

    application = build_app(
        [
            Router(API_PATH, route_handlers=[*ROUTES], guards=[operator_limits.admit]),
            *schema_routes(),
            *console_routes(),
        ],
        door=DoorSettings(
            rate_limits=limits, processes=settings.processes, trusted_proxies=networks(settings.trusted_proxies)
        ),
        metrics=Metrics(),
        health=health,
        authentication=Authentication(authenticate=principal_of_key, cache=cache, secret_key=settings.secret_key),
        dependencies={"desk": Provide(desk)},
        lifespan=[lifespan],
    )
    return CookieApplication(application)


def _health(desk: Callable[[], Desk], draining: Draining) -> Health:
    async def write_database() -> None:
        await desk().write_pool.fetchval("SELECT 1")

    # The read database is not asked: what is wrong with it is what this deployable is there to show.
    return Health([Check(name="write_database", run=write_database)], draining=draining)


def _pool(url: str) -> OpeningPool:
    # No connection of its own accord: the process starts, and says that it is not ready, while the database is away.
    return build_pool(url, PoolSettings(application_name="shelfwise-operations", min_size=0, max_size=_POOL_SIZE))


async def _house(
    stack: AsyncExitStack, settings: OperationsSettings, *, write_pool: Pool, redis: MultiplexedRedis
) -> InHouse:
    command_settings = PoolSettings(application_name="shelfwise-operations", min_size=0, max_size=_COMMAND_POOL_SIZE)
    command_pool = await stack.enter_async_context(build_pool(settings.command_database_url, command_settings))
    connections = ConnectionPool.from_url(
        settings.redis_url, socket_timeout=_ARQ_TIMEOUT_SECONDS, socket_connect_timeout=_ARQ_TIMEOUT_SECONDS
    )
    stack.push_async_callback(connections.disconnect)
    jobs = ArqRedis(connections, job_serializer=encode_job, job_deserializer=decode_job)
    doorbell = RedisDoorbell(redis, jobs)
    stack.push_async_callback(doorbell.aclose)
    execution = CommandExecution(pool=command_pool, doorbell=doorbell, patience_seconds=_PATIENCE_SECONDS)
    stack.push_async_callback(execution.aclose)
    return InHouse(
        execution=execution,
        revocations=RevocationMessages(redis),
        write_pool=command_pool,
        operator_pool=write_pool,
        secret_key=settings.secret_key,
    )


def _variables(settings: OperatorLogins) -> dict[str, str]:
    """What a process of ours needs to find the same servers."""
    return {f"SHELFWISE_{name.upper()}": getattr(settings, name) for name in OperatorLogins.__struct_fields__}


def __getattr__(name: str) -> Application:
    """`app` is built, and logs as this process does, when a server asks for it: importing reads no environment."""
    if name == "app":
        settings = read_settings(OperationsSettings, os.environ)
        configure_logging(level=settings.log_level, log_format=settings.log_format)
        built = create_app(settings)
        globals()["app"] = built
        return built
    raise AttributeError(name)
