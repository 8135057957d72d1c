"""Every query there is. A view whose routes are forgotten here is found by a test."""

from typing import Final

from litestar.handlers import HTTPRouteHandler

from read_side.order_list import endpoints as order_list

ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (*order_list.ROUTES,)
