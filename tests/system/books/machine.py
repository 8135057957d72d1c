"""Hypothesis chooses what happens in a store: commands, failures, callbacks, deaths and time."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.builders.sandbox import DECLINED, VISA
from tests.system.books.comparing import compare
from tests.system.books.house import BooksHouse
from tests.system.books.model import PLACES, PRICES, BookedHold, BookedOrder, Books, Disposition
from write_side.order_saga.fault_points import FAULT_POINTS

ResultT = TypeVar("ResultT")

_NUMBERS = st.integers(0, 7)
_PLACES = st.sampled_from(PLACES)
_TITLES = st.sampled_from(tuple(PRICES))
_LINES = st.dictionaries(_TITLES, st.integers(1, 3), min_size=1)
_AMOUNTS = st.none() | st.sampled_from((1, 500, 850, 1299))
_TOKENS = st.sampled_from((VISA, VISA, VISA, DECLINED, None))
_DISPOSITIONS: st.SearchStrategy[Disposition] = st.sampled_from(("restock", "damage", "to_supplier"))
_WAYS = st.sampled_from(("decline", "hang_after", "fail_after", "fail_before", "html", "rename_field"))
_DEEDS = st.sampled_from(("authorize", "capture", "void", "refund", "look_up", "any"))
_NOTICES = st.sampled_from(("payment_intent.succeeded", "payment_intent.canceled", "refund.created", "unheard.of"))
_LASTING = st.none() | st.sampled_from((30 * 60.0, 8 * 24 * 3600.0))
"""Of a hold; no sum of what passes comes near it, so that the seconds a test takes decide nothing."""
_PASSING = st.sampled_from((10.0, 20 * 60.0, 7 * 24 * 3600.0))


class StoreOfBooks(RuleBasedStateMachine):
    """A store of its own for each example; whatever a rule does, stock, orders, holds and money agree after it."""

    def __init__(self, house: BooksHouse) -> None:
        super().__init__()
        self.house = house
        self.books = Books()
        self.is_sound = False
        self.store = house.do(house.open_store())
        self._then(self._stock_up)

    @rule(at=st.tuples(_PLACES, _TITLES), quantity=st.integers(1, 4))
    def receive(self, at: tuple[str, str], quantity: int) -> None:
        """A delivery."""
        self.books.receive(at, quantity)
        self._then(lambda: self.store.receive(at, quantity))

    @rule(title=_TITLES, source=_PLACES, quantity=st.integers(1, 3))
    def transfer(self, title: str, source: str, quantity: int) -> None:
        """To the other place."""
        target = _other(source)
        is_told = self.books.transfer(title, source=source, target=target, quantity=quantity)
        self._same(lambda: self.store.transfer(title, source=source, target=target, quantity=quantity), is_told=is_told)

    @rule(place=_PLACES, lines=_LINES, token=_TOKENS, of_customer=st.booleans(), hold=st.none() | _NUMBERS)
    def place(
        self, place: str, lines: dict[str, int], *, token: str | None, of_customer: bool, hold: int | None
    ) -> None:
        """An order, which may collect a hold."""
        number = hold % len(self.books.holds) if hold is not None and self.books.holds else None
        order = BookedOrder(place=place, lines=lines, is_paid_first=token is not None)
        order.held_for = "payment" if token else None
        is_told = self.books.place(order, None if number is None else self.books.holds[number])
        self._same(
            lambda: self.store.place(place, lines, token=token, of_customer=of_customer, hold=number), is_told=is_told
        )

    @rule(number=_NUMBERS, some=st.none() | _LINES, leaving_from=st.none() | _PLACES)
    def fulfil(self, number: int, some: dict[str, int] | None, leaving_from: str | None) -> None:
        """All that is left of an order, or so many copies of it."""
        order, number = self._order(number)
        wanted = {title: quantity for title, quantity in (some or order.remaining).items() if title in order.lines}
        wanted = {title: quantity for title, quantity in wanted.items() if quantity}
        if wanted:
            place = leaving_from or order.place
            is_told = self.books.fulfil(order, wanted, leaving_from=place)
            self._same(lambda: self.store.fulfil(number, wanted, leaving_from=place), is_told=is_told)

    @rule(number=_NUMBERS)
    def cancel(self, number: int) -> None:
        """An order."""
        order, number = self._order(number)
        is_told = self.books.cancel(order)
        self._same(lambda: self.store.cancel(number), is_told=is_told)

    @rule(number=_NUMBERS, quantity=st.integers(1, 2), disposition=_DISPOSITIONS)
    def give_back(self, number: int, quantity: int, disposition: Disposition) -> None:
        """Copies of an order, and what becomes of them."""
        order, number = self._order(number)
        title = max(order.lines, key=lambda one: order.sent[one])
        is_told = self.books.give_back(order, title, quantity, disposition)
        self._same(lambda: self.store.give_back(number, title, quantity, disposition), is_told=is_told)

    @rule(at=st.tuples(_PLACES, _TITLES), quantity=st.integers(1, 3), waits=st.booleans(), seconds=_LASTING)
    def hold(self, at: tuple[str, str], quantity: int, *, waits: bool, seconds: float | None) -> None:
        """Copies put aside, or waited for."""
        hold = BookedHold(at=at, quantity=quantity, seconds_left=seconds)
        book, real = (
            (self.books.special_order, self.store.special_order) if waits else (self.books.hold, self.store.hold)
        )
        is_told = book(hold)
        self._same(lambda: real(at, quantity, seconds), is_told=is_told)

    @rule(number=_NUMBERS)
    def cancel_hold(self, number: int) -> None:
        """Its copies go to whoever waits next."""
        if self.books.holds:
            number %= len(self.books.holds)
            is_told = self.books.end_hold(self.books.holds[number], "cancelled")
            self._same(lambda: self.store.cancel_hold(number), is_told=is_told)

    @rule()
    def expire_holds(self) -> None:
        """Those whose time is up."""
        self._then(lambda: self.house.expire_holds(self.books, self.store))

    @rule(number=_NUMBERS, amount_minor=_AMOUNTS, gives=st.booleans())
    def move_money(self, number: int, amount_minor: int | None, *, gives: bool) -> None:
        """By hand: take what is held or give back what was taken, or a part, where that can be."""
        order, number = self._order(number)
        if order.is_paid_first:
            move = self.store.refund if gives else self.store.capture
            self._then(lambda: move(number, amount_minor))

    @rule(number=st.integers(0, 50))
    def say_again(self, number: int) -> None:
        """A command under its old key: the same answer, and nothing happens."""
        if self.store.done:
            first, second = self._then(lambda: self.store.say_again(number))
            assert second.replayed
            assert (second.status, second.data, second.position) == (first.status, first.data, first.position)

    @rule(number=_NUMBERS, kind=_NOTICES, event=st.integers(0, 3))
    def call_back(self, number: int, kind: str, event: int) -> None:
        """The provider tells of something: before it happened, long after, again, or of nothing that ever did."""
        order, number = self._order(number)
        if order.is_paid_first:
            assert self._then(lambda: self.store.call_back(number, kind, f"evt_{event}"))

    @rule(way=_WAYS, deed=_DEEDS)
    def misbehave(self, way: str, deed: str) -> None:
        """The provider is going to."""
        self.house.do(self.house.sandbox.misbehave(way, on=deed, seconds=2 * self.house.patience_seconds))

    @rule(racing=st.booleans())
    def work(self, *, racing: bool) -> None:
        """One turn of the worker, or of two at once who share nothing but the database."""
        self._then(lambda: self.house.turn(self.store, workers=2 if racing else 1))

    @rule()
    def work_on(self) -> None:
        """Until nothing is due."""
        self._then(self.store.paid.settle_down)

    @rule(point=st.sampled_from(FAULT_POINTS))
    def die(self, point: str) -> None:
        """A worker that fails where it might be killed; whoever comes next goes on."""
        self._then(lambda: self.house.turn(self.store, workers=1, failing_at=point))

    @rule(seconds=_PASSING)
    def wait(self, seconds: float) -> None:
        """Timers come nearer, and leases run out."""
        self._then(lambda: self.house.pass_time(self.books, self.store, seconds))

    def teardown(self) -> None:
        """All ends well: the provider behaves, operators have tried again what needs them, and everything adds up."""
        try:
            if self.is_sound:
                self.house.do(self.house.end_well(self.books, self.store))
        finally:
            self.house.do(self.house.leave(self.store))

    async def _stock_up(self) -> None:
        for place in PLACES:
            for title in PRICES:
                self.books.receive((place, title), 3)
                await self.store.receive((place, title), 3)
        order = BookedOrder(place=PLACES[0], lines={"Emma": 1}, is_paid_first=True, held_for="payment")
        assert self.books.place(order)
        assert await self.store.place(PLACES[0], {"Emma": 1}, token=VISA, of_customer=True, hold=None)

    def _order(self, number: int) -> tuple[BookedOrder, int]:
        number %= len(self.books.orders)
        return self.books.orders[number], number

    def _same(self, command: Callable[[], Coroutine[Any, Any, bool]], *, is_told: bool) -> None:  # Any: of a coroutine
        """The real store does what the books did, or refuses it as they did."""
        assert self._then(command) is is_told

    def _then(self, deed: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:  # Any: of a coroutine
        """Do it and compare; a machine that has once differed is not asked any more."""
        self.is_sound = False
        result = self.house.do(deed())
        seen = self.house.do(self.house.look(self.store))
        compare(self.books, self.store, seen)
        self.is_sound = True
        return result


def _other(place: str) -> str:
    return next(one for one in PLACES if one != place)
