"""The command API: `write_side.app:app`. Its whole object graph is in this file."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from uuid import UUID

import msgspec
from arq.connections import ArqRedis
from litestar import Litestar, Router
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from redis.asyncio import ConnectionPool

from shared_kernel.access.principals import Principal, PrincipalCache
from shared_kernel.access.revocations import Revocations
from shared_kernel.background import beside
from shared_kernel.clock import Clock, system_clock
from shared_kernel.database.pool import PLANNED_ONCE, OpeningPool, Pool, PoolSettings, build_pool
from shared_kernel.doorbell import Doorbell, RedisDoorbell, decode_job, encode_job
from shared_kernel.http.app_factory import Application, build_app
from shared_kernel.http.authentication import Authentication
from shared_kernel.http.deployable import Running, limits_of, networks
from shared_kernel.http.door import DoorSettings
from shared_kernel.http.health import Check, Health
from shared_kernel.identifiers import new_id
from shared_kernel.observability.logging import LogFormat, configure_logging
from shared_kernel.observability.metrics import Metrics
from shared_kernel.process import keep_for_good
from shared_kernel.rate_limits.limiter import LocalShare, RateLimiter
from shared_kernel.rate_limits.settings import RateLimitSettings
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.settings import SettingsError, read_settings
from write_side.batch.registry import batch_commands
from write_side.batch.running import Batch
from write_side.command_execution.commands_over_http import CommandLimits, Commands
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.forgetting import keep_forgetting
from write_side.payments.inbox import Inbox
from write_side.payments.providers import callback_reader
from write_side.routes import ROUTES
from write_side.tenants.authentication import authenticate, is_known_origin
from write_side.webhooks.addresses import LOOPBACK_IS_FOR_UP
from write_side.webhooks.signing import WebhookRules

API_PATH: Final = "/api/v1"
_ARQ_TIMEOUT_SECONDS: Final = 2.0
_PATIENCE_SECONDS: Final = 1.8
"""The contract says 503 within two seconds, also where the database hangs or a lock is not to be had."""
_KEPT_QUARTERS: Final = 3
"""Of the pool's connections, for commands; the others are there for keys, replays and whoever asks besides."""
_DEFAULT_LIMITS: Final = RateLimitSettings()


class WriteApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the command API reads from `SHELFWISE_*`.

    Attributes:
        write_database_url: logs in as `shelfwise_write_api`.
        redis_url: of the limits, the doorbell and the messages.
        secret_key: that API keys are hashed with.
        write_pool_size: connections of one process; commands past it wait, a second and a half at most.
        processes: among which the limits are shared out while Redis is away.
        trusted_proxies: networks in CIDR form, separated by commas, whose `X-Forwarded-For` is believed.
        webhooks_allow_loopback: whether receivers on this machine, without TLS, are accepted: in `shelfwise up` alone.
        tenant_per_minute, key_per_minute, address_per_minute: units of the limits.
        payment_callback_secret: that the payment provider signs its callbacks with; without it none is trusted.
    """

    write_database_url: str
    redis_url: str
    secret_key: str
    write_pool_size: int = 16
    processes: int = 1
    trusted_proxies: str = ""
    tenant_per_minute: int = _DEFAULT_LIMITS.tenant_per_minute
    key_per_minute: int = _DEFAULT_LIMITS.key_per_minute
    address_per_minute: int = _DEFAULT_LIMITS.address_per_minute
    payment_callback_secret: str = ""
    webhooks_allow_loopback: bool = False
    log_level: str = "info"
    log_format: LogFormat = "auto"


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """What a test may put in the place of the real thing."""

    routes: Sequence[HTTPRouteHandler] = ROUTES
    clock: Clock = system_clock
    make_id: Callable[[], UUID] = new_id
    limits: RateLimitSettings | None = None
    doorbell: Doorbell | None = None


class WriteApiParts(msgspec.Struct, frozen=True, kw_only=True):
    """The singletons of a running command API."""

    pool: Pool
    redis: MultiplexedRedis
    execution: CommandExecution
    commands: Commands
    inbox: Inbox
    limits: CommandLimits


@asynccontextmanager
async def write_api_parts(
    settings: WriteApiSettings, overrides: Overrides, revocations: Revocations, on_overtaken: Callable[[str], None]
) -> AsyncIterator[WriteApiParts]:
    """Build everything, in this order, and close it in the reverse. Nothing here needs a server to be there already."""
    limits = overrides.limits or limits_of(settings)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(_pool(settings))
        redis = await stack.enter_async_context(MultiplexedRedis.from_url(settings.redis_url, client_name="write-api"))
        await stack.enter_async_context(beside(revocations.listen(settings.redis_url), name="revocations"))
        await stack.enter_async_context(beside(keep_forgetting(pool), name="forgetting"))
        doorbell = overrides.doorbell or await _redis_doorbell(stack, redis, settings.redis_url)
        execution = CommandExecution(
            pool=pool,
            doorbell=doorbell,
            clock=overrides.clock,
            make_id=overrides.make_id,
            patience_seconds=_PATIENCE_SECONDS,
            kept_connections=settings.write_pool_size * _KEPT_QUARTERS // 4,
            on_overtaken=on_overtaken,
        )
        stack.push_async_callback(execution.aclose)
        limiter = RateLimiter(redis, limits, local_share=LocalShare(limits, processes=settings.processes))
        yield WriteApiParts(
            pool=pool,
            redis=redis,
            execution=execution,
            commands=Commands(execution),
            inbox=Inbox(
                pool=pool,
                execution=execution,
                reader=callback_reader(secret=settings.payment_callback_secret),
                clock=overrides.clock,
            ),
            limits=CommandLimits(limiter, limits),
        )


def create_app(settings: WriteApiSettings, overrides: Overrides | None = None) -> Application:
    """The application; it opens nothing before its lifespan begins."""
    overrides = overrides or Overrides()
    running: Running[WriteApiParts] = Running()
    cache = PrincipalCache()
    revocations = Revocations(cache)
    metrics = Metrics()
    overtaken = metrics.counter(
        "shelfwise_commands_overtaken_total", "Commands decided without locks in vain, and then again.", "operation"
    )

    def note_overtaken(operation: str) -> None:
        overtaken.labels(operation).inc()

    async def principal_of_key(key_hash: str) -> Principal | None:
        return None if revocations.is_revoked(key_hash) else await authenticate(running.parts.pool, key_hash)

    async def origin_is_known(origin: str) -> bool:
        return await is_known_origin(running.parts.pool, origin)

    # Any: Litestar's user, auth and state, which are not used.
    async def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        await running.parts.limits.admit(connection, handler)

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with running.opened(write_api_parts(settings, overrides, revocations, note_overtaken)):
            yield

    return build_app(
        [Router(API_PATH, route_handlers=[*overrides.routes], guards=[admit])],
        door=DoorSettings(
            rate_limits=overrides.limits or limits_of(settings),
            processes=settings.processes,
            trusted_proxies=networks(settings.trusted_proxies),
        ),
        metrics=metrics,
        health=_health(running),
        authentication=Authentication(
            authenticate=principal_of_key, cache=cache, secret_key=settings.secret_key, clock=overrides.clock
        ),
        dependencies=_dependencies(running, settings, overrides),
        lifespan=[lifespan],
        is_known_origin=origin_is_known,
    )


def _dependencies(
    running: Running[WriteApiParts], settings: WriteApiSettings, overrides: Overrides
) -> dict[str, Provide]:
    """What routes are given by name."""
    rules = WebhookRules(secret_key=settings.secret_key, allows_loopback=settings.webhooks_allow_loopback)
    batched = batch_commands(overrides.routes, {"webhook_rules": rules}, below=API_PATH)

    async def webhook_rules() -> Any:  # noqa: ANN401  # Litestar compares the annotation with the handlers' own
        return rules

    async def batch() -> Any:  # noqa: ANN401  # the same
        return Batch(running.parts.execution, batched)

    async def commands() -> Any:  # noqa: ANN401  # the same
        return running.parts.commands

    async def inbox() -> Any:  # noqa: ANN401  # the same
        return running.parts.inbox

    async def limits() -> Any:  # noqa: ANN401  # the same
        return running.parts.limits

    given = {
        "batch": batch,
        "commands": commands,
        "inbox": inbox,
        "limits": limits,
        "webhook_rules": webhook_rules,
    }
    return {name: Provide(give) for name, give in given.items()}


def _health(running: Running[WriteApiParts]) -> Health:
    async def database() -> None:
        await running.parts.pool.fetchval("SELECT 1")

    # Redis is not asked: without it commands go on, by this process's share of the limits.
    return Health([Check(name="write_database", run=database)])


def _pool(settings: WriteApiSettings) -> OpeningPool:
    # No connection of its own accord: the process starts, and says that it is not ready, while the database is away.
    pool_settings = PoolSettings(
        application_name="shelfwise-write-api", min_size=0, max_size=settings.write_pool_size, planner=PLANNED_ONCE
    )
    return build_pool(settings.write_database_url, pool_settings)


async def _redis_doorbell(stack: AsyncExitStack, redis: MultiplexedRedis, redis_url: str) -> RedisDoorbell:
    connections = ConnectionPool.from_url(
        redis_url, socket_timeout=_ARQ_TIMEOUT_SECONDS, socket_connect_timeout=_ARQ_TIMEOUT_SECONDS
    )
    stack.push_async_callback(connections.disconnect)
    jobs = ArqRedis(connections, job_serializer=encode_job, job_deserializer=decode_job)
    doorbell = RedisDoorbell(redis, jobs)
    stack.push_async_callback(doorbell.aclose)
    return doorbell


def __getattr__(name: str) -> Application:
    """`app` is built, and logs as this process does, when a server asks for it: importing reads no environment."""
    if name == "app":
        settings = read_settings(WriteApiSettings, os.environ)
        if settings.webhooks_allow_loopback:
            raise SettingsError(LOOPBACK_IS_FOR_UP)
        configure_logging(level=settings.log_level, log_format=settings.log_format)
        built = create_app(settings)
        keep_for_good()
        globals()["app"] = built
        return built
    raise AttributeError(name)
