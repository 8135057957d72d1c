"""A browser's session: the operator's key, shown once, is exchanged for a short one that no script can read."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler

from operations.access.operator_keys import begin_session, revoke_operator_key
from operations.access.repeating import Told
from operations.api.answers import NEVER_STORED, Answer, HttpRequest, answer, told
from operations.api.calling import call
from operations.api.cookies import COOKIE, COOKIE_PATH, is_https
from operations.api.desk import Desk
from shared_kernel.access.roles import OPERATE
from shared_kernel.clock import system_clock
from shared_kernel.http.context import current_principal
from shared_kernel.http.routes import declare


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Who is at work, until when; null for a key without an end."""

    operator: str
    expires_at: datetime | None


@get("/sessions/current", opt=declare(policy=OPERATE, waits=False), summary="Who is at work")
async def current_session() -> Response[Answer[Session]]:
    """The operator behind the key or the session."""
    principal = current_principal()
    return answer(Session(operator=f"{principal.id}", expires_at=principal.expires_at))


@post("/sessions", opt=declare(policy=OPERATE), summary="Begin a browser's session")
async def begin(request: HttpRequest, desk: NamedDependency[Desk]) -> Response[Answer[Session]]:
    """Exchange the key in `Authorization` for a cookie that lasts an hour, for this path and this site alone."""
    cookies: list[Cookie] = []

    async def effect(_: Any) -> Told:  # noqa: ANN401 - nothing has this id
        principal = current_principal()
        session = await begin_session(desk.write_pool, principal, secret_key=desk.house.secret_key, now=system_clock())
        cookies.append(_cookie(request, session.key, session.expires_at))
        return told(Session(operator=f"{principal.id}", expires_at=session.expires_at), status=201)

    response = await call(request, desk.write_pool, effect, action="begin_session", target={})
    response.cookies = cookies
    return response


@post(
    "/sessions/end",
    opt=declare(policy=OPERATE),
    summary="End the key that this is asked with",
    status_code=200,
)
async def end(request: HttpRequest, desk: NamedDependency[Desk]) -> Response[Answer[Session]]:
    """It opens nothing from now on; the key that it was exchanged for stays."""

    async def effect(_: Any) -> Told:  # noqa: ANN401 - as above
        principal = current_principal()
        await revoke_operator_key(desk.write_pool, principal.key_id, revocations=desk.house.revocations)
        return told(Session(operator=f"{principal.id}", expires_at=system_clock()))

    response = await call(request, desk.write_pool, effect, action="end_session", target={})
    response.delete_cookie(COOKIE, path=COOKIE_PATH)
    response.headers.update(NEVER_STORED)
    return response


def _cookie(request: HttpRequest, key: str, expires_at: datetime | None) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=key,
        path=COOKIE_PATH,
        httponly=True,
        samesite="strict",
        secure=is_https(request.scope),
        max_age=None if expires_at is None else int((expires_at - system_clock()).total_seconds()),
    )


ROUTES: tuple[HTTPRouteHandler, ...] = (current_session, begin, end)
