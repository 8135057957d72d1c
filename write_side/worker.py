"""The reacting worker: `python -m write_side.worker`. Its whole object graph is in this file.

A hint on the doorbell's channel wakes a shard's drain within a millisecond; the sweep in each drain finds what no hint
announced. Without Redis everything goes on, a second later.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from uuid import UUID

import msgspec
import structlog
import uvloop
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from shared_kernel.database.pool import KEYED_LOOK_UPS, OpeningPool, PoolSettings, build_pool
from shared_kernel.doorbell import RedisDoorbell, decode_job, encode_job
from shared_kernel.http.health import Check, Health
from shared_kernel.http.probe import serve_probe
from shared_kernel.identifiers import new_id
from shared_kernel.observability.logging import LogFormat, configure_logging
from shared_kernel.observability.metrics import Metrics
from shared_kernel.process import die_with_parent, keep_for_good
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.settings import SettingsError, read_settings
from shared_kernel.subscription.failures import DATABASE_FAILURES
from shared_kernel.subscription.hints import listen
from shared_kernel.subscription.leases import LEASE_SECONDS, LeaseTimes
from shared_kernel.subscription.shards import ShardKeeper, Subscription
from shared_kernel.subscription.stopping import heed_cancellation
from write_side.command_execution.execution import CommandExecution
from write_side.customers.showing import Showing
from write_side.mail.mailers import mailer_of
from write_side.mail.sending import MailDelivery
from write_side.order_saga.runtime import SagaRuntime
from write_side.order_saga.times import SagaTimes
from write_side.payments.asking import Asking
from write_side.payments.providers import NOBODY, payment_gateway
from write_side.reactions.drain import DrainParts, ShardDrain
from write_side.reactions.fault_points import Reach, carry_on
from write_side.reactions.progress import Progress
from write_side.reactions.reaction import Duty, Reaction
from write_side.reactions.subscribing import begin, keep_following
from write_side.reactions.working import LEASES, Workplace
from write_side.subscribers import REACTIONS, Deliverers, duties_of
from write_side.webhooks.addresses import LOOPBACK_IS_FOR_UP
from write_side.webhooks.delivering import Deliveries
from write_side.webhooks.sending import Sender
from write_side.webhooks.signing import WebhookRules

_POOL_SIZE = 10
"""Six turns at a time, and some for heartbeat, heads and duties."""
_TURNS_AT_A_TIME = 6
_SAGAS_POOL_SIZE = 8
_READ_POOL_SIZE = 2
_SAGAS_SESSION = "shelfwise-sagas"
_ARQ_TIMEOUT_SECONDS = 2.0
_START_PAUSE_SECONDS = 1.0

log = structlog.get_logger()


class ReactionsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker reads from `SHELFWISE_*`. The URL logs in as the role `shelfwise_reactions`."""

    write_database_url: str
    redis_url: str
    secret_key: str
    """What the secrets of webhooks are derived from: without it, anybody could sign."""
    read_database_url: str = ""
    """Where views find who customers are; empty: they show no names."""
    mail_url: str = ""
    """`smtp://…`, `smtps://…` or `file:///folder`; empty: mail is only noted in the log."""
    mail_from: str = "noreply@localhost"
    webhooks_allow_loopback: bool = False
    """Whether receivers on this machine, without TLS, are accepted: in `shelfwise up` alone."""
    probe_port: int = 9101
    """Of `/health/…` and `/metrics`; 0 lets the system choose."""
    probe_host: str = "127.0.0.1"
    lease_seconds: float = LEASE_SECONDS
    """How long a dead worker's shards stand still before another takes them."""
    idle_in_transaction_seconds: float = 5.0
    """How long a frozen worker holds its locks."""
    log_level: str = "info"
    log_format: LogFormat = "auto"
    payment_provider_url: str = ""
    """Where it is empty, nobody is asked for money, and orders that are to be paid are undone in time."""
    payment_provider_key: str = ""
    payment_provider_timeout_seconds: float = 10.0
    parent_pid: int | None = None
    """Set by `shelfwise up`, whose children must not outlive it."""


