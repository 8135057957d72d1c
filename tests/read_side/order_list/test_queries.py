"""Pages of orders, read from a real table under the read API's own policies."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from projections.order_list import PROJECTION
from read_side.order_list.queries import ORDERS, order_page
from read_side.order_list.view import VIEW, OrderItem
from read_side.query_execution import Answer, parse_list
from shared_kernel.errors import InvalidError
from tests.builders.order_log import EMMA, NOON, OrderLog, id_of, line
from tests.builders.read_tables import fill_tables, open_snapshot
from tests.servers import Servers

CHOSEN = {
    "status=placed": [2, 1],
    "status=fulfilled": [3],
    "payment_status=none&limit=1": [4],
    "payment_status=captured": [],
    "fulfilment_status=partial": [2],
    "channel=pos": [4],
    f"location_id={id_of('depot')}": [2],
    "placed_at[gte]=2009-12-01T14:30:00Z&placed_at[lt]=2009-12-01T15:30:00Z": [2],
    "total[gt]=2000&total[lte]=4000": [4, 3],
    "number=SW-tenant%203": [3],
    "sort=total&limit=2": [1, 2],
    "sort=-number&limit=2": [4, 3],
    "sort=placed_at&status=placed": [1, 2],
}
"""Questions, and how many copies the orders have that answer them."""


class _Asked:
    """A request, as far as parsing looks at it."""

    def __init__(self, query: str) -> None:
        self.scope: dict[str, Any] = {"query_string": query.encode()}  # Any: as in an ASGI scope


def _log(tenant: str = "tenant") -> OrderLog:
    """Four orders an hour apart: placed, partly gone, fulfilled, cancelled; of one to four copies."""
    log = OrderLog(id_of(tenant))
    ids = [
        log.place(
            f"{tenant} {number}",
            [line(EMMA, number)],
            at=NOON + timedelta(hours=number),
            channel="pos" if number == 4 else "web",
            location_id=id_of("depot") if number == 2 else id_of("shop"),
        )
        for number in range(1, 5)
    ]
    log.fulfil(ids[1], [1])
    log.fulfil(ids[2])
    log.cancel(ids[3])
    return log


async def _page(servers: Servers, query: str = "", tenant: str = "tenant") -> tuple[list[OrderItem], Answer]:
    async with open_snapshot(servers, VIEW, id_of(tenant)) as snapshot:
        answer = await order_page(snapshot, parse_list(_Asked(query), ORDERS))
    return msgspec.json.decode(answer.data, type=list[OrderItem]), answer


async def test_the_latest_order_comes_first_and_says_all_a_list_shows(servers: Servers) -> None:
    """And the unfiltered list knows how many there are."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    items, answer = await _page(servers)
    assert [item.status for item in items] == ["cancelled", "fulfilled", "placed", "placed"]
    assert items[-1] == OrderItem(
        id=id_of("tenant 1"),
        number="SW-tenant 1",
        placed_at=NOON + timedelta(hours=1),
        status="placed",
        payment_status="none",
        fulfilment_status="unfulfilled",
        channel="web",
        location_id=id_of("shop"),
        customer_id=None,
        item_count=1,
        total=items[-1].total,
    )
    assert (items[-1].total.amount_minor, items[-1].total.currency, answer.exact_count) == (1000, "GBP", 4)


async def test_filters_and_sorts_choose_and_order(servers: Servers) -> None:
    """Alone and together."""
    await fill_tables(servers, [PROJECTION], [_log().events])
    found = {query: [item.item_count for item in (await _page(servers, query))[0]] for query in CHOSEN}
    assert found == CHOSEN


@pytest.mark.parametrize(
    "query", ["status=lost", "sort=status", "customer_id=1", "total[near]=1", "channel=phone", "number=", "limit=101"]
)
def test_what_is_not_offered_is_refused(query: str) -> None:
    """Rather than ignored."""
    with pytest.raises(InvalidError):
        parse_list(_Asked(query), ORDERS)


async def test_another_store_sees_its_own_orders_only(servers: Servers) -> None:
    """Whatever it asks for."""
    await fill_tables(servers, [PROJECTION], [_log().events, _log("other").events[:1]])
    items, _ = await _page(servers, tenant="other")
    assert [item.id for item in items] == [id_of("other 1")]
    assert (await _page(servers, "number=SW-tenant%203", tenant="other"))[0] == []
