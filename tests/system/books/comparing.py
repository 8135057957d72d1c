"""What is seen of a store, held against its books: after each step, when all has settled, and in every view."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from projections.registry import projection_named
from shared_kernel.events.envelope import Event, Recorded
from tests.builders.folding import fold
from tests.system.books.model import BookedOrder, Books, worth_minor
from tests.system.books.seen import Seen, SeenOrder, SeenPayment
from tests.system.books.store import RealStore, copies


def compare(books: Books, store: RealStore, seen: Seen) -> None:
    """Stock, orders, holds and money, once it is believed what the sagas did where they were free to."""
    by_order = dict(zip((one.id for one in store.orders), books.orders, strict=True))
    assert seen.orders.keys() == by_order.keys()
    assert seen.payments.keys() == {order_id for order_id, order in by_order.items() if order.is_paid_first}
    for order_id, payment in seen.payments.items():
        _believe(books, by_order[order_id], seen.orders[order_id], payment)
        _compare_money(payment)
    for order_id, order in by_order.items():
        found = seen.orders[order_id]
        told = (order.status, order.fulfilment, order.held_for, copies(order.sent), copies(order.returned))
        assert (found.status, found.fulfilment, found.held_for, copies(found.sent), copies(found.returned)) == told
    assert copies(seen.on_hand) == copies(seen.moved) == copies(books.on_hand)
    assert copies(seen.reserved) == copies(seen.moved_reserved) == copies(books.reserved)
    assert seen.holds == {
        real.id: (hold.status, hold.allocated) for real, hold in zip(store.holds, books.holds, strict=True)
    }
    assert seen.callbacks == len(store.callbacks)


def _believe(books: Books, order: BookedOrder, found: SeenOrder, payment: SeenPayment) -> None:
    """Take over what the saga did with an order, if it had the right to."""
    if found.status == "confirmed" and order.status == "placed":
        assert [intent.status for intent in payment.intents] != ["requires_payment_method"], "nothing was ever held"
        assert payment.intents
        order.status, order.held_for = "confirmed", None
    if found.held_for == "undoing" and order.held_for != "undoing":
        assert (order.fulfilment, order.status) in {("unfulfilled", "placed"), ("unfulfilled", "confirmed")}
        order.held_for = "undoing"
    if found.status == "cancelled" and order.status != "cancelled":
        assert order.held_for == "undoing"
        assert not any(intent.net or intent.held for intent in payment.intents), "copies before money"
        books.cancel(order)


def _compare_money(payment: SeenPayment) -> None:
    """Our entries sum to our figures; the provider's may be ahead by what it is being asked, and by nothing else."""
    assert 0 <= payment.refunded <= payment.captured <= payment.authorized <= payment.amount
    assert copies(payment.entries) == copies(
        {
            "customer": payment.refunded - payment.captured - payment.held,
            "held": payment.held,
            "received": payment.captured - payment.refunded - payment.fee,
            "fees": payment.fee,
        }
    )
    assert len(payment.intents) <= 1, "charged twice"
    theirs = payment.intents[0] if payment.intents else None
    captured, refunded, held = (theirs.captured, theirs.refunded, theirs.held) if theirs else (0, 0, 0)
    assert payment.captured == captured or (payment.captured < captured and "capture" in payment.asked)
    assert payment.refunded == refunded or (payment.refunded < refunded and "refund" in payment.asked)
    assert payment.held == held or {"authorize", "capture", "void"} & set(payment.asked)


def is_settled(seen: Seen) -> bool:
    """Whether nothing is on its way and nobody has to look."""
    return not any(payment.asked or payment.doing for payment in seen.payments.values()) and not any(
        order.saga in {None, "needs_attention"} for id_, order in seen.orders.items() if id_ in seen.payments
    )


def compare_settled(books: Books, store: RealStore, seen: Seen) -> None:
    """One net charge for what is kept, of what was asked less what went back; none for what is cancelled."""
    for number, order in enumerate(books.orders):
        if not order.is_paid_first:
            continue
        order_id = store.orders[number].id
        payment, saga = seen.payments[order_id], seen.orders[order_id].saga
        [net, held] = [sum(one) for one in zip(*((i.net, i.held) for i in payment.intents), strict=True)] or [0, 0]
        assert (net, held) == (payment.captured - payment.refunded, payment.held)
        if order.status == "cancelled":
            assert (net, held, saga) == (0, 0, "compensated")
            continue
        due_minor = worth_minor(order.returned) + payment.refunded_by_hand
        assert payment.refunded == min(payment.captured, due_minor)
        if order.fulfilment == "unfulfilled":
            assert (saga, held + payment.captured > 0) == ("running", True)
        else:
            assert (saga, held, payment.captured > 0) == ("completed", 0, True)


def compare_views(books: Books, store: RealStore, seen: Seen, events: Sequence[Recorded[Event]]) -> None:
    """What the projections make of the log: stock, movements, holds, orders, payments and revenue."""
    views = {name: list(fold(projection_named(name), events).values()) for name in _VIEWS}
    entries = [(row, entry) for row in views["stock_levels"] for entry in row.locations]
    accounts = {
        (store.place_of(entry.location_id), store.title_of(row.edition_id)): (entry.on_hand, entry.reserved)
        for row, entry in entries
    }
    assert accounts == {at: (seen.on_hand[at], seen.reserved[at]) for at in seen.on_hand}
    for column, expected in (("delta", books.on_hand), ("reserved_delta", books.reserved)):
        moved: Counter[tuple[str, str]] = Counter()
        for row in views["stock_movements"]:
            moved[store.place_of(row.location_id), store.title_of(row.edition_id)] += getattr(row, column)
        assert copies(moved) == copies(expected)
    assert {row.hold_id: (row.status, row.allocated) for row in views["holds"]} == seen.holds
    assert {row.order_id: (row.status, row.fulfilment_status) for row in views["order_list"]} == {
        order_id: (order.status, order.fulfilment) for order_id, order in seen.orders.items()
    }
    assert {row.order_id: _figures(row) for row in views["payments"]} == {
        order_id: _figures(payment) for order_id, payment in seen.payments.items()
    }
    _compare_revenue(books, views)


_VIEWS = ("stock_levels", "stock_movements", "holds", "order_list", "payments", "kpis", "sales")


def _compare_revenue(books: Books, views: Mapping[str, list[Any]]) -> None:
    """No tax here: net is what was paid."""
    returned = [order.returned for order in books.orders]
    returned_minor = sum(worth_minor(one) for one in returned)
    days = views["kpis"]
    told = {
        "orders": len(books.orders) - books.cancelled,
        "cancelled_orders": books.cancelled,
        "units": books.sold_copies,
        "returned_units": sum(one.total() for one in returned),
        "returned_net_minor": returned_minor,
        "net_minor": books.sold_minor - returned_minor,
    }
    assert {figure: sum(getattr(day, figure) for day in days) for figure in told} == told
    by_title = [row for row in views["sales"] if (row.dimension, row.grain) == ("title", "day")]
    assert sum(row.net_minor for row in by_title) == told["net_minor"]


def _figures(payment: Any) -> tuple[object, ...]:  # noqa: ANN401 - a row of the view or of the table
    names = ("status", "authorized", "captured", "refunded", "fee")
    return tuple(getattr(payment, f"{name}_minor", None) or getattr(payment, name, 0) for name in names)
