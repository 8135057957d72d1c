"""The line that every request leaves: encoded once, and written together with those of the same moment."""

import asyncio
from datetime import datetime
from typing import BinaryIO, Final, Literal
from uuid import UUID

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from shared_kernel.observability.redaction import redact_text

_WAIT_SECONDS: Final = 0.05
"""What a kill -9 loses of lines; whoever ends in order writes them all."""
_MAX_WAITING: Final = 256
"""Lines kept at most, some 100 kB: they are then written at once, by whoever is the last."""

_log = structlog.get_logger(component="http")


class AccessLine(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer. The route is its template; whose it was is known once a key was."""

    method: str
    route: str
    status: int
    duration_ms: float
    tenant: UUID | UnsetType = UNSET
    actor: UUID | UnsetType = UNSET
    position: int | UnsetType = UNSET
    component: Literal["http"] = "http"
    event: Literal["request"] = "request"
    request_id: str
    level: Literal["info"] = "info"
    at: datetime


class AccessLog:
    """Where access lines go: to structlog, one by one, until `configure_logging` says that they are written in batches.

    Of a line only `method` and `request_id` are made up by clients, so only these are searched for secrets.
    """

    def __init__(self) -> None:
        self._target: BinaryIO | None = None
        self._encode = msgspec.json.Encoder().encode
        self._waiting: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def batch_into(self, target: BinaryIO | None) -> None:
        """Write batches of JSON lines to a stream from now on; None: no batches."""
        self.flush()
        self._target = target

    def write(self, line: AccessLine) -> None:
        """Keep a line until the moment is over, or hand it to structlog."""
        if self._target is None:
            _log.info("request", **_fields(line))
            return
        self._waiting.append(self._encode(_redacted(line)))
        if len(self._waiting) >= _MAX_WAITING:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WAIT_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is kept."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._target is not None and self._waiting:
            self._waiting.append(b"")
            self._target.write(b"\n".join(self._waiting))
            self._target.flush()
            self._waiting.clear()


ACCESS_LOG: Final = AccessLog()
"""This process's, as structlog's configuration is."""


def _redacted(line: AccessLine) -> AccessLine:
    method, request_id = redact_text(line.method), redact_text(line.request_id)
    if method is line.method and request_id is line.request_id:
        return line
    return msgspec.structs.replace(line, method=method, request_id=request_id)


def _fields(line: AccessLine) -> dict[str, object]:
    """Those that structlog does not add by itself."""
    own = {"component", "event", "level", "at", "request_id"}
    named = ((name, getattr(line, name)) for name in line.__struct_fields__ if name not in own)
    return {name: str(value) if isinstance(value, UUID) else value for name, value in named if value is not UNSET}
