"""The outer door, before the router: every request passes it, also those to paths that do not exist."""

from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send
from msgspec import UNSET

from shared_kernel.errors import MalformedError, RateLimitedError, ShelfWiseError, UnavailableError
from shared_kernel.http.addresses import ClientAddress
from shared_kernel.http.context import is_http, request_variable
from shared_kernel.http.cors import IsKnownOrigin, no_known_origin, preflight_headers
from shared_kernel.http.exchange import CLIENT_GONE_STATUS, Exchange
from shared_kernel.http.problems import InternalError, send_problem
from shared_kernel.observability.access_log import ACCESS_LOG, AccessLine
from shared_kernel.observability.log_context import log_context
from shared_kernel.observability.metrics import Metrics
from shared_kernel.rate_limits.headers import address_policy_value
from shared_kernel.rate_limits.headers import headers as limit_fields
from shared_kernel.rate_limits.limiter import AddressLimiter
from shared_kernel.rate_limits.settings import RateLimitSettings

_log = structlog.get_logger(component="http")

MAX_CONCURRENT_REQUESTS: Final = 512
"""Per process: some 20 ms of work for one core; what waits longer than its client does is wasted."""
_PROBES: Final = frozenset({"/health/live", "/health/ready", "/health/startup", "/metrics"})
"""Asked by machines of ours, often from the same address as everybody's traffic: never refused."""


class OverloadedError(UnavailableError):
    """This process answers as many requests as it can already."""

    code = "overloaded"


class DoorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the outer door allows.

    Attributes:
        rate_limits: of which the address limit is this door's.
        processes: among which an address's requests are spread.
        trusted_proxies: networks in CIDR form whose `X-Forwarded-For` is believed.
        max_concurrent_requests: past it 503.
        access_log: whether every request is logged.
    """

    rate_limits: RateLimitSettings
    processes: int = 1
    trusted_proxies: tuple[str, ...] = ()
    max_concurrent_requests: int = MAX_CONCURRENT_REQUESTS
    access_log: bool = True


class Door:
    """Gives every request its id and trace, sheds what is too much, answers preflights, then logs and counts."""

    def __init__(
        self,
        app: ASGIApp,
        settings: DoorSettings,
        *,
        metrics: Metrics,
        is_known_origin: IsKnownOrigin = no_known_origin,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._is_known_origin = is_known_origin
        self._addresses = AddressLimiter(settings.rate_limits, processes=settings.processes)
        self._address_policy = address_policy_value(settings.rate_limits)
        self._client_address = ClientAddress(settings.trusted_proxies)
        self._max_concurrent_requests = settings.max_concurrent_requests
        self._access_log = settings.access_log
        self._in_flight = 0
        self._streaming = 0
        metrics.in_flight.set_function(lambda: self._in_flight)
        metrics.streaming.set_function(lambda: self._streaming)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the lifespan on, refuse websockets by not answering, and answer requests."""
        if not is_http(scope):
            await self._app(scope, receive, send)
            ACCESS_LOG.flush()
            return
        exchange = Exchange(scope, send, on_stream=self._let_stream)
        token, log_token = request_variable.set(exchange.context), log_context.set(exchange.context)
        self._in_flight += 1
        try:
            await self._answer(exchange, receive)
        finally:
            if exchange.opened_after_seconds is None:
                self._in_flight -= 1
            else:
                self._streaming -= 1
            self._account(exchange)
            request_variable.reset(token)
            log_context.reset(log_token)

    def _let_stream(self) -> None:
        """What streams hardly works: it leaves its place to a request, and its route bounds how many there are."""
        self._in_flight -= 1
        self._streaming += 1

    async def _answer(self, exchange: Exchange, receive: Receive) -> None:
        try:
            self._refuse_too_much(exchange)
            _refuse_unreadable(exchange.scope)
            if exchange.method == "OPTIONS" and await self._answered_preflight(exchange):
                return
            await self._app(exchange.scope, receive, exchange.send)
        except ShelfWiseError as error:
            await send_problem(exchange.send, error, instance=exchange.scope["path"])
        except Exception:
            # The edge of the process: behind it only the server is left, which would close the connection.
            _log.exception("answer_failed", route=exchange.route, response_started=exchange.status != 0)
            if exchange.status != 0:
                raise
            shown = InternalError("Something went wrong on our side; quote the request id when you report it.")
            await send_problem(exchange.send, shown, instance=exchange.scope["path"])

    async def _answered_preflight(self, exchange: Exchange) -> bool:
        origin = exchange.headers.get(b"origin")
        if not origin or not exchange.headers.get(b"access-control-request-method"):
            return False
        fields = await preflight_headers(origin, self._is_known_origin)
        await exchange.send({"type": "http.response.start", "status": 204, "headers": fields})
        await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})
        return True

    def _refuse_too_much(self, exchange: Exchange) -> None:
        scope: HTTPScope = exchange.scope
        if scope["path"] in _PROBES:
            return
        client = scope.get("client")
        forwarded_for = exchange.headers.get(b"x-forwarded-for")
        address = self._client_address.of(client[0] if client else None, forwarded_for)
        if not self._addresses.takes(address):
            admission = self._addresses.admit(address)
            self._metrics.shed.labels("address").inc()
            message = "Too many requests from this address; wait and try again."
            raise RateLimitedError(
                message,
                retry_after_seconds=admission.retry_after_seconds,
                fields=limit_fields(self._address_policy, admission),
            )
        if self._in_flight > self._max_concurrent_requests:
            self._metrics.shed.labels("overload").inc()
            message = "The server is busy; try again."
            raise OverloadedError(message)

    def _account(self, exchange: Exchange) -> None:
        duration_seconds, opened_after_seconds = exchange.duration_seconds, exchange.opened_after_seconds
        status = exchange.status or CLIENT_GONE_STATUS
        self._metrics.observe_request(
            route=exchange.route,
            method=exchange.method,
            status=status,
            duration_seconds=duration_seconds if opened_after_seconds is None else opened_after_seconds,
        )
        if self._access_log:
            principal = exchange.context.principal
            line = AccessLine(
                method=exchange.method,
                route=exchange.route,
                status=status,
                duration_ms=round(duration_seconds * 1000, 2),
                tenant=UNSET if principal is None or principal.store is None else principal.store.id,
                actor=UNSET if principal is None else principal.id,
                position=UNSET if exchange.position is None else exchange.position,
                request_id=exchange.context.request_id,
                at=datetime.now(UTC),
            )
            ACCESS_LOG.write(line)


def _refuse_unreadable(scope: HTTPScope) -> None:
    """A NUL in a path or a query is as unreadable as in a body: PostgreSQL's text cannot be compared with it."""
    if "\x00" in scope["path"] or b"%00" in scope["query_string"] or b"\x00" in scope["query_string"]:
        message = "The address contains the NUL character, which no text of ours can hold."
        raise MalformedError(message)
