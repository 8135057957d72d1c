"""The kinds of error there are. Slices raise named errors of these kinds; `http.problems` alone maps them to HTTP."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a request: where (RFC 6901 pointer, or a parameter's name), which rule, and in words."""

    pointer: str
    code: str
    detail: str


class ShelfWiseError(Exception):
    """What a client may be told: a stable snake_case code and one sentence that says what to do."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Error"
    retry_after_seconds: int | None = None
    """When trying again makes sense, where it does."""
    position: int | None = None
    """Up to which position of the tenant's log this was decided, where an answer can change with it."""

    def __init__(self, detail: str, *, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors


class MalformedError(ShelfWiseError):
    """The request cannot be read at all (400)."""

    code = "malformed"
    title = "The request cannot be read"


class UnauthenticatedError(ShelfWiseError):
    """No valid key (401); never says which part was wrong."""

    code = "unauthenticated"
    title = "Authentication is required"


class ForbiddenError(ShelfWiseError):
    """The key's role may not do this (403)."""

    code = "forbidden"
    title = "Not allowed for this role"


class NotAcceptableError(ShelfWiseError):
    """The client accepts none of the types this is served as (406)."""

    code = "not_acceptable"
    title = "Not acceptable"


class MethodNotAllowedError(ShelfWiseError):
    """The path exists, not with this method (405)."""

    code = "method_not_allowed"
    title = "Method not allowed"


class NotFoundError(ShelfWiseError):
    """It does not exist for this tenant (404)."""

    code = "not_found"
    title = "Not found"

    def __init__(self, detail: str, *, position: int | None = None) -> None:
        super().__init__(detail)
        self.position = position


class ConflictError(ShelfWiseError):
    """A rule of the business or a unique key says no (409)."""

    code = "conflict"
    title = "Conflict with the current state"


class InFlightError(ConflictError):
    """A request with the same Idempotency-Key is being decided right now (409, try again)."""

    code = "idempotency_key_in_flight"
    title = "The same request is in flight"

    def __init__(self, detail: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class PreconditionFailedError(ShelfWiseError):
    """`If-Match` names another version than the current one (412)."""

    code = "precondition_failed"
    title = "The resource has changed"


class PreconditionRequiredError(ShelfWiseError):
    """`If-Match` is required here and absent (428)."""

    code = "precondition_required"
    title = "If-Match is required"


class TooLargeError(ShelfWiseError):
    """The body is past its bound (413)."""

    code = "too_large"
    title = "The body is too large"


class TooSlowError(ShelfWiseError):
    """The body did not arrive in time (408)."""

    code = "too_slow"
    title = "The body did not arrive in time"


class UnsupportedMediaTypeError(ShelfWiseError):
    """The body is not of a type this route takes (415)."""

    code = "unsupported_media_type"
    title = "Unsupported media type"


class InvalidError(ShelfWiseError):
    """Well-formed, but breaks a field's rule (422); carries every breach at once."""

    code = "invalid"
    title = "The request is not valid"


class RateLimitedError(ShelfWiseError):
    """Over a limit (429)."""

    code = "rate_limited"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after_seconds: int, fields: Mapping[str, str] | None = None) -> None:
        """Take beside the detail the limits' own response fields, as `rate_limits.headers.headers` renders them."""
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds
        self.fields = fields or {}


class UnavailableError(ShelfWiseError):
    """A dependency is down, saturated or behind (503)."""

    code = "unavailable"
    title = "Temporarily unavailable"

    def __init__(self, detail: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds
