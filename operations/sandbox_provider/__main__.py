"""The sandbox's process: `python -m operations.sandbox_provider`."""

import asyncio
import os
import signal
from contextlib import closing
from pathlib import Path

import msgspec
import structlog
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from operations.sandbox_provider.callbacks import keep_telling
from operations.sandbox_provider.ledger import Ledger
from operations.sandbox_provider.server import SandboxProvider
from shared_kernel.observability.logging import LogFormat, configure_logging
from shared_kernel.process import die_with_parent
from shared_kernel.settings import read_settings

log = structlog.get_logger()


class SandboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What this process reads from `SHELFWISE_*`."""

    sandbox_ledger: str
    """The file of its books."""
    sandbox_port: int
    sandbox_host: str = "127.0.0.1"
    payment_provider_key: str
    payment_callback_secret: str
    sandbox_callback_url: str = ""
    """Whom to tell; nobody where it is empty."""
    log_level: str = "info"
    log_format: LogFormat = "auto"
    parent_pid: int | None = None
    """Set by `shelfwise up`, whose children must not outlive it."""


async def serve(settings: SandboxSettings) -> None:
    """Answer until SIGTERM or SIGINT."""
    with closing(Ledger(Path(settings.sandbox_ledger))) as ledger:
        provider = SandboxProvider(ledger, key=settings.payment_provider_key)
        server = Server(
            provider,
            address=settings.sandbox_host,
            port=settings.sandbox_port,
            interface=Interfaces.ASGI,
            websockets=False,
            log_enabled=False,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        telling = asyncio.create_task(_tell(settings, ledger), name="callbacks")
        try:
            await server.serve()
        finally:
            telling.cancel()
            await asyncio.wait({telling})
    log.info("sandbox_stopped")


async def _tell(settings: SandboxSettings, ledger: Ledger) -> None:
    if settings.sandbox_callback_url:
        await keep_telling(ledger, url=settings.sandbox_callback_url, secret=settings.payment_callback_secret)


def main() -> None:
    """The process's entry."""
    settings = read_settings(SandboxSettings, os.environ)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    if settings.parent_pid is not None:
        die_with_parent(parent_pid=settings.parent_pid)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
