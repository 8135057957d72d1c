"""Every command there is over HTTP. A slice whose routes are forgotten here is found by a test."""

from typing import Final

from litestar.handlers import HTTPRouteHandler

from write_side.batch import endpoints as batch
from write_side.catalog import endpoints as catalog
from write_side.customers import endpoints as customers
from write_side.inventory import endpoints as inventory
from write_side.inventory.holds import endpoints as holds
from write_side.orders import endpoints as orders
from write_side.payments import endpoints as payments
from write_side.snapshots import endpoints as snapshots
from write_side.webhooks import endpoints as webhooks

ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (
    *catalog.ROUTES,
    *customers.ROUTES,
    *inventory.ROUTES,
    *holds.ROUTES,
    *orders.ROUTES,
    *payments.ROUTES,
    *snapshots.ROUTES,
    *webhooks.ROUTES,
    *batch.ROUTES,
)
