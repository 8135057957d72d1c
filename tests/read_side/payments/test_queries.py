"""Pages of payments, read from a real table under the read API's own policies."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from projections.payments import PROJECTION
from read_side.payments.queries import PAYMENTS, PaymentItem, payment_page
from read_side.payments.view import VIEW
from read_side.query_execution import parse_list
from shared_kernel.errors import InvalidError
from tests.builders.order_log import EMMA, NOON, OrderLog, id_of, line
from tests.builders.payment_log import PaymentLog
from tests.builders.read_tables import fill_tables, open_snapshot
from tests.servers import Servers

CHOSEN = {
    "": [4000, 3000, 2000, 1000],
    "status=captured": [3000],
    "status=authorized": [],
    "sort=amount&limit=2": [1000, 2000],
    "sort=requested_at": [1000, 2000, 3000, 4000],
    "amount[gte]=2000&amount[lt]=4000": [3000, 2000],
    "requested_at[gte]=2009-12-01T14:30:00Z&requested_at[lt]=2009-12-01T15:30:00Z": [2000],
    f"order_id={id_of('tenant 4')}": [4000],
}
"""Questions, and what was asked for by the payments that answer them."""


class _Asked:
    """A request, as far as parsing looks at it."""

    def __init__(self, query: str) -> None:
        self.scope: dict[str, Any] = {"query_string": query.encode()}  # Any: as in an ASGI scope


def _log(tenant: str = "tenant") -> OrderLog:
    """Four payments an hour apart: requested, declined, captured and partly refunded, refunded whole."""
    log = OrderLog(id_of(tenant))
    paying = []
    for number in range(1, 5):
        order_id = log.place(f"{tenant} {number}", [line(EMMA, number)])
        payment = PaymentLog(log, order_id, amount_minor=number * 1000)
        payment.request(at=NOON + timedelta(hours=number))
        paying.append(payment)
    paying[1].decline("card_declined")
    for payment, amount in zip(paying[2:], (3000, 4000), strict=True):
        payment.authorize()
        payment.capture(amount, fee_minor=amount // 100)
    paying[2].refund(500)
    paying[3].refund(4000)
    return log


async def _page(servers: Servers, query: str = "", tenant: str = "tenant") -> list[PaymentItem]:
    async with open_snapshot(servers, VIEW, id_of(tenant)) as snapshot:
        answer = await payment_page(snapshot, parse_list(_Asked(query), PAYMENTS))
    return msgspec.json.decode(answer.data, type=list[PaymentItem])


async def test_payments_are_reconciled_filtered_and_kept_apart(servers: Servers) -> None:
    """Every amount beside each other, the latest first; filters alone and together; another store sees its own."""
    await fill_tables(servers, [PROJECTION], [_log().events, _log("other").events[:2]])
    items = await _page(servers)
    amounts = [
        [one.amount_minor for one in (item.amount, item.authorized, item.captured, item.refunded, item.fee)]
        for item in items
    ]
    assert amounts == [
        [4000, 4000, 4000, 4000, 40],
        [3000, 3000, 3000, 500, 30],
        [2000, 0, 0, 0, 0],
        [1000, 0, 0, 0, 0],
    ]
    assert [(item.status, item.version, item.reason) for item in items] == [
        ("refunded", 4, None),
        ("captured", 4, None),
        ("declined", 2, "card_declined"),
        ("requested", 1, None),
    ]
    found = {query: [item.amount.amount_minor for item in await _page(servers, query)] for query in CHOSEN}
    assert found == CHOSEN
    assert [item.order_id for item in await _page(servers, tenant="other")] == [id_of("other 1")]


@pytest.mark.parametrize("query", ["status=paid", "sort=status", "amount[near]=1", "order_id=1", "refunded[gt]=0"])
def test_what_is_not_offered_is_refused(query: str) -> None:
    """Rather than ignored."""
    with pytest.raises(InvalidError):
        parse_list(_Asked(query), PAYMENTS)
