"""Every command that moves stock, racing every other: afterwards all books still agree."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import get_args
from uuid import UUID

import pytest

from shared_kernel.errors import ConflictError
from shared_kernel.events.orders import Disposition
from shared_kernel.identifiers import new_id
from shared_kernel.money import Money
from tests.builders.write_side import WriteSide, order_command
from write_side.command_execution.errors import ConcurrentChangeError
from write_side.inventory.commands import (
    AdjustStock,
    CountStock,
    ReceiptLine,
    ReceiveStock,
    TransferLine,
    TransferStock,
)
from write_side.inventory.handlers import adjust_stock, count_stock, receive_stock, transfer_stock
from write_side.orders.changing import cancel_order, fulfil_order
from write_side.orders.commands import (
    CancelOrder,
    FulfilOrder,
    LineQuantity,
    OrderDecided,
    ReturnedQuantity,
    ReturnFromOrder,
    ReturnGoods,
    ReturnLine,
)
from write_side.orders.history import HistoricInvoice, HistoricLine, ImportOrders, import_orders
from write_side.orders.placing import place_order
from write_side.orders.returning import return_from_order, return_goods

CLERKS = 8
COMMANDS_EACH = 40
EDITIONS = 4
_WITH_KEY = 0.7

_ACCOUNTS_THAT_DISAGREE = """
WITH moved AS (
    SELECT tenant_id, stock_id, sum(delta) AS on_hand, sum(reserved_delta) AS reserved, count(*) AS movements,
           max(stock_version) AS last_version,
           bool_and(on_hand = running_on_hand AND reserved = running_reserved) AS absolutes_follow
    FROM (SELECT m.*, sum(delta) OVER account AS running_on_hand, sum(reserved_delta) OVER account AS running_reserved
          FROM write.stock_movement m
          WINDOW account AS (PARTITION BY tenant_id, stock_id ORDER BY stock_version)) AS m
    GROUP BY tenant_id, stock_id
), promised AS (
    SELECT o.tenant_id, o.location_id, l.edition_id, sum(l.quantity - l.fulfilled_quantity) AS reserved
    FROM write.sales_order o JOIN write.order_line l USING (tenant_id, order_id)
    WHERE o.status <> 'cancelled'
    GROUP BY o.tenant_id, o.location_id, l.edition_id
), told AS (
    SELECT DISTINCT ON (tenant_id, stream_id) tenant_id, stream_id AS stock_id, stream_version AS version,
           (payload->>'on_hand')::int AS on_hand, (payload->>'reserved')::int AS reserved,
           (payload->>'value_minor')::bigint AS value_minor,
           count(*) OVER (PARTITION BY tenant_id, stream_id) AS events
    FROM log.event WHERE stream_type = 'stock' ORDER BY tenant_id, stream_id, position DESC
)
SELECT s.*, moved.*, promised.*, told.* FROM write.stock s
LEFT JOIN moved USING (tenant_id, stock_id)
LEFT JOIN promised USING (tenant_id, location_id, edition_id)
LEFT JOIN told USING (tenant_id, stock_id)
WHERE s.on_hand < s.reserved OR s.reserved < 0 OR s.value_minor < 0 OR (s.on_hand = 0 AND s.value_minor <> 0)
   OR s.reserved <> coalesce(promised.reserved, 0)
   OR (s.version, s.on_hand, s.reserved) IS DISTINCT FROM (moved.last_version, moved.on_hand, moved.reserved)
   OR moved.movements <> s.version OR NOT moved.absolutes_follow
   OR (s.version, s.on_hand, s.reserved, s.value_minor)
      IS DISTINCT FROM (told.version, told.on_hand, told.reserved, told.value_minor)
   OR told.events <> s.version
"""
_LINES_THAT_DISAGREE = """
SELECT o.order_id FROM write.sales_order o JOIN write.order_line l USING (tenant_id, order_id)
GROUP BY o.tenant_id, o.order_id, o.status, o.fulfilment_status
HAVING (o.status = 'returned') <> (sum(l.returned_quantity) = sum(l.quantity))
    OR (o.fulfilment_status = 'fulfilled') <> (sum(l.fulfilled_quantity) = sum(l.quantity))
    OR (o.status = 'cancelled' AND sum(l.fulfilled_quantity) > 0)
    OR sum(l.returned_quantity) <> (
        SELECT coalesce(sum(r.quantity), 0)
        FROM write.goods_return g JOIN write.return_line r USING (tenant_id, return_id)
        WHERE g.tenant_id = o.tenant_id AND g.order_id = o.order_id)
