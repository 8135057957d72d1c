"""Holds and special orders, on real PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
import pytest

from shared_kernel.database.transactions import transaction
from shared_kernel.errors import ConflictError
from shared_kernel.identifiers import new_id
from shared_kernel.money import Money
from tests.builders.reacting import running_reactions
from tests.builders.write_side import WriteSide, order_command
from tests.eventually import eventually
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.commands import ReceiptLine, ReceiveStock, TransferLine, TransferStock
from write_side.inventory.errors import InsufficientStock
from write_side.inventory.handlers import receive_stock, transfer_stock
from write_side.inventory.holds import repository
from write_side.inventory.holds.commands import CancelHold, HoldDecided, PlaceHold, PlaceSpecialOrder
from write_side.inventory.holds.errors import HoldAlreadyEnded, HoldNotFound, HoldNotReady, InvalidHold
from write_side.inventory.holds.expiring import expiring_holds
from write_side.inventory.holds.handlers import cancel_hold, expire_hold, place_hold, place_special_order
from write_side.orders.changing import cancel_order
from write_side.orders.commands import CancelOrder, OrderDecided
from write_side.orders.errors import InvalidOrder
from write_side.orders.placing import place_order

Decide: TypeAlias = Callable[[UnitOfWork], Awaitable[Outcome]]
_MANY_MORE = """
INSERT INTO write.hold (tenant_id, hold_id, version, kind, status, location_id, edition_id, quantity, allocated,
                        placed_at, expires_at)
SELECT tenant_id, gen_random_uuid(), 1, kind, status, location_id, edition_id, 1, 1, placed_at, expires_at
FROM write.hold, generate_series(1, 5000)
"""


async def test_copies_that_are_held_cannot_be_ordered(write_side: WriteSide) -> None:
    """Until the hold is cancelled; it cannot be cancelled twice."""
    shop, emma = await _shelf(write_side, copies=3)
    hold = await _hold(write_side, shop, emma, 2)
    assert (hold.status, hold.allocated) == ("ready", 2)
    with pytest.raises(InsufficientStock):
        await write_side.place(shop, [(emma, 2)])
    assert (await _cancel(write_side, hold)).status == "cancelled"
    await write_side.place(shop, [(emma, 3)])
    with pytest.raises(HoldAlreadyEnded):
        await _cancel(write_side, hold)


async def test_more_than_is_free_cannot_be_held(write_side: WriteSide) -> None:
    """Nor what the store does not have; nothing is written."""
    shop, emma = await _shelf(write_side, copies=1)
    with pytest.raises(InsufficientStock, match="2 wanted, 1 available"):
        await _hold(write_side, shop, emma, 2)
    with pytest.raises(InvalidHold) as refused:
        await _hold(write_side, new_id(), new_id(), 1)
    assert [fault.pointer for fault in refused.value.errors] == ["/location_id", "/edition_id"]
    with pytest.raises(HoldNotFound):
        await write_side.run(partial(cancel_hold, new_id(), CancelHold()))
    assert await _held(write_side) == []


async def test_arrivals_go_to_whoever_has_waited_longest(write_side: WriteSide) -> None:
    """In turn, and before anybody can order them: also what comes from another location."""
    shop, emma = await _shelf(write_side, copies=0)
    warehouse = await write_side.location()
    await write_side.receive(warehouse, emma, 2)
    waiting = [await _special_order(write_side, shop, emma, quantity) for quantity in (2, 3, 1)]
    assert [hold.status for hold in waiting] == ["waiting"] * 3

    await write_side.receive(shop, emma, 3)
    assert await _held(write_side) == [("ready", 2), ("waiting", 1), ("waiting", 0)]
    line = TransferLine(edition_id=emma, quantity=2)
    await write_side.run(
        partial(transfer_stock, TransferStock(from_location_id=warehouse, to_location_id=shop, lines=(line,)))
    )
    assert await _held(write_side) == [("ready", 2), ("ready", 3), ("waiting", 0)]
    with pytest.raises(InsufficientStock):
        await write_side.place(shop, [(emma, 1)])
    await write_side.receive(shop, emma, 2)
    assert await _held(write_side) == [("ready", 2), ("ready", 3), ("ready", 1)]
    assert (await write_side.stock_of(shop, emma))[:2] == (7, 6)


async def test_what_others_give_back_goes_to_whoever_waits(write_side: WriteSide) -> None:
    """A cancelled order's copies, and a cancelled hold's."""
    shop, emma = await _shelf(write_side, copies=3)
    order = await write_side.place(shop, [(emma, 2)])
    hold = await _hold(write_side, shop, emma, 1)
    await _special_order(write_side, shop, emma, 3)
    await write_side.run(partial(cancel_order, order.id, CancelOrder(reason="changed my mind")))
    assert await _held(write_side) == [("ready", 1), ("waiting", 2)]
    await _cancel(write_side, hold)
    assert await _held(write_side) == [("cancelled", 0), ("ready", 3)]
    assert (await write_side.stock_of(shop, emma))[:2] == (3, 3)


async def test_an_order_collects_what_is_held_for_it(write_side: WriteSide) -> None:
    """Its copies pass from the hold to the order; what the order leaves goes to whoever waits."""
    shop, emma = await _shelf(write_side, copies=3)
    hold = await _hold(write_side, shop, emma, 3)
    next_one = await _special_order(write_side, shop, emma, 1)
    order = await _collect(write_side, shop, emma, 2, hold=hold)
    assert order.status == "placed"
    assert await _held(write_side) == [("collected", 0), ("ready", 1)]
    assert (await write_side.stock_of(shop, emma))[:2] == (3, 3)
    with pytest.raises(HoldAlreadyEnded):
        await _collect(write_side, shop, emma, 1, hold=hold)
    with pytest.raises(InvalidOrder) as refused:
        await _collect(write_side, await write_side.location(), emma, 1, hold=next_one)
    assert [fault.pointer for fault in refused.value.errors] == ["/hold_ids/0"]


async def test_what_is_still_waited_for_cannot_be_collected(write_side: WriteSide) -> None:
    """Nor what another store holds."""
    shop, emma = await _shelf(write_side, copies=1)
    waiting = await _special_order(write_side, shop, emma, 2)
    await write_side.receive(shop, emma, 1)
    third = await _special_order(write_side, shop, emma, 1)
    with pytest.raises(HoldNotReady, match="0 of 1"):
        await _collect(write_side, shop, emma, 1, hold=third)
    foreign = write_side.as_tenant(await write_side.another_store())
    with pytest.raises(InvalidOrder):
        await _collect(foreign, *(await _shelf(foreign, copies=1)), 1, hold=waiting)
    with pytest.raises(HoldNotFound):
        await foreign.run(partial(cancel_hold, waiting.id, CancelHold()))


async def test_a_hold_ends_when_its_time_has_come(write_side: WriteSide) -> None:
    """Its copies are the next one's; one that was collected, or has time, stays; one that fails stops no other."""
    shop, emma = await _shelf(write_side, copies=3)
    later = datetime.now(UTC) + timedelta(hours=1)
    soon, patient, collected = [await _hold(write_side, shop, emma, 1, expires_at=later) for _ in range(3)]
    await _special_order(write_side, shop, emma, 1)
    await _collect(write_side, shop, emma, 1, hold=collected)
    assert soon.expires_at == later
    await write_side.as_administrator(
        "UPDATE write.hold SET expires_at = now() WHERE hold_id = ANY($1)", [soon.id, collected.id]
    )
    await _hold_that_cannot_end(write_side)
    # One at a time: what comes first and cannot be ended is out of the way of the rest.
    async with running_reactions(write_side.servers, duties=(expiring_holds(sweep_seconds=0.05, at_a_time=1),)):
        await eventually(lambda: _held(write_side), lambda held: held[0][0] == "expired", within_seconds=60)
    failing = "SELECT hold_id FROM write.hold WHERE expiry_attempts > 0 AND expiry_retry_at IS NOT NULL"
    assert len(await write_side.as_administrator(failing)) == 1
    assert await _held(write_side) == [("expired", 0), ("ready", 1), ("collected", 0), ("ready", 1), ("ready", 1)]
    assert (await write_side.stock_of(shop, emma))[:2] == (3, 3)
    with pytest.raises(HoldAlreadyEnded):
        await _collect(write_side, shop, emma, 1, hold=soon)
    assert (await write_side.run(partial(expire_hold, patient.id))).read(HoldDecided).status == "ready"


