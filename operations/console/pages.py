"""Serves the console's files: read once, named one by one, under a policy that lets nothing else in."""

import hashlib
from pathlib import Path
from typing import Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from shared_kernel.access.roles import PUBLIC
from shared_kernel.errors import NotFoundError
from shared_kernel.http.routes import declare

_STATIC: Final = Path(__file__).with_name("static")
_MEDIA_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FIELDS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # Always asked for again, and answered from the files of this very release.
    "Cache-Control": "no-cache",
}


def console_routes() -> list[HTTPRouteHandler]:
    """`/console/` and the files below it."""
    files = {path.name: path.read_bytes() for path in _STATIC.iterdir() if path.suffix in _MEDIA_TYPES}

    def served(name: str) -> Response[bytes]:
        body = files.get(name)
        if body is None:
            raise NotFoundError("The console has no such file.")
        fields = {**_FIELDS, "ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"'}
        return Response(body, media_type=_MEDIA_TYPES[Path(name).suffix], headers=fields)

    @get("/console", opt=declare(policy=PUBLIC), include_in_schema=False)
    async def console() -> Response[bytes]:
        return served("console.html")

    @get("/console/{name:str}", opt=declare(policy=PUBLIC), include_in_schema=False)
    async def console_file(name: FromPath[str]) -> Response[bytes]:
        return served(name)

    return [console, console_file]
