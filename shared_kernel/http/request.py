"""A request whose body Litestar hands over as a struct, with every breach told at once."""

from typing import Any, cast

from litestar import Request
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.types import Empty, HTTPRequestEvent

from shared_kernel.http.decode import decode_body


class KernelRequest(Request[Any, Any, State]):  # Any: user and auth of Litestar's own scheme, which is not used
    """Endpoints write `data: JSONBody[PlaceOrder]`; the type is read off their signature and decoded straight to it."""

    async def body(self) -> bytes:
        """The body, which the gate has read whole and hands on in one piece."""
        if self._body is Empty:
            message = cast("HTTPRequestEvent", await self.receive())
            self._body = message.get("body", b"")
        return self._body

    async def json(self) -> Any:  # noqa: ANN401  # whatever the route's body is
        """The body as the type the route's `data` is annotated with."""
        handler = self.scope["route_handler"]
        field = handler.parsed_data_field if isinstance(handler, HTTPRouteHandler) else None
        body = await self.body()
        return decode_body(body, Any if field is None else field.annotation)
