"""A port of its own for a worker's health and metrics: four paths of HTTP/1.1, in the worker's loop, no framework."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import msgspec
import structlog

from shared_kernel.errors import ShelfWiseError
from shared_kernel.http.health import Health, HealthReport
from shared_kernel.http.problems import PROBLEM_MEDIA_TYPE, problem_of, status_of
from shared_kernel.observability.metrics import METRICS_MEDIA_TYPE, Metrics

_log = structlog.get_logger(component="probe")

_MAX_REQUEST_BYTES: Final = 8 * 1024
_REQUEST_SECONDS: Final = 5.0
"""To send a request and to take its answer: whoever is slower is no probe."""
_MAX_CONNECTIONS: Final = 32
_JSON: Final = "application/json"


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    status: int
    media_type: str
    body: bytes


@asynccontextmanager
async def serve_probe(*, port: int, health: Health, metrics: Metrics, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Answer `/health/live`, `/health/ready`, `/health/startup` and `/metrics` while the block runs.

    Args:
        port: 0 lets the system choose.
        health: the worker's checks.
        metrics: the worker's registry.
        host: to listen on.

    Yields:
        The port.
    """
    probe = _Probe(health, metrics)
    # Whoever is cancelled while it begins to serve would leave the port open: so it begins where it is closed as well.
    server = await asyncio.start_server(probe.converse, host, port, limit=_MAX_REQUEST_BYTES, start_serving=False)
    try:
        await server.start_serving()
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class _Probe:
    def __init__(self, health: Health, metrics: Metrics) -> None:
        self._health = health
        self._metrics = metrics
        self._open_connections = 0

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer, then the connection closes."""
        if self._open_connections >= _MAX_CONNECTIONS:
            writer.close()
            return
        self._open_connections += 1
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_rendered(await self._answer(head)))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            _log.debug("probe_gave_up", reason=type(error).__name__)
        finally:
            self._open_connections -= 1
            writer.close()

    async def _answer(self, head: bytes) -> _Answer:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        try:
            match path if method == b"GET" else b"":
                case b"/health/live":
                    return _report(HealthReport())
                case b"/health/ready":
                    return _report(await self._health.ready())
                case b"/health/startup":
                    return _report(await self._health.started())
                case b"/metrics":
                    return _Answer(status=200, media_type=METRICS_MEDIA_TYPE, body=self._metrics.render())
                case _:
                    return _Answer(status=404, media_type="text/plain", body=b"")
        except ShelfWiseError as error:
            body = msgspec.json.encode(problem_of(error, instance=path.decode("latin-1")))
            return _Answer(status=status_of(error), media_type=PROBLEM_MEDIA_TYPE, body=body)


def _report(report: HealthReport) -> _Answer:
    return _Answer(status=200, media_type=_JSON, body=msgspec.json.encode(report))


def _rendered(answer: _Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"Content-Type: {answer.media_type}\r\nContent-Length: {len(answer.body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + answer.body
