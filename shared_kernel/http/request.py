"""A request whose body Litestar hands over as a struct, with every breach told at once."""

from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler

from shared_kernel.http.decode import decode_body


class KernelRequest(Request[Any, Any, State]):  # Any: user and auth of Litestar's own scheme, which is not used
    """Endpoints write `data: JSONBody[PlaceOrder]`; the type is read off their signature and decoded straight to it."""

    async def json(self) -> Any:  # noqa: ANN401  # whatever the route's body is
        """The body as the type the route's `data` is annotated with."""
        handler = self.scope["route_handler"]
        field = handler.parsed_data_field if isinstance(handler, HTTPRouteHandler) else None
        body = await self.body()
        return decode_body(body, Any if field is None else field.annotation)