class Subscribers(msgspec.Struct, frozen=True, kw_only=True):
    """What to run; tests may run others, and die at fault points. Duties are those of production unless given."""

    reactions: Sequence[Reaction] = REACTIONS
    duties: Sequence[Duty] | None = None
    saga_times: SagaTimes = SagaTimes()
    reach: Reach = carry_on


class ReactionsParts(msgspec.Struct, frozen=True, kw_only=True):
    """The worker's singletons, as `reactions_parts` made them."""

    worker_id: UUID
    metrics: Metrics
    drains: DrainParts
    keeper: ShardKeeper
    sagas: SagaRuntime


@asynccontextmanager
async def reactions_parts(settings: ReactionsSettings, subscribers: Subscribers) -> AsyncIterator[ReactionsParts]:
    """Build everything, in this order, and close it in the reverse."""
    async with AsyncExitStack() as stack:
        worker_id = new_id()
        pool = await stack.enter_async_context(_pool(settings, worker_id))
        await begin(pool, subscribers.reactions)
        doorbell = await _doorbell(stack, settings.redis_url)
        metrics = Metrics()
        drains = DrainParts(
            place=Workplace(pool=pool, doorbell=doorbell, reach=subscribers.reach),
            reactions=subscribers.reactions,
            duties=await _duties(stack, settings) if subscribers.duties is None else subscribers.duties,
            progress=Progress(metrics.registry),
            turns=asyncio.Semaphore(_TURNS_AT_A_TIME),
            times=LeaseTimes(lease_seconds=settings.lease_seconds),
        )
        subscription = Subscription(
            pool=pool,
            leases=LEASES,
            times=drains.times,
            open_drain=partial(ShardDrain, drains),
            note_lost=drains.progress.note_lost,
        )
        keeper = ShardKeeper(subscription, worker_id)
        sagas = await stack.enter_async_context(_sagas(settings, subscribers, doorbell))
        yield ReactionsParts(worker_id=worker_id, metrics=metrics, drains=drains, keeper=keeper, sagas=sagas)


@asynccontextmanager
async def _sagas(
    settings: ReactionsSettings, subscribers: Subscribers, doorbell: RedisDoorbell
) -> AsyncIterator[SagaRuntime]:
    """What asks the provider and moves orders on, with connections of its own: a foreign call holds none."""
    times, bounds = subscribers.saga_times, PoolSettings(application_name=_SAGAS_SESSION, max_size=_SAGAS_POOL_SIZE)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(build_pool(settings.write_database_url, bounds))
        execution = CommandExecution(pool=pool, doorbell=doorbell)
        stack.push_async_callback(execution.aclose)
        gateway = await stack.enter_async_context(
            payment_gateway(
                url=settings.payment_provider_url or NOBODY,
                key=settings.payment_provider_key,
                timeout_seconds=settings.payment_provider_timeout_seconds,
            )
        )
        asking = Asking(
            pool=pool,
            execution=execution,
            gateway=gateway,
            lease_seconds=times.asking_lease_seconds,
            longest_pause_seconds=times.longest_pause_seconds,
            reach=subscribers.reach,
        )
        yield SagaRuntime(asking, times, asks=bool(settings.payment_provider_url))


async def run_reactions(settings: ReactionsSettings, subscribers: Subscribers | None = None) -> None:
    """React until cancelled or until a part ends that should not."""
    subscribers = subscribers or Subscribers()
    async with reactions_parts(settings, subscribers) as parts:
        health = Health(_checks(parts))
        async with (
            serve_probe(port=settings.probe_port, host=settings.probe_host, health=health, metrics=parts.metrics),
            asyncio.TaskGroup() as group,
        ):
            log.info("reactions_started", worker_id=str(parts.worker_id), reactions=len(subscribers.reactions))
            for part in _loops(settings, parts):
                group.create_task(part)


