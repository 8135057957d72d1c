"""How the operators' API answers: the envelope of every other, without a position, for it belongs to no store."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType

from operations.access.repeating import Told
from operations.errors import CommandFailed
from projections.registry import UnknownProjectionError
from shared_kernel.errors import ConflictError, NotFoundError
from shared_kernel.http.envelope import envelope_bytes

# Any: Litestar's user, auth and state, which are not used.
HttpRequest: TypeAlias = Request[Any, Any, Any]
T = TypeVar("T")

NEVER_STORED = {"Cache-Control": "no-store"}


class Answer(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Success."""

    success: Literal[True] = True
    data: T
    error: None = None
    meta: dict[str, str]


class CannotBeDone(ConflictError):
    """What was asked for cannot be done now; the detail says what to do about it (409)."""

    code = CommandFailed.code


class UnknownProjection(NotFoundError):
    """This release has no projection of that name (404)."""

    code = "unknown_projection"


def answer(data: object, *, status: int = 200) -> Response[Any]:  # Any: the handler's annotation names the envelope
    """The response around a struct."""
    return told_response(told(data, status=status))


def told(data: object, *, status: int = 200, location: str | None = None, kept: object = None) -> Told:
    """An answer as it is told, and as it is kept for retries."""
    return Told(
        status=status,
        body=envelope_bytes(msgspec.json.encode(data)),
        location=location,
        kept=None if kept is None else envelope_bytes(msgspec.json.encode(kept)),
    )


def told_response(answered: Told) -> Response[Any]:  # Any: as above
    """The response of a call, told now or again."""
    fields = dict(NEVER_STORED)
    if answered.location is not None:
        fields["Location"] = answered.location
    if answered.replayed:
        fields["Idempotent-Replayed"] = "true"
    return Response(answered.body, status_code=answered.status, headers=fields, media_type=MediaType.JSON)


@contextmanager
def as_problems() -> Iterator[None]:
    """Let what a person at a terminal is told in a sentence be a problem with that sentence."""
    try:
        yield
    except CommandFailed as error:
        raise CannotBeDone(f"{error}") from error
    except UnknownProjectionError as error:
        raise UnknownProjection(f"{error}") from error