"""


class Shop:
    """Two locations, a few editions whose accounts are yet to begin, and clerks who do anything at any time."""

    def __init__(self, write_side: WriteSide, locations: list[UUID], editions: list[UUID], seed: int) -> None:
        self._write_side = write_side
        self._locations = locations
        self._editions = editions
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._orders: list[OrderDecided] = []
        self._imported = 0
        self.done: list[str] = []
        self.refused: list[str] = []

    async def clerk(self) -> None:
        """One command after the other; a rule that says no is an answer, nothing else is."""
        for _ in range(COMMANDS_EACH):
            act = self._random.choice(self._acts())
            try:
                await act()
            except ConcurrentChangeError:
                raise
            except ConflictError as error:
                self.refused.append(error.code)
            else:
                self.done.append(act.__name__)

    def _acts(self) -> list[Callable[[], Awaitable[None]]]:
        on_orders = [self.fulfil, self.cancel, self.take_back] if self._orders else []
        at_all_times = [self.receive, self.place, self.place, self.adjust, self.count, self.transfer, self.take_in]
        return [*at_all_times, *on_orders, *on_orders, self.bring_in]

    async def receive(self) -> None:
        """A delivery of two or three lines, perhaps of one edition."""
        lines = tuple(
            ReceiptLine(edition_id=edition, quantity=self._few(20), unit_cost=self._money()) for edition in self._some()
        )
        await self._run(partial(receive_stock, ReceiveStock(location_id=self._place(), lines=lines)))

    async def place(self) -> None:
        """An order of two or three lines, under a key and first without locks, or at once under locks."""
        place, lines = self._place(), [(edition, self._few(3)) for edition in self._some()]
        if self._random.random() < _WITH_KEY:
            answer = await self._write_side.buy(place, lines, key=new_id().hex)
        else:
            answer = await self._write_side.run(partial(place_order, order_command(place, lines)))
        self._orders.append(answer.read(OrderDecided))

    async def fulfil(self) -> None:
        """Some of a line, or all that is left."""
        order = self._random.choice(self._orders)
        line = LineQuantity(line_id=order.lines[0].line_id, quantity=1)
        place = self._random.choice([None, None, self._place()])
        command = FulfilOrder(lines=self._random.choice([None, (line,), (line, line)]), location_id=place)
        await self._run(partial(fulfil_order, order.id, command))

    async def cancel(self) -> None:
        """Whatever has become of it meanwhile."""
        order = self._random.choice(self._orders)
        await self._run(partial(cancel_order, order.id, CancelOrder(reason="changed my mind")))

    async def take_back(self) -> None:
        """A copy or two of the line that `fulfil` is likeliest to have handed over."""
        order = self._random.choice(self._orders)
        line = ReturnedQuantity(
            line_id=order.lines[0].line_id,
            quantity=self._few(2),
            disposition=self._random.choice(get_args(Disposition)),
        )
        lines = (line,)
        await self._run(partial(return_from_order, order.id, ReturnFromOrder(lines=lines)))

    async def take_in(self) -> None:
        """A return without a receipt."""
        lines = tuple(
            ReturnLine(edition_id=edition, quantity=self._few(2), unit_price=self._money()) for edition in self._some()
        )
        await self._run(partial(return_goods, ReturnGoods(location_id=self._place(), channel="pos", lines=lines)))

    async def adjust(self) -> None:
        """Up or down."""
        delta = self._random.choice([-3, -1, 1, 2])
        command = AdjustStock(location_id=self._place(), edition_id=self._one(), delta=delta, reason="found out")
        await self._run(partial(adjust_stock, command))

    async def count(self) -> None:
        """Any figure."""
        command = CountStock(location_id=self._place(), edition_id=self._one(), counted=self._few(30) - 1)
        await self._run(partial(count_stock, command))

    async def transfer(self) -> None:
        """From either location to the other."""
        there, here = self._random.sample(self._locations, 2)
        lines = tuple(TransferLine(edition_id=edition, quantity=self._few(4)) for edition in self._some())
        command = TransferStock(from_location_id=there, to_location_id=here, lines=lines)
        await self._run(partial(transfer_stock, command))

    async def bring_in(self) -> None:
        """Historic invoices, one of them for the second time."""
        self._imported += 1
        invoices = tuple(
            HistoricInvoice(
                reference=f"{max(1, number)}",
                kind="return" if number % 3 == 0 else "order",
                occurred_at=datetime(2010, 10, 31, 0, 30, tzinfo=UTC),
                lines=tuple(
                    HistoricLine(edition_id=edition, quantity=self._few(2), unit_price_minor=100)
                    for edition in self._some()
                ),
            )
            for number in (self._imported - 1, self._imported)
        )
        command = ImportOrders(
            source="old till", location_id=self._place(), channel="pos", take_stock=True, invoices=invoices
        )
        await import_orders(self._write_side.execution, self._write_side.tenant, command, actor="import")

    async def _run(self, decide: Callable[..., Awaitable[object]]) -> None:
        await self._write_side.run(decide)  # type: ignore[arg-type]  # a partial's outcome is not told to mypy

    def _place(self) -> UUID:
        return self._random.choice(self._locations)

    def _one(self) -> UUID:
        return self._random.choice(self._editions)

    def _some(self) -> list[UUID]:
        return self._random.choices(self._editions, k=self._random.randint(2, 3))

    def _few(self, most: int) -> int:
        return self._random.randint(1, most)

    def _money(self) -> Money:
        return Money(amount_minor=self._random.randint(0, 999), currency="GBP")


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_races_the_books_agree(write_side: WriteSide, seed: int) -> None:
    """Accounts, the sums of their movements, what orders were promised, and what the events say stands."""
    locations = [await write_side.location() for _ in range(2)]
    editions = [await write_side.edition() for _ in range(EDITIONS)]
    shop = Shop(write_side, locations, editions, seed)
    async with asyncio.timeout(60):
        await asyncio.gather(*(shop.clerk() for _ in range(CLERKS)))

    assert {name for name in dir(Shop) if not name.startswith("_")} - {"clerk"} <= {*shop.done}, shop.refused
    assert await write_side.as_administrator(_ACCOUNTS_THAT_DISAGREE) == []
    assert await write_side.as_administrator(_LINES_THAT_DISAGREE) == []
    positions = [event.position for event in await write_side.log()]
    assert positions == list(range(1, len(positions) + 1))
    deadlocks = await write_side.as_administrator(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert deadlocks[0]["deadlocks"] == 0
