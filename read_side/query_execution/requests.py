"""Who asks: the principal that authentication put beside the request."""

from typing import Any, TypeAlias, cast

from litestar import Request
from litestar.datastructures import State

from shared_kernel.access.principals import Principal
from shared_kernel.http.context import current_principal
from shared_kernel.http.exchange import EXCHANGE_KEY, Exchange

# Any: user and auth of Litestar's own scheme, which is not used.
QueryRequest: TypeAlias = Request[Any, Any, State]


def mentions(request: QueryRequest, name: str) -> bool:
    """Whether a request has a field at all; the outer door has looked already, and most requests have few."""
    exchange = cast("Exchange | None", request.scope.get(EXCHANGE_KEY))
    return exchange is None or name.encode() in exchange.headers


def field_of(request: QueryRequest, name: str) -> bytes | None:
    """A field that is a list, its lines joined; None without it."""
    lines = request.headers.getall(name, [])
    return ",".join(lines).encode("latin-1") if lines else None


def principal_of(_request: QueryRequest) -> Principal:
    """The caller; its tenant is the only one this request can see."""
    return current_principal()
