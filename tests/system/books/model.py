"""A store's books as plainly as they can be kept: copies by place and title, orders, holds, and who waits for what.

Pure: each command either happens here too, or is refused here too. Money is asked of the provider's own books.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

PRICES: Final[Mapping[str, int]] = {"Emma": 1299, "Persuasion": 850}
PLACES: Final = ("shop", "warehouse")
Account: TypeAlias = tuple[str, str]
"""A place and a title."""
Disposition: TypeAlias = Literal["restock", "damage", "to_supplier"]


class BookedOrder(msgspec.Struct, kw_only=True):
    """An order; `held_for` and its end may change by the saga's hand, which is only believed where it may be."""

    place: str
    lines: dict[str, int]
    is_paid_first: bool
    status: str = "placed"
    held_for: str | None = None
    sent: Counter[str] = msgspec.field(default_factory=Counter)
    returned: Counter[str] = msgspec.field(default_factory=Counter)

    @property
    def total_minor(self) -> int:
        """What it costs."""
        return worth_minor(self.lines)

    @property
    def fulfilment(self) -> str:
        """How much of it has left."""
        if not self.sent.total():
            return "unfulfilled"
        return "fulfilled" if self.sent.total() == sum(self.lines.values()) else "partial"

    @property
    def remaining(self) -> dict[str, int]:
        """What is still promised."""
        return {title: quantity - self.sent[title] for title, quantity in self.lines.items()}


class BookedHold(msgspec.Struct, kw_only=True):
    """Copies that somebody is to have, until their time is up."""

    at: Account
    quantity: int
    seconds_left: float | None = None
    allocated: int = 0
    status: str = "waiting"


class Books:
    """What should stand in the real ones."""

    def __init__(self) -> None:
        self.on_hand: Counter[Account] = Counter()
        self.reserved: Counter[Account] = Counter()
        self.orders: list[BookedOrder] = []
        self.holds: list[BookedHold] = []
        self.sold_minor = 0
        self.sold_copies = 0
        self.cancelled = 0

    def free(self, at: Account) -> int:
        """Copies nobody was promised."""
        return self.on_hand[at] - self.reserved[at]

    def receive(self, at: Account, quantity: int) -> None:
        """A delivery; whoever has waited longest comes first."""
        self.on_hand[at] += quantity
        self._serve(at)

    def transfer(self, title: str, *, source: str, target: str, quantity: int) -> bool:
        """Free copies only."""
        if self.free((source, title)) < quantity:
            return False
        self.on_hand[source, title] -= quantity
        self.receive((target, title), quantity)
        return True

    def place(self, order: BookedOrder, collecting: BookedHold | None = None) -> bool:
        """Copies are promised, those of a hold that it collects too, or nothing happens."""
        if collecting is not None and not _can_collect(order, collecting):
            return False
        held = Counter({collecting.at: collecting.allocated}) if collecting else Counter[Account]()
        wanted = {(order.place, title): quantity for title, quantity in order.lines.items()}
        if any(self.free(at) + held[at] < quantity for at, quantity in wanted.items()):
            return False
        self.reserved.update(wanted)
        self.reserved.subtract(held)
        if collecting is not None:
            collecting.status, collecting.allocated = "collected", 0
            self._serve(collecting.at)
        self.orders.append(order)
        self.sold_minor += order.total_minor
        self.sold_copies += sum(order.lines.values())
        return True

    def fulfil(self, order: BookedOrder, some: Mapping[str, int], *, leaving_from: str) -> bool:
        """From another place only free copies leave, and those promised at its own are free again."""
        is_over = order.status == "cancelled" or order.fulfilment == "fulfilled"
        too_many = any(quantity > order.remaining[title] for title, quantity in some.items())
        if is_over or order.held_for is not None or too_many:
            return False
        if leaving_from != order.place and any(self.free((leaving_from, title)) < some[title] for title in some):
            return False
        for title, quantity in some.items():
            self.on_hand[leaving_from, title] -= quantity
            self.reserved[order.place, title] -= quantity
            order.sent[title] += quantity
            self._serve((order.place, title))
        order.status = "fulfilled" if order.fulfilment == "fulfilled" else order.status
        return True

    def cancel(self, order: BookedOrder) -> bool:
        """While nothing of it has left."""
        if order.status == "cancelled" or order.fulfilment != "unfulfilled":
            return False
        order.status = "cancelled"
        for title, quantity in order.lines.items():
            self.reserved[order.place, title] -= quantity
            self._serve((order.place, title))
        self.sold_minor -= order.total_minor
        self.sold_copies -= sum(order.lines.values())
        self.cancelled += 1
        return True

    def give_back(self, order: BookedOrder, title: str, quantity: int, disposition: Disposition) -> bool:
        """What it handed over and has not come back, to where it was sold; only what is put back can be sold again."""
        if order.status == "cancelled" or quantity > order.sent[title] - order.returned[title]:
            return False
        order.returned[title] += quantity
        if order.returned.total() == sum(order.lines.values()):
            order.status = "returned"
        if disposition == "restock":
            self.receive((order.place, title), quantity)
        return True

    def hold(self, hold: BookedHold) -> bool:
        """Of what is free."""
        return self.free(hold.at) >= hold.quantity and self.special_order(hold)

    def special_order(self, hold: BookedHold) -> bool:
        """Of what is free, and of what comes in."""
        self.holds.append(hold)
        self._serve(hold.at)
        return True

    def end_hold(self, hold: BookedHold, status: str) -> bool:
        """Its copies are the next one's."""
        if hold.status not in {"waiting", "ready"}:
            return False
        self.reserved[hold.at] -= hold.allocated
        hold.status, hold.allocated = status, 0
        self._serve(hold.at)
        return True

    def pass_time(self, seconds: float) -> None:
        """Nothing ends before somebody looks."""
        for hold in self.holds:
            hold.seconds_left = None if hold.seconds_left is None else hold.seconds_left - seconds

    def expire(self, hold: BookedHold) -> bool:
        """If its time is up."""
        return hold.seconds_left is not None and hold.seconds_left <= 0 and self.end_hold(hold, "expired")

    def _serve(self, at: Account) -> None:
        for hold in self.holds:
            granted = min(self.free(at), hold.quantity - hold.allocated)
            if hold.at == at and hold.status == "waiting" and granted > 0:
                self.reserved[at] += granted
                hold.allocated += granted
                hold.status = "ready" if hold.allocated == hold.quantity else "waiting"


def worth_minor(copies: Mapping[str, int]) -> int:
    """At the price they are sold for."""
    return sum(PRICES[title] * quantity for title, quantity in copies.items())


def _can_collect(order: BookedOrder, hold: BookedHold) -> bool:
    place, title = hold.at
    return hold.status == "ready" and place == order.place and title in order.lines
