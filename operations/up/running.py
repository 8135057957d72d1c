"""`shelfwise up`: migrate, start the processes, wait until they are ready, and end them in order."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import msgspec

from operations.command_line.migrating import migrate_installation
from operations.errors import CommandFailed
from operations.in_house import pool_as
from operations.projecting.probing import probe_url
from operations.projecting.state import probes, work
from operations.reacting.standing import labour_verdict, standing
from operations.servers.installation import Installation
from operations.servers.ports import choose_port
from operations.up.children import Child, ChildSpec, end_in_order
from operations.up.http import LocalClient
from operations.up.provider import provider_variables, sandbox
from shared_kernel.database.pool import Pool
from shared_kernel.database.roles import DatabaseRole, url_as

_READY_TIMEOUT_SECONDS = 90.0
"""A slow machine's first start; a process that dies is given up sooner."""
_LOOK_SECONDS = 0.1
_SERVERS_LOOK_SECONDS = 1.0
_LOG_VARIABLES: Mapping[str, str] = {"SHELFWISE_LOG_LEVEL": "warning", "SHELFWISE_LOG_FORMAT": "auto"}
"""What children log unless our own environment says otherwise: with `info`, every request."""

_OF_MAIL_AND_PAYMENT = ("SHELFWISE_MAIL_FROM", "SHELFWISE_PAYMENT_PROVIDER_TIMEOUT_SECONDS")
_ALLOW_LOOPBACK = "SHELFWISE_WEBHOOKS_ALLOW_LOOPBACK"
"""Whether receivers of webhooks may be on this machine, as the demo's is. Only our children start with it."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What runs once `up` is ready; each projector's probe is known then."""

    installation: Installation
    port: int
    allows_loopback: bool
    probes: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> LocalClient:
        """Asks it."""
        return LocalClient(self.port)


