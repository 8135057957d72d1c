"""Which browsers' pages may read answers: each store lists its own origins."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from shared_kernel.access.principals import Principal

IsKnownOrigin: TypeAlias = Callable[[str], Awaitable[bool]]
"""Whether any store lists this origin: a preflight carries no key, so no store can be told from it."""

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]

EXPOSED: Final = (
    "ETag, Location, Link, Retry-After, RateLimit, RateLimit-Policy, ShelfWise-Position, Idempotent-Replayed, "
    "X-Request-Id"
)
_ALLOWED_HEADERS: Final = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, "
    "ShelfWise-Dry-Run, ShelfWise-Min-Position, X-Request-Id, traceparent"
)
_ALLOWED_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
_MAX_AGE_SECONDS: Final = 600
"""What browsers honour at most, and how long a withdrawn origin may go on asking (it is not answered)."""
_MAX_ORIGIN_LENGTH: Final = 255

_VARY: Final = (b"vary", b"Origin")


async def no_known_origin(_origin: str) -> bool:
    """The rule where no store lists any."""
    return False


async def preflight_headers(origin: bytes, is_known_origin: IsKnownOrigin) -> RawHeaders:
    """The header fields of the answer to a preflight; an unknown origin gets none that would let it go on."""
    if len(origin) > _MAX_ORIGIN_LENGTH or not await is_known_origin(origin.decode("latin-1")):
        return []
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", _ALLOWED_METHODS.encode()),
        (b"access-control-allow-headers", _ALLOWED_HEADERS.encode()),
        (b"access-control-max-age", str(_MAX_AGE_SECONDS).encode()),
    ]


def response_headers(origin: bytes, principal: Principal | None) -> RawHeaders:
    """The header fields of an actual answer: only the store that the key belongs to can allow it to be read."""
    if principal is None or origin.decode("latin-1") not in principal.allowed_origins:
        return [_VARY]
    return [
        _VARY,
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED.encode()),
    ]
