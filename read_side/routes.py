"""Every query there is. A view whose routes are forgotten here is found by a test."""

from typing import Final

from litestar.handlers import HTTPRouteHandler

from read_side.best_sellers import endpoints as best_sellers
from read_side.customers import endpoints as customers
from read_side.edition_catalogue import endpoints as edition_catalogue
from read_side.fulfilments import endpoints as fulfilments
from read_side.holds import endpoints as holds
from read_side.kpis import endpoints as kpis
from read_side.live import endpoints as live
from read_side.locations import endpoints as locations
from read_side.order_detail import endpoints as order_detail
from read_side.order_list import endpoints as order_list
from read_side.payments import endpoints as payments
from read_side.sales import endpoints as sales
from read_side.snapshots import endpoints as snapshots
from read_side.stock_levels import endpoints as stock_levels
from read_side.stock_movements import endpoints as stock_movements
from read_side.store import endpoints as store
from read_side.store_counts import endpoints as store_counts
from read_side.webhook_deliveries import endpoints as webhook_deliveries
from read_side.webhooks import endpoints as webhooks

ROUTES: Final[tuple[HTTPRouteHandler, ...]] = (
    *store.ROUTES,
    *locations.ROUTES,
    *edition_catalogue.ROUTES,
    *stock_levels.ROUTES,
    *stock_movements.ROUTES,
    *order_list.ROUTES,
    *order_detail.ROUTES,
    *fulfilments.ROUTES,
    *holds.ROUTES,
    *payments.ROUTES,
    *store_counts.ROUTES,
    *sales.ROUTES,
    *best_sellers.ROUTES,
    *kpis.ROUTES,
    *customers.ROUTES,
    *webhooks.ROUTES,
    *webhook_deliveries.ROUTES,
    *snapshots.ROUTES,
    *live.ROUTES,
)
