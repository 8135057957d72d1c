"""Every view that is read here, for whoever watches whether it is kept up."""

from typing import Any, Final

from read_side.best_sellers.view import VIEW as BEST_SELLERS
from read_side.customers.view import VIEW as CUSTOMERS
from read_side.edition_catalogue.view import SEARCH_VIEW as EDITION_SEARCH
from read_side.edition_catalogue.view import VIEW as EDITION_CATALOGUE
from read_side.fulfilments.view import VIEW as FULFILMENTS
from read_side.holds.view import VIEW as HOLDS
from read_side.kpis.view import VIEW as KPIS
from read_side.locations.view import VIEW as LOCATIONS
from read_side.order_detail.view import VIEW as ORDER_DETAIL
from read_side.order_list.view import VIEW as ORDER_LIST
from read_side.payments.view import VIEW as PAYMENTS
from read_side.principal.view import VIEW as PRINCIPAL
from read_side.sales.view import VIEW as SALES
from read_side.snapshots.view import VIEW as SNAPSHOTS
from read_side.stock_levels.view import VIEW as STOCK_LEVELS
from read_side.stock_movements.view import VIEW as STOCK_MOVEMENTS
from read_side.store.view import VIEW as STORE
from read_side.store_counts.view import VIEW as STORE_COUNTS
from read_side.store_origins.view import VIEW as STORE_ORIGINS
from read_side.webhook_deliveries.view import VIEW as WEBHOOK_DELIVERIES
from read_side.webhooks.view import VIEW as WEBHOOKS
from shared_kernel.views import View

VIEWS: Final[tuple[View[Any], ...]] = (  # Any: rows of every view side by side
    STORE,
    STORE_ORIGINS,
    PRINCIPAL,
    LOCATIONS,
    EDITION_CATALOGUE,
    EDITION_SEARCH,
    STOCK_LEVELS,
    STOCK_MOVEMENTS,
    ORDER_LIST,
    ORDER_DETAIL,
    PAYMENTS,
    FULFILMENTS,
    HOLDS,
    STORE_COUNTS,
    SALES,
    SNAPSHOTS,
    BEST_SELLERS,
    KPIS,
    CUSTOMERS,
    WEBHOOKS,
    WEBHOOK_DELIVERIES,
)
