"""The API process of `shelfwise up`: `python -m operations.up.api`. One granian worker, inside this very process.

granian's own process manager is not used: killed with -9 it would leave its worker behind.
"""

import asyncio
import os
import signal

import structlog
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from operations.gateway import Gateway, GatewaySettings, create_gateway
from shared_kernel.observability.logging import LogFormat, configure_logging
from shared_kernel.process import die_with_parent, keep_for_good
from shared_kernel.settings import read_settings

_DRAIN_SECONDS = 0.3
"""Between readiness off and the port closed. On this machine nobody needs longer to notice."""
_BACKLOG = 1_024

log = structlog.get_logger()


class ApiProcessSettings(GatewaySettings, frozen=True, kw_only=True):
    """What this process reads from `SHELFWISE_*`."""

    port: int
    host: str = "127.0.0.1"
    log_level: str = "info"
    log_format: LogFormat = "auto"
    parent_pid: int | None = None
    """Set by `shelfwise up`, whose children must not outlive it."""


async def serve(settings: ApiProcessSettings) -> None:
    """Answer until SIGTERM or SIGINT; then readiness off, a moment to notice, and drain."""
    gateway = create_gateway(
        GatewaySettings(
            **{name: getattr(settings, name) for name in GatewaySettings.__struct_fields__},
        )
    )
    server = Server(
        gateway,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        backlog=_BACKLOG,
        log_enabled=False,
    )
    keep_for_good()
    loop = asyncio.get_running_loop()
    stopping: set[asyncio.Task[None]] = set()

    def stop() -> None:
        if not stopping:
            stopping.add(loop.create_task(_stop(server, gateway)))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await server.serve()
    log.info("api_stopped")


async def _stop(server: Server, gateway: Gateway) -> None:
    gateway.draining.begin()
    await asyncio.sleep(_DRAIN_SECONDS)
    server.stop()  # type: ignore[no-untyped-call]  # granian annotates its Rust side only


def main() -> None:
    """The process's entry."""
    settings = read_settings(ApiProcessSettings, os.environ)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    if settings.parent_pid is not None:
        die_with_parent(parent_pid=settings.parent_pid)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
