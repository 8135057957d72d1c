"""The list of orders: what it may be filtered and sorted by."""

from typing import Annotated

import msgspec

from read_side.order_list.view import VIEW, Channel, FulfilmentStatus, OrderStatus, PaymentStatus
from read_side.query_execution import RANGE, Answer, Filter, ListQuery, ListSpecification, Snapshot, document_page
from shared_kernel.views import DOCUMENT

ORDERS = ListSpecification(
    view=VIEW,
    columns=(DOCUMENT,),
    sorts={"placed_at": "placed_at", "total": "total_minor", "number": "number"},
    default_sort="-placed_at",
    filters={
        "status": Filter(column="status", type=OrderStatus),
        "payment_status": Filter(column="payment_status", type=PaymentStatus),
        "fulfilment_status": Filter(column="fulfilment_status", type=FulfilmentStatus),
        "channel": Filter(column="channel", type=Channel),
        "location_id": Filter(column="location_id"),
        "customer_id": Filter(column="customer_id"),
        "placed_at": Filter(column="placed_at", operators=RANGE),
        "total": Filter(column="total_minor", operators=RANGE),
        "number": Filter(column="number", type=Annotated[str, msgspec.Meta(min_length=1, max_length=64)]),
    },
)


async def order_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """One page of orders."""
    return await document_page(snapshot, ORDERS, query)
