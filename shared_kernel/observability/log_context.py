"""What every log line of a piece of work says besides: asked for when a line is written, not when the work begins."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Protocol

from structlog.typing import EventDict, WrappedLogger


class HasLogFields(Protocol):
    """Whoever the work is for: a request, say."""

    def log_fields(self) -> Mapping[str, str]:
        """Such as `request_id`."""


log_context: ContextVar[HasLogFields] = ContextVar("log_context")


def merge_log_context(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: what the line says itself has precedence."""
    context = log_context.get(None)
    if context is not None:
        for name, value in context.log_fields().items():
            event.setdefault(name, value)
    return event
