"""The console's cookie, taken for an `Authorization` header where only our own page can have sent it.

`SameSite=Strict` keeps it at home. Beside that a request that changes something must carry a header of ours, which a
form or an image cannot send and another site's script only after a preflight, which is refused; and a browser that says
the request comes from elsewhere is believed.
"""

from typing import Final

from litestar.types import HTTPScope, Receive, Scope, Send

from shared_kernel.http.app_factory import Application
from shared_kernel.http.context import is_http

COOKIE: Final = "shelfwise-operator"
COOKIE_PATH: Final = "/api/v1/operations"
CONSOLE_HEADER: Final = b"x-shelfwise-console"
_SAFE: Final = frozenset({"GET", "HEAD"})
_MAX_COOKIES: Final = 4_096


class CookieApplication(Application):
    """The application behind its cookie."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.litestar = application.litestar

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if is_http(scope):
            scope = with_authorization(scope)
        await self._application(scope, receive, send)


def with_authorization(scope: HTTPScope) -> HTTPScope:
    """The request with its cookie as a bearer's key; as it came where it has no cookie, a key, or a doubtful origin."""
    headers = dict(scope["headers"])
    key = _cookie(headers.get(b"cookie", b""))
    if not key or b"authorization" in headers or headers.get(b"sec-fetch-site", b"same-origin") != b"same-origin":
        return scope
    if scope["method"] not in _SAFE and headers.get(CONSOLE_HEADER) != b"1":
        return scope
    changed = scope.copy()
    changed["headers"] = [*scope["headers"], (b"authorization", b"Bearer " + key)]
    return changed


def is_https(scope: Scope) -> bool:
    """Whether the browser speaks TLS, to us or to the gateway before us."""
    if scope.get("scheme") == "https":
        return True
    return any(name == b"x-forwarded-proto" and value == b"https" for name, value in scope["headers"])


def _cookie(field: bytes) -> bytes:
    if len(field) > _MAX_COOKIES:
        return b""
    for part in field.split(b";"):
        name, _, value = part.strip().partition(b"=")
        if name == COOKIE.encode():
            return value.strip(b'"')
    return b""
