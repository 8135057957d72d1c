"""Errors as RFC 9457 problems: one table from the kinds there are to the statuses there are."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap, Send

from shared_kernel.errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    MalformedError,
    MethodNotAllowedError,
    NotAcceptableError,
    NotFoundError,
    PreconditionFailedError,
    PreconditionRequiredError,
    RateLimitedError,
    ShelfWiseError,
    TooLargeError,
    TooSlowError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from shared_kernel.http.context import request_variable

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
PROBLEM_TYPE_PREFIX: Final = "urn:shelfwise:problem:"

STATUS_OF_KIND: Final[Mapping[type[ShelfWiseError], int]] = {
    MalformedError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    MethodNotAllowedError: 405,
    NotAcceptableError: 406,
    TooSlowError: 408,
    ConflictError: 409,
    PreconditionFailedError: 412,
    TooLargeError: 413,
    UnsupportedMediaTypeError: 415,
    InvalidError: 422,
    PreconditionRequiredError: 428,
    RateLimitedError: 429,
    UnavailableError: 503,
}
KIND_OF_STATUS: Final[Mapping[int, type[ShelfWiseError]]] = {status: kind for kind, status in STATUS_OF_KIND.items()}

_log = structlog.get_logger(component="http")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457 members and ours; `success`, `data` and `error` are there so that one reader fits both shapes."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: tuple[FieldError, ...] = ()
    success: bool = False
    data: None = None
    error: str


class InternalError(ShelfWiseError):
    """A bug (500). What happened is in the log under the request id, and nowhere else."""

    code = "internal_error"
    title = "Internal error"


def status_of(error: ShelfWiseError | type[ShelfWiseError]) -> int:
    """The status of an error's kind; 500 for one that is of no kind, which is a bug."""
    kind = error if isinstance(error, type) else type(error)
    return next((STATUS_OF_KIND[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS_OF_KIND), 500)


def problem_of(error: ShelfWiseError, *, instance: str) -> Problem:
    """The problem document.

    Args:
        error: of whatever kind.
        instance: the request's path, without its query string.
    """
    context = request_variable.get(None)
    return Problem(
        type=PROBLEM_TYPE_PREFIX + error.code,
        title=error.title,
        status=status_of(error),
        detail=error.detail,
        instance=instance,
        code=error.code,
        request_id=context.request_id if context else "",
        errors=error.errors,
        error=error.code,
    )


def problem_fields(error: ShelfWiseError) -> dict[str, str]:
    """The response header fields that belong to an error."""
    fields = {"Cache-Control": "no-store"}
    if isinstance(error, RateLimitedError):
        fields.update(error.fields)
    if error.retry_after_seconds is not None:
        fields["Retry-After"] = str(max(1, error.retry_after_seconds))
    if error.position is not None:
        fields["ShelfWise-Position"] = str(error.position)
    if isinstance(error, UnauthenticatedError):
        fields["WWW-Authenticate"] = 'Bearer realm="shelfwise"'
    return fields


def problem_response(error: ShelfWiseError, *, instance: str, fields: Mapping[str, str] | None = None) -> Response[Any]:
    """The response for an error; `fields` are further header fields, such as `Allow`."""
    return Response(
        msgspec.json.encode(problem_of(error, instance=instance)),
        status_code=status_of(error),
        headers={**problem_fields(error), **(fields or {})},
        media_type=PROBLEM_MEDIA_TYPE,
    )


async def send_problem(send: Send, error: ShelfWiseError, *, instance: str) -> None:
    """Answer with a problem outside of Litestar."""
    body = msgspec.json.encode(problem_of(error, instance=instance))
    all_fields = {
        "content-type": PROBLEM_MEDIA_TYPE,
        "content-length": str(len(body)),
        **problem_fields(error),
    }
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in all_fields.items()]
    await send({"type": "http.response.start", "status": status_of(error), "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def exception_handlers() -> ExceptionHandlersMap:
    """Litestar's hook: ours, its own, and whatever nobody expected."""
    return {ShelfWiseError: _answer, HTTPException: _answer_litestar, Exception: answer_unexpected}


def _answer(request: Request[Any, Any, Any], error: ShelfWiseError) -> Response[Any]:
    if status_of(error) == HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer_unexpected(request, error)
    return problem_response(error, instance=request.scope["path"])


def _answer_litestar(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Translate Litestar's own errors; their details may echo query strings and are never shown."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer_unexpected(request, error)
    if isinstance(error, ValidationException):
        return problem_response(_invalid(error), instance=request.scope["path"])
    kind = KIND_OF_STATUS.get(error.status_code, MalformedError)
    allow = _allow(error) if kind is MethodNotAllowedError else None
    detail = _DETAILS.get(kind, kind.title + ".")
    return problem_response(kind(detail), instance=request.scope["path"], fields=allow)


def answer_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Log once, here, and show the request id only."""
    _log.error("unexpected_error", path_template=request.scope.get("path_template", "unmatched"), exc_info=error)
    shown = InternalError("Something went wrong on our side; quote the request id when you report it.")
    return problem_response(shown, instance=request.scope["path"])


_DETAILS: Final[Mapping[type[ShelfWiseError], str]] = {
    NotFoundError: "There is nothing here.",
    MethodNotAllowedError: "This path does not take this method; see Allow.",
    MalformedError: "The request cannot be read.",
}


def _allow(error: HTTPException) -> dict[str, str]:
    return {"Allow": (error.headers or {}).get("allow", "")}


def _invalid(error: ValidationException) -> InvalidError:
    """Parameters that do not convert: which one, and the rule it breaks; the value is not repeated."""
    items = error.extra if isinstance(error.extra, list) else []
    found = tuple(
        FieldError(pointer=str(item.get("key", "")), code="invalid_parameter", detail="This parameter is not valid.")
        for item in items
        if isinstance(item, dict)
    )
    return InvalidError("The request's parameters are not valid.", errors=found)