async def _duties(stack: AsyncExitStack, settings: ReactionsSettings) -> Sequence[Duty]:
    rules = WebhookRules(secret_key=settings.secret_key, allows_loopback=settings.webhooks_allow_loopback)
    sender = Sender(allows_loopback=rules.allows_loopback)
    stack.callback(sender.close)
    mail = MailDelivery(mailer_of(settings.mail_url), sender=settings.mail_from)
    showing = None
    if settings.read_database_url:
        bounds = PoolSettings(application_name="shelfwise-reactions", min_size=0, max_size=_READ_POOL_SIZE)
        showing = Showing(await stack.enter_async_context(build_pool(settings.read_database_url, bounds)))
    return duties_of(Deliverers(webhooks=Deliveries(rules, sender), mail=mail, customers=showing))


def _loops(settings: ReactionsSettings, parts: ReactionsParts) -> list[Coroutine[None, None, None]]:
    return [
        parts.keeper.run(),
        parts.sagas.run(),
        listen(settings.redis_url, parts.keeper.wake),
        keep_following(parts.drains.place.pool, parts.drains.reactions),
    ]


def _checks(parts: ReactionsParts) -> list[Check]:
    """Green while the database answers and this worker's heartbeat reaches the leases."""

    async def heartbeat() -> None:
        beaten_at = parts.keeper.beaten_at
        if beaten_at is None or asyncio.get_running_loop().time() - beaten_at > parts.drains.times.seen_seconds:
            message = "no heartbeat"
            raise TimeoutError(message)

    return [
        Check(name="write_database", run=lambda: parts.drains.place.pool.fetchval("SELECT 1")),
        Check(name="heartbeat", run=heartbeat),
    ]


def _pool(settings: ReactionsSettings, worker_id: UUID) -> OpeningPool:
    bounds = PoolSettings(
        application_name=LEASES.session_name(worker_id),
        max_size=_POOL_SIZE,
        idle_in_transaction_timeout_seconds=settings.idle_in_transaction_seconds,
        planner=KEYED_LOOK_UPS,
    )
    return build_pool(settings.write_database_url, bounds)


async def _doorbell(stack: AsyncExitStack, redis_url: str) -> RedisDoorbell:
    redis = await stack.enter_async_context(MultiplexedRedis.from_url(redis_url, client_name="reactions"))
    connections = ConnectionPool.from_url(
        redis_url, socket_timeout=_ARQ_TIMEOUT_SECONDS, socket_connect_timeout=_ARQ_TIMEOUT_SECONDS
    )
    stack.push_async_callback(connections.disconnect)
    doorbell = RedisDoorbell(redis, ArqRedis(connections, job_serializer=encode_job, job_deserializer=decode_job))
    stack.push_async_callback(doorbell.aclose)
    return doorbell


async def run_until_signalled(settings: ReactionsSettings, subscribers: Subscribers | None = None) -> None:
    """Run the worker until SIGTERM or SIGINT, waiting for a database that is not there yet."""
    worker = asyncio.create_task(_persist(settings, subscribers))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.cancel)
    try:
        await worker
    except asyncio.CancelledError:
        log.info("reactions_stopped")


async def _persist(settings: ReactionsSettings, subscribers: Subscribers | None) -> None:
    # Unbounded in attempts: the worker has nothing better to do than to wait for its database, with a red probe.
    while True:
        heed_cancellation()
        try:
            await run_reactions(settings, subscribers)
        except* DATABASE_FAILURES as group:
            log.warning("reactions_restart", error=type(group.exceptions[0]).__name__)
        await asyncio.sleep(_START_PAUSE_SECONDS)


def main() -> None:
    """The process's entry."""
    settings = read_settings(ReactionsSettings, os.environ)
    if settings.webhooks_allow_loopback and settings.parent_pid is None:
        raise SettingsError(LOOPBACK_IS_FOR_UP)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    if settings.parent_pid is not None:
        die_with_parent(parent_pid=settings.parent_pid)
    keep_for_good()
    uvloop.run(run_until_signalled(settings))


if __name__ == "__main__":
    main()
