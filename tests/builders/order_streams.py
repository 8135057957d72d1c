"""Random logs of orders for property tests: placed, paid, fulfilled, cancelled and returned over a few days."""

from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st

from tests.builders.order_log import NOON, Book, OrderLog, line
from tests.builders.payment_log import PaymentLog

BOOKS = tuple(
    Book(
        name=f"book {number}",
        price_minor=number * 137,
        cost_minor=number * 80,
        authors=authors,
        publisher=f"Press {number % 2}",
    )
    for number, authors in enumerate((("A. Author",), ("a. author", "B. Author"), (), ("B. Author",)), start=1)
)

_LINES = st.lists(st.tuples(st.sampled_from(BOOKS), st.integers(1, 9)), min_size=1, max_size=4)
_STEP = st.tuples(
    st.sampled_from(("place", "place", "pay", "fulfil", "fulfil and return", "cancel", "return")),
    _LINES,
    st.integers(0, 70),
    st.sampled_from(("web", "pos")),
)


@st.composite
def order_logs(draw: st.DrawFn) -> OrderLog:
    """A log in which only what is placed and untouched is fulfilled or cancelled."""
    log = OrderLog()
    waiting = []
    payments: dict[UUID, PaymentLog] = {}
    at = NOON
    for number, (step, picks, hours, channel) in enumerate(draw(st.lists(_STEP, max_size=15))):
        at += timedelta(hours=hours)
        lines = [line(book, quantity, line_id=f"{number} {index}") for index, (book, quantity) in enumerate(picks)]
        if step == "place":
            waiting.append((log.place(f"order {number}", lines, at=at, channel=channel), lines))
        elif step == "return":
            log.take_back(lines, at=at)
        elif waiting and step == "pay":
            order_id = waiting[0][0]
            _pay(payments.setdefault(order_id, PaymentLog(log, order_id)), part=hours % 5, at=at)
        elif waiting and step.startswith("fulfil"):
            order_id, ordered = waiting.pop(0)
            log.fulfil(order_id, at=at)
            for one in ordered if step.endswith("return") else ():
                log.take_back([one], order_id=order_id, at=at)
        elif waiting:
            log.cancel(waiting.pop(0)[0], at=at)
    return log


def _pay(payment: PaymentLog, *, part: int, at: datetime) -> None:
    """So much of a payment, once."""
    if payment.is_requested:
        return
    payment.request(at=at)
    if part == 1:
        payment.decline(at=at)
    elif part > 1:
        payment.authorize(at=at)
        if part == 2:
            payment.void(at=at)
        else:
            payment.capture(900, fee_minor=20, at=at)
            payment.refund(400 if part == 3 else 900, at=at)
