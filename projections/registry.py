"""Every projection there is, in one list."""

from typing import Any, TypeAlias

from projections import (
    best_sellers,
    customers,
    edition_catalogue,
    edition_search,
    fulfilments,
    holds,
    kpis,
    locations,
    order_detail,
    order_list,
    payments,
    principal,
    sales,
    snapshots,
    stock_levels,
    stock_movements,
    store,
    store_counts,
    store_origins,
    webhook_deliveries,
    webhooks,
)
from projections.fold import Projection

# Any: rows of every view side by side; each projection's own types agree with each other.
AnyProjection: TypeAlias = Projection[Any]

PROJECTIONS: tuple[AnyProjection, ...] = (
    store.PROJECTION,
    store_origins.PROJECTION,
    principal.PROJECTION,
    locations.PROJECTION,
    edition_catalogue.PROJECTION,
    edition_search.PROJECTION,
    stock_levels.PROJECTION,
    stock_movements.PROJECTION,
    order_list.PROJECTION,
    order_detail.PROJECTION,
    payments.PROJECTION,
    fulfilments.PROJECTION,
    holds.PROJECTION,
    store_counts.PROJECTION,
    sales.PROJECTION,
    snapshots.PROJECTION,
    best_sellers.PROJECTION,
    kpis.PROJECTION,
    customers.PROJECTION,
    webhooks.PROJECTION,
    webhook_deliveries.PROJECTION,
)

_BY_NAME = {projection.view.name: projection for projection in PROJECTIONS}


class UnknownProjectionError(LookupError):
    """No projection has this name; the message lists those there are."""


def projection_named(name: str) -> AnyProjection:
    """The projection of a view's name.

    Raises:
        UnknownProjectionError: there is none.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownProjectionError(f"no projection {name}; there are {', '.join(sorted(_BY_NAME))}") from None
