"""A projection made for breaking: copies ordered per channel. A cancelled order deletes its channel's row."""

from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy import BigInteger, Column, Index, Text

from projections.fold import AnyRecorded, Pace, Projection
from shared_kernel.events.orders import OrderCancelled, OrderPlaced
from shared_kernel.views import Key, View, view_table


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many copies a channel has sold, and the number of its last order."""

    channel: str
    copies: int
    last: str


TALLY = View(
    name="tally",
    version=1,
    row=Tally,
    key=("channel",),
    table=view_table(
        "tally",
        1,
        Column("channel", Text, primary_key=True),
        Column("copies", BigInteger, nullable=False),
        Column("last", Text, nullable=False),
        Index("tally_by_last", "last"),
    ),
    body=msgspec.json.encode,
)

SUMS = msgspec.structs.replace(
    TALLY,
    name="sums",
    table=view_table(
        "sums",
        1,
        Column("channel", Text, primary_key=True),
        Column("copies", BigInteger, nullable=False),
        Column("last", Text, nullable=False),
    ),
)


def whole(_order: OrderPlaced) -> None:
    """A fold in which nothing is broken."""


def failing_on(*numbers: str) -> Callable[[OrderPlaced], None]:
    """A fold that fails on the orders of these names."""

    def fail(order: OrderPlaced) -> None:
        if order.number.removeprefix("SW-") in numbers:
            message = f"cannot fold {order.number}"
            raise RuntimeError(message)

    return fail


def tally(
    *,
    evolving: Callable[[OrderPlaced], None] = whole,
    touching: Callable[[OrderPlaced], None] = whole,
    copies_of: Callable[[OrderPlaced], int] = lambda order: order.item_count,
) -> Projection[Tally]:
    """The projection, broken where it is told to be."""

    def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, None]]:
        event = recorded.event
        assert isinstance(event, OrderPlaced | OrderCancelled)
        if isinstance(event, OrderPlaced):
            touching(event)
        yield (event.channel,), None

    def evolve(row: Tally | None, _part: None, recorded: AnyRecorded) -> Tally | None:
        event = recorded.event
        if not isinstance(event, OrderPlaced):
            return None
        evolving(event)
        before = 0 if row is None else row.copies
        return Tally(channel=event.channel, copies=before + copies_of(event), last=event.number)

    return Projection(view=TALLY, handles=frozenset({OrderPlaced, OrderCancelled}), touches=touches, evolve=evolve)


def sums() -> Projection[Tally]:
    """The same fold into a view of its own, which shows many events at a time."""
    return msgspec.structs.replace(tally(), view=SUMS, pace=Pace.GATHERED)