async def run_until_stopped(
    installation: Installation,
    *,
    port: int,
    workers: int,
    allows_loopback: bool,
    when_ready: Callable[[Site], Awaitable[None]],
) -> None:
    """Run everything until SIGINT or SIGTERM.

    Args:
        installation: whose servers are there.
        port: of the API on 127.0.0.1; 0 lets the system choose.
        workers: how many projectors.
        allows_loopback: whether webhooks may be sent to this machine; else only where our environment says so.
        when_ready: run once everything answers; cancelled at the end. When it returns, the rest goes on.

    Raises:
        CommandFailed: the port is taken, a process does not start or dies too often, or the servers have ended.
    """
    await migrate_installation(installation)
    site = Site(installation=installation, port=_free_port(port), allows_loopback=allows_loopback)
    provider = provider_variables(installation)
    api, reactions = Child(_api(site, provider)), Child(_reactions(site, provider))
    playing = sandbox(installation, provider, api_url=site.url)
    sandboxes = [] if playing is None else [Child(playing)]
    projectors = [Child(_projector(installation, number)) for number in range(1, workers + 1)]
    children = (api, reactions, *projectors, *sandboxes)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    conducting = asyncio.create_task(_conduct(site, when_ready, stop), name="conductor")
    watching = asyncio.create_task(_watch_servers(installation), name="servers")
    supervising = [asyncio.create_task(child.keep_running(), name=child.spec.name) for child in children]
    try:
        done, _ = await asyncio.wait({conducting, watching, *supervising}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        conducting.cancel()
        watching.cancel()
        await asyncio.gather(conducting, watching, return_exceptions=True)
        await end_in_order([[api], [reactions, *projectors], sandboxes])
        await asyncio.gather(*supervising, return_exceptions=True)
    for task in done:
        task.result()


async def _conduct(site: Site, when_ready: Callable[[Site], Awaitable[None]], stop: asyncio.Event) -> None:
    """Everything but the children: returns when asked to stop."""
    stopped = asyncio.create_task(stop.wait())
    acting = asyncio.create_task(_act(site, when_ready))
    try:
        await asyncio.wait({stopped, acting}, return_when=asyncio.FIRST_COMPLETED)
        if acting.done():
            acting.result()
            await stopped
    finally:
        for task in (acting, stopped):
            task.cancel()
        await asyncio.gather(acting, stopped, return_exceptions=True)


async def _watch_servers(installation: Installation) -> None:
    """Without them everything would run on and answer nothing: end, and say so. Servers of others come back."""
    while not installation.has_lost_its_servers:  # noqa: ASYNC110 - another process has no event to wait on
        await asyncio.sleep(_SERVERS_LOOK_SECONDS)
    message = f"the servers have ended: their last words are in {installation.data_dir}/*.log; start again"
    raise CommandFailed(message)


async def _act(site: Site, when_ready: Callable[[Site], Awaitable[None]]) -> None:
    await when_ready(msgspec.structs.replace(site, probes=await _probes_once_ready(site)))


async def _probes_once_ready(site: Site) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(_READY_TIMEOUT_SECONDS):
            await _until(lambda: _api_is_ready(site))
            async with pool_as(DatabaseRole.OPERATOR, site.installation, read=False, size=1) as write_pool:
                await _until(lambda: _somebody_reacts(write_pool))
            async with pool_as(DatabaseRole.OPERATOR, site.installation, read=True, size=1) as read_pool:
                await _until(lambda: _shards_are_held(read_pool))
                return tuple(probe_url(one) for one in await probes(read_pool))
    except TimeoutError:
        message = f"not ready within {_READY_TIMEOUT_SECONDS:.0f} s: `shelfwise doctor` says what is missing"
        raise CommandFailed(message) from None


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Look until it holds; the caller has the bound."""
    while not await holds():  # noqa: ASYNC110 - other processes have no event to wait on
        await asyncio.sleep(_LOOK_SECONDS)


async def _api_is_ready(site: Site) -> bool:
    return (await site.client.get("/health/ready")).status == HTTPStatus.OK


async def _shards_are_held(read_pool: Pool) -> bool:
    now = await work(read_pool)
    return now.workers > 0 and now.owned_shards == now.shards


async def _somebody_reacts(write_pool: Pool) -> bool:
    return labour_verdict(await standing(write_pool))[0]


def _free_port(wanted: int) -> int:
    if wanted == 0:
        return choose_port(None)
    if choose_port(wanted) != wanted:
        raise CommandFailed(f"port {wanted} is taken: end what listens there, or choose another with --port")
    return wanted


def _api(site: Site, provider: Mapping[str, str]) -> ChildSpec:
    installation = site.installation
    write_url, read_url = installation.write_database_url, installation.read_database_url
    return ChildSpec(
        name="api",
        module="operations.up.api",
        variables={
            **_common(installation),
            "SHELFWISE_WRITE_DATABASE_URL": _as(DatabaseRole.WRITE_API, write_url, installation),
            "SHELFWISE_READ_DATABASE_URL": _as(DatabaseRole.READ_API, read_url, installation),
            "SHELFWISE_HEAD_DATABASE_URL": _as(DatabaseRole.READ_API, write_url, installation),
            "SHELFWISE_OPERATOR_WRITE_DATABASE_URL": _as(DatabaseRole.OPERATOR, write_url, installation),
            "SHELFWISE_OPERATOR_READ_DATABASE_URL": _as(DatabaseRole.OPERATOR, read_url, installation),
            "SHELFWISE_SECRET_KEY": installation.secret_key,
            "SHELFWISE_PORT": f"{site.port}",
            "SHELFWISE_PAYMENT_CALLBACK_SECRET": provider.get("SHELFWISE_PAYMENT_CALLBACK_SECRET", ""),
            **_loopback(site),
        },
    )


def _projector(installation: Installation, number: int) -> ChildSpec:
    return ChildSpec(
        name=f"projector {number}",
        module="projections.worker",
        variables={
            **_common(installation),
            "SHELFWISE_WRITE_DATABASE_URL": _as(DatabaseRole.PROJECTOR, installation.write_database_url, installation),
            "SHELFWISE_READ_DATABASE_URL": _as(DatabaseRole.PROJECTOR, installation.read_database_url, installation),
            "SHELFWISE_PROBE_PORT": "0",
        },
    )


def _reactions(site: Site, provider: Mapping[str, str]) -> ChildSpec:
    installation = site.installation
    return ChildSpec(
        name="reactions",
        module="write_side.worker",
        variables={
            **_common(installation),
            "SHELFWISE_WRITE_DATABASE_URL": _as(DatabaseRole.REACTIONS, installation.write_database_url, installation),
            "SHELFWISE_READ_DATABASE_URL": _as(DatabaseRole.REACTIONS, installation.read_database_url, installation),
            "SHELFWISE_MAIL_URL": os.environ.get(
                "SHELFWISE_MAIL_URL", f"file://{installation.data_dir.resolve()}/mail"
            ),
            "SHELFWISE_PAYMENT_PROVIDER_URL": provider["SHELFWISE_PAYMENT_PROVIDER_URL"],
            "SHELFWISE_PAYMENT_PROVIDER_KEY": provider.get("SHELFWISE_PAYMENT_PROVIDER_KEY", ""),
            "SHELFWISE_SECRET_KEY": installation.secret_key,
            **{name: os.environ[name] for name in _OF_MAIL_AND_PAYMENT if name in os.environ},
            **_loopback(site),
            "SHELFWISE_PROBE_PORT": "0",
        },
    )


def _loopback(site: Site) -> dict[str, str]:
    said = "true" if site.allows_loopback else os.environ.get(_ALLOW_LOOPBACK)
    return {} if said is None else {_ALLOW_LOOPBACK: said}


def _common(installation: Installation) -> dict[str, str]:
    logging = {name: os.environ.get(name, default) for name, default in _LOG_VARIABLES.items()}
    return {**logging, "SHELFWISE_REDIS_URL": installation.redis_url}


def _as(role: DatabaseRole, url: str, installation: Installation) -> str:
    return url_as(role, url, installation.role_passwords.of(role))
