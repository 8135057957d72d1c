"""The same commands as the books know, at a real store: each happens, or is refused."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import TypeVar
from uuid import UUID

import msgspec

from shared_kernel.errors import ConflictError, InvalidError
from tests.builders.paying import PaidStore
from tests.builders.sandbox import CALLBACK_SECRET
from tests.builders.write_side import claim
from tests.system.books.model import Account, Disposition
from write_side.command_execution.execution import Decide
from write_side.command_execution.requests import Answer
from write_side.inventory.commands import TransferLine, TransferStock
from write_side.inventory.handlers import transfer_stock
from write_side.inventory.holds.commands import CancelHold, HoldDecided, PlaceHold, PlaceSpecialOrder
from write_side.inventory.holds.handlers import cancel_hold, expire_hold, place_hold, place_special_order
from write_side.order_saga.operating import retry_saga
from write_side.orders.changing import cancel_order, fulfil_order
from write_side.orders.commands import (
    CancelOrder,
    FulfilOrder,
    LineQuantity,
    OrderDecided,
    OrderLineWanted,
    PlaceOrder,
    ReturnedQuantity,
    ReturnFromOrder,
)
from write_side.orders.placing import place_order
from write_side.orders.returning import return_from_order
from write_side.payments.commands import CapturePayment, PositiveMoney, RefundPayment
from write_side.payments.handlers import plan_capture, plan_refund
from write_side.payments.inbox import Inbox
from write_side.payments.providers import callback_reader, signed_header

DataT = TypeVar("DataT")
KeyT = TypeVar("KeyT")


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A command that has happened, and what it answered under which key."""

    decide: Decide
    key: str
    answer: Answer


