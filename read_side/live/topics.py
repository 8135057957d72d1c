"""What can be listened to: names as clients know them, from the routes, and the views behind each."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

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
from read_side.sales.view import VIEW as SALES
from read_side.stock_levels.view import VIEW as STOCK_LEVELS
from read_side.stock_movements.view import VIEW as STOCK_MOVEMENTS
from read_side.store.view import VIEW as STORE
from read_side.store_counts.view import VIEW as STORE_COUNTS
from read_side.webhook_deliveries.view import VIEW as WEBHOOK_DELIVERIES
from read_side.webhooks.view import VIEW as WEBHOOKS
from shared_kernel.access.roles import (
    MANAGE_WEBHOOKS,
    READ_FIGURES,
    READ_OPERATIONS,
    SERVE_CUSTOMERS,
    AccessPolicy,
)
from shared_kernel.views import View

_Group: TypeAlias = Mapping[str, tuple[View[Any], ...]]  # Any: rows of every kind


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A name that can be listened to.

    Attributes:
        name: the path of its route, without what is in it.
        policy: of that route: who may not read a view is not told when it moves either.
        views: all that the routes below that path read; it moves when any of them does.
    """

    name: str
    policy: AccessPolicy
    views: tuple[View[Any], ...]  # Any: rows of every kind


def _topics() -> tuple[Topic, ...]:
    everybody: _Group = {
        "store": (STORE,),
        "locations": (LOCATIONS,),
        "editions": (EDITION_CATALOGUE, EDITION_SEARCH),
        "stock": (STOCK_LEVELS,),
        "stock-movements": (STOCK_MOVEMENTS,),
        "orders": (ORDER_LIST, ORDER_DETAIL),
        "fulfilments": (FULFILMENTS,),
        "holds": (HOLDS,),
        "store-counts": (STORE_COUNTS,),
    }
    figures: _Group = {"payments": (PAYMENTS,), "sales": (SALES,), "best-sellers": (BEST_SELLERS,), "kpis": (KPIS,)}
    customers: _Group = {"customers": (CUSTOMERS,)}
    owners: _Group = {"webhooks": (WEBHOOKS,), "webhook-deliveries": (WEBHOOK_DELIVERIES,)}
    groups = (
        (READ_OPERATIONS, everybody),
        (READ_FIGURES, figures),
        (SERVE_CUSTOMERS, customers),
        (MANAGE_WEBHOOKS, owners),
    )
    return tuple(
        Topic(name=name, policy=policy, views=views) for policy, group in groups for name, views in group.items()
    )


TOPICS: Final[Mapping[str, Topic]] = {topic.name: topic for topic in _topics()}