async def test_looking_for_holds_that_end_reads_none_that_have_time(write_side: WriteSide) -> None:
    """A worker looks every few seconds, for each of its shards."""
    shop, emma = await _shelf(write_side, copies=1)
    await _hold(write_side, shop, emma, 1, expires_at=datetime.now(UTC) + timedelta(hours=1))
    admin = await asyncpg.connect(write_side.servers.write_admin_url)
    try:
        await admin.execute("BEGIN")
        await admin.execute(_MANY_MORE)
        await admin.execute("ANALYZE write.hold; SET LOCAL ROLE shelfwise_reactions")
        plan = await admin.fetchval(f"EXPLAIN (FORMAT JSON) {repository._DUE}", 0, 100)  # noqa: SLF001 - its very words
    finally:
        await admin.close()
    assert "(expires_at <= statement_timestamp())" in _index_conditions(msgspec.json.decode(plan)[0]["Plan"])


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(days=-1), timedelta(days=400)])
async def test_a_hold_cannot_end_before_it_began(write_side: WriteSide, ahead: timedelta) -> None:
    """Nor in years."""
    shop, emma = await _shelf(write_side, copies=1)
    with pytest.raises(InvalidHold) as refused:
        await _hold(write_side, shop, emma, 1, expires_at=datetime.now(UTC) + ahead)
    assert [fault.pointer for fault in refused.value.errors] == ["/expires_at"]