class RealStore:
    """One store with places, titles and a customer, whose orders are paid through the sandbox."""

    def __init__(
        self, paid: PaidStore, *, places: Mapping[str, UUID], titles: Mapping[str, UUID], customer: UUID
    ) -> None:
        self.paid = paid
        self.places = places
        self.titles = titles
        self.customer = customer
        self.orders: list[OrderDecided] = []
        self.holds: list[HoldDecided] = []
        self.done: list[Done] = []
        self.callbacks: set[str] = set()
        self._keys = count(1)
        self._inbox = Inbox(
            pool=paid.write_side.pool,
            execution=paid.write_side.execution,
            reader=callback_reader(secret=CALLBACK_SECRET),
        )

    async def receive(self, at: Account, quantity: int) -> None:
        """A delivery."""
        place, title = at
        await self.paid.write_side.receive(self.places[place], self.titles[title], quantity)

    async def transfer(self, title: str, *, source: str, target: str, quantity: int) -> bool:
        """From one place to the other."""
        command = TransferStock(
            from_location_id=self.places[source],
            to_location_id=self.places[target],
            lines=(TransferLine(edition_id=self.titles[title], quantity=quantity),),
        )
        return await self._do(partial(transfer_stock, command)) is not None

    async def place(
        self, place: str, lines: Mapping[str, int], *, token: str | None, of_customer: bool, hold: int | None
    ) -> bool:
        """An order, of the customer or of nobody; it may collect a hold."""
        command = PlaceOrder(
            location_id=self.places[place],
            channel="web",
            lines=tuple(OrderLineWanted(edition_id=self.titles[one], quantity=lines[one]) for one in lines),
            customer_id=self.customer if of_customer else None,
            payment_token=token,
            hold_ids=() if hold is None else (self.holds[hold].id,),
        )
        return _kept(self.orders, await self._do(partial(place_order, command)), OrderDecided)

    async def fulfil(self, number: int, some: Mapping[str, int], *, leaving_from: str) -> bool:
        """Some copies of an order leave from somewhere."""
        lines = self._lines(number)
        command = FulfilOrder(
            lines=tuple(LineQuantity(line_id=lines[title], quantity=some[title]) for title in some),
            location_id=self.places[leaving_from],
        )
        return await self._do(partial(fulfil_order, self.orders[number].id, command)) is not None

    async def cancel(self, number: int) -> bool:
        """By somebody at the till."""
        command = CancelOrder(reason="changed their mind")
        return await self._do(partial(cancel_order, self.orders[number].id, command)) is not None

    async def give_back(self, number: int, title: str, quantity: int, disposition: Disposition) -> bool:
        """Copies of one title."""
        line = ReturnedQuantity(line_id=self._lines(number)[title], quantity=quantity, disposition=disposition)
        command = ReturnFromOrder(lines=(line,))
        return await self._do(partial(return_from_order, self.orders[number].id, command)) is not None

    async def hold(self, at: Account, quantity: int, seconds: float | None) -> bool:
        """What is free is put aside."""
        command = PlaceHold(
            location_id=self.places[at[0]], edition_id=self.titles[at[1]], quantity=quantity, expires_at=_after(seconds)
        )
        return _kept(self.holds, await self._do(partial(place_hold, command)), HoldDecided)

    async def special_order(self, at: Account, quantity: int, seconds: float | None) -> bool:
        """What is free, and what comes in."""
        command = PlaceSpecialOrder(
            location_id=self.places[at[0]], edition_id=self.titles[at[1]], quantity=quantity, expires_at=_after(seconds)
        )
        return _kept(self.holds, await self._do(partial(place_special_order, command)), HoldDecided)

    async def cancel_hold(self, number: int) -> bool:
        """Nobody wants it any more."""
        return await self._do(partial(cancel_hold, self.holds[number].id, CancelHold())) is not None

    async def expire(self, number: int) -> None:
        """As the worker does that looks for those whose time is up."""
        await self.paid.write_side.run(partial(expire_hold, self.holds[number].id))

    async def capture(self, number: int, amount_minor: int | None) -> bool:
        """By hand: what is held, or a part of it. What comes of it, the provider says later."""
        payment_id = self.orders[number].payment_id
        assert payment_id is not None
        command = CapturePayment(amount=_pounds(amount_minor))
        return await self._do(partial(plan_capture, payment_id, command)) is not None

    async def refund(self, number: int, amount_minor: int | None) -> bool:
        """The same the other way."""
        payment_id = self.orders[number].payment_id
        assert payment_id is not None
        command = RefundPayment(amount=_pounds(amount_minor))
        return await self._do(partial(plan_refund, payment_id, command)) is not None

    async def say_again(self, number: int) -> tuple[Answer, Answer]:
        """A command that has happened, under its old key: what it answered, and what it answers now."""
        done = self.done[number % len(self.done)]
        return done.answer, await self._run(done.decide, done.key)

    async def call_back(self, number: int, kind: str, event_id: str) -> bool:
        """The provider tells of a payment, in time or not; whether it was thanked."""
        marks = {
            "shelfwise_tenant": str(self.paid.write_side.tenant.id),
            "shelfwise_payment": str(self.orders[number].payment_id),
        }
        said = {"id": event_id, "object": "event", "type": kind, "created": int(time.time())}
        body = msgspec.json.encode({**said, "data": {"object": {"metadata": marks}}})
        headers = dict([signed_header(secret=CALLBACK_SECRET, timestamp=int(time.time()), body=body)])
        self.callbacks.add(event_id)
        return (await self._inbox.receive(body, headers)).received

    async def have_tried_again(self, number: int) -> None:
        """What asks for attention, by an operator."""
        await self.paid.write_side.run(partial(retry_saga, self.orders[number].id, "the provider is well again"))

    def title_of(self, edition_id: UUID) -> str:
        """Its title."""
        return next(title for title, known in self.titles.items() if known == edition_id)

    def place_of(self, location_id: UUID) -> str:
        """Its name."""
        return next(place for place, known in self.places.items() if known == location_id)

    def _lines(self, number: int) -> dict[str, UUID]:
        return {self.title_of(line.edition_id): line.line_id for line in self.orders[number].lines}

    async def _do(self, decide: Decide) -> Answer | None:
        """What it answers; None where a rule says no, in which case nothing may have happened."""
        key = f"key {next(self._keys)}"
        try:
            answer = await self._run(decide, key)
        except (ConflictError, InvalidError):
            return None
        self.done.append(Done(decide=decide, key=key, answer=answer))
        return answer

    async def _run(self, decide: Decide, key: str) -> Answer:
        return await self.paid.write_side.run(decide, idempotency=claim(key))


def copies(counted: Mapping[KeyT, int]) -> dict[KeyT, int]:
    """What there is any of: an account that was never opened equals an empty one."""
    return {at: quantity for at, quantity in counted.items() if quantity}


def _kept(kept: list[DataT], answer: Answer | None, kind: type[DataT]) -> bool:
    if answer is None:
        return False
    kept.append(answer.read(kind))
    return True


def _after(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)


def _pounds(amount_minor: int | None) -> PositiveMoney | None:
    return None if amount_minor is None else PositiveMoney(amount_minor=amount_minor, currency="GBP")
