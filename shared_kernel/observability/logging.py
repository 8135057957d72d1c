"""Structured logs on stderr: one JSON object a line, or readable lines where a person is watching."""

import atexit
import io
import logging
import sys
from collections.abc import Callable
from typing import Any, Literal, TextIO, TypeAlias

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared_kernel.observability.access_log import ACCESS_LOG
from shared_kernel.observability.log_context import merge_log_context
from shared_kernel.observability.redaction import redact_fields, redact_text

LogFormat: TypeAlias = Literal["auto", "json", "console"]

_QUIET_LIBRARIES = ("httpx", "httpcore", "asyncio", "arq.worker", "_granian", "granian.access")
"""They log each request, job or connection at INFO, some with query strings."""


def configure_logging(
    *, level: str = "info", log_format: LogFormat = "auto", stream: TextIO | None = None, keeps_loggers: bool = True
) -> None:
    """Send this process's logs, structlog's and the standard library's, the same way. Called once, by an entry point.

    Args:
        level: the lowest to write.
        log_format: `auto` is `console` where the stream is a terminal, else `json`.
        stream: stderr by default; stdout belongs to programs' answers.
        keeps_loggers: bind each logger once, and write requests' lines in batches, for speed; tests that configure
            again say False.
    """
    target = stream if stream is not None else sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    is_console = log_format == "console" or (log_format == "auto" and target.isatty())
    enriched: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        merge_log_context,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    rendered: list[Processor] = [
        structlog.processors.format_exc_info,
        redact_fields,
        _redacting(structlog.dev.ConsoleRenderer(colors=target.isatty()) if is_console else _as_json),
    ]
    structlog.configure(
        processors=[*enriched, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=keeps_loggers,
    )
    _route_standard_library(target, number, enriched=enriched, rendered=rendered)
    is_batched = keeps_loggers and not is_console and number <= logging.INFO and isinstance(target, io.TextIOWrapper)
    ACCESS_LOG.batch_into(target.buffer if is_batched else None)
    atexit.register(ACCESS_LOG.flush)


def _route_standard_library(
    target: TextIO, level: int, *, enriched: list[Processor], rendered: list[Processor]
) -> None:
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *enriched],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _redacting(render: Callable[[WrappedLogger, str, EventDict], Any]) -> Processor:  # Any: renderers may return bytes
    def render_redacted(logger: WrappedLogger, method: str, event: EventDict) -> str:
        return redact_text(str(render(logger, method, event)))

    return render_redacted