async def test_nobody_gets_a_copy_twice_when_all_come_at_once(write_side: WriteSide) -> None:
    """Deliveries, holds, special orders, orders and cancellations race; the account adds up to what is promised."""
    shop, emma = await _shelf(write_side, copies=4)
    first = await _hold(write_side, shop, emma, 2)
    commands: list[Decide] = [partial(cancel_hold, first.id, CancelHold())]
    for quantity in (1, 2, 3):
        commands += [
            partial(place_special_order, PlaceSpecialOrder(location_id=shop, edition_id=emma, quantity=quantity)),
            partial(place_hold, PlaceHold(location_id=shop, edition_id=emma, quantity=1)),
            partial(place_order, order_command(shop, [(emma, quantity)])),
            partial(receive_stock, _delivery(shop, emma, quantity)),
        ]
    outcomes = await asyncio.gather(*(write_side.run(command) for command in commands), return_exceptions=True)
    assert [one for one in outcomes if isinstance(one, BaseException) and not isinstance(one, ConflictError)] == []

    on_hand, reserved, _ = await write_side.stock_of(shop, emma)
    held = await write_side.as_administrator("SELECT quantity, allocated, status FROM write.hold")
    ordered = await write_side.as_administrator("SELECT coalesce(sum(quantity), 0) AS copies FROM write.order_line")
    (stock,) = await write_side.as_administrator("SELECT waiting FROM write.stock WHERE edition_id = $1", emma)
    assert on_hand == 10
    assert reserved == sum(row["allocated"] for row in held) + ordered[0]["copies"]
    assert stock["waiting"] == sum(row["quantity"] - row["allocated"] for row in held if row["status"] == "waiting")
    assert stock["waiting"] == 0 or on_hand == reserved, "nobody waits while copies are free"


async def _shelf(write_side: WriteSide, *, copies: int) -> tuple[UUID, UUID]:
    shop, emma = await write_side.location(), await write_side.edition()
    if copies:
        await write_side.receive(shop, emma, copies)
    return shop, emma


def _delivery(location_id: UUID, edition_id: UUID, quantity: int) -> ReceiveStock:
    line = ReceiptLine(edition_id=edition_id, quantity=quantity, unit_cost=Money(amount_minor=500, currency="GBP"))
    return ReceiveStock(location_id=location_id, lines=(line,))


async def _hold(
    write_side: WriteSide, location_id: UUID, edition_id: UUID, quantity: int, *, expires_at: datetime | None = None
) -> HoldDecided:
    command = PlaceHold(location_id=location_id, edition_id=edition_id, quantity=quantity, expires_at=expires_at)
    return (await write_side.run(partial(place_hold, command))).read(HoldDecided)


async def test_no_more_are_looked_at_than_can_be_served(write_side: WriteSide) -> None:
    """However many wait: of three, the first, for one copy."""
    shop, emma = await _shelf(write_side, copies=0)
    waiting = [await _special_order(write_side, shop, emma, 2) for _ in range(3)]
    tenant_id = write_side.tenant.id
    async with transaction(write_side.pool, tenant_id=tenant_id) as connection:
        stock = await repository.lock_account(connection, tenant_id, waiting[0].id)
        assert stock is not None
        arrived = msgspec.structs.replace(stock, on_hand=1)
        found = await repository.waiting_at(connection, tenant_id, [arrived])
    assert [hold.hold_id for hold in found] == [waiting[0].id]


async def _special_order(write_side: WriteSide, location_id: UUID, edition_id: UUID, quantity: int) -> HoldDecided:
    command = PlaceSpecialOrder(location_id=location_id, edition_id=edition_id, quantity=quantity)
    return (await write_side.run(partial(place_special_order, command))).read(HoldDecided)


async def _cancel(write_side: WriteSide, hold: HoldDecided) -> HoldDecided:
    return (await write_side.run(partial(cancel_hold, hold.id, CancelHold()))).read(HoldDecided)


def _index_conditions(node: dict[str, Any]) -> list[str]:  # Any: EXPLAIN's own shape
    own = [node["Index Cond"]] if "Index Cond" in node else []
    return own + [condition for child in node.get("Plans", []) for condition in _index_conditions(child)]


async def _hold_that_cannot_end(write_side: WriteSide) -> None:
    """Due before all others; its account says that nothing is set aside."""
    shop, dune = await _shelf(write_side, copies=1)
    hold = await _hold(write_side, shop, dune, 1)
    await write_side.as_administrator("UPDATE write.stock SET reserved = 0 WHERE edition_id = $1", dune)
    an_hour_ago = "UPDATE write.hold SET expires_at = now() - interval '1 hour' WHERE hold_id = $1"
    await write_side.as_administrator(an_hour_ago, hold.id)


async def _collect(
    write_side: WriteSide, location_id: UUID, edition_id: UUID, quantity: int, *, hold: HoldDecided
) -> OrderDecided:
    command = msgspec.structs.replace(order_command(location_id, [(edition_id, quantity)]), hold_ids=(hold.id,))
    return (await write_side.run(partial(place_order, command))).read(OrderDecided)


async def _held(write_side: WriteSide) -> list[tuple[str, int]]:
    rows = await write_side.as_administrator("SELECT status, allocated FROM write.hold ORDER BY placed_at, hold_id")
    return [(row["status"], row["allocated"]) for row in rows]
