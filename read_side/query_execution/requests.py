"""Who asks: the principal that authentication put beside the request."""

from typing import Any, TypeAlias

from litestar import Request
from litestar.datastructures import State

from shared_kernel.access.principals import Principal
from shared_kernel.http.context import current_principal

# Any: user and auth of Litestar's own scheme, which is not used.
QueryRequest: TypeAlias = Request[Any, Any, State]


def principal_of(_request: QueryRequest) -> Principal:
    """The caller; its tenant is the only one this request can see."""
    return current_principal()
