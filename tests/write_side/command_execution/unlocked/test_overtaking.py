"""Orders decided without locks: whoever was there first, nobody gets what is not there, or the same twice."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import pytest

from shared_kernel.errors import InFlightError
from tests.builders.write_side import WriteSide, buy, claim, order_command
from tests.eventually import eventually
from tests.write_side.command_execution.unlocked.shelf import (
    COPIES,
    WAITING,
    buy_on,
    holding,
    interrupted,
    left_behind,
    new_shelf,
)
from write_side.command_execution.errors import (
    IdempotencyKeyReusedError,
)
from write_side.command_execution.requests import Answer, Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.errors import InsufficientStock
from write_side.orders.commands import OrderDecided
from write_side.orders.placing import place_order, without_locks


async def test_an_order_takes_two_statements_and_is_what_it_is_under_locks(write_side: WriteSide) -> None:
    """The same rows, events and answer; and for any number of lines."""
    shelf = await new_shelf(write_side)
    locking = await write_side.place(shelf.location, shelf.both)
    async with write_side.counting() as trips:
        answer = await write_side.buy(shelf.location, shelf.both, key="k")
        assert len(trips) == 2
        more = await write_side.buy(shelf.location, shelf.both * 10, key="more")
        assert len(trips) == 4
    order = answer.read(OrderDecided)
    assert (order.total, order.net, order.status, order.version) == (
        locking.total,
        locking.net,
        locking.status,
        locking.version,
    )
    assert answer.location == f"/api/v1/orders/{order.id}"
    assert await write_side.stock_of(shelf.location, shelf.emma) == (COPIES, 12, 10_000)
    events = await write_side.log()
    assert [event.type for event in events[-9:]] == ["OrderPlaced", "StockReserved", "StockReserved"] * 3
    before, after = events[-9:-6], events[-6:-3]
    for locked, free in zip(before, after, strict=True):
        assert locked.payload.keys() == free.payload.keys()
        assert locked.metadata == free.metadata
    assert [event.stream_version for event in after] == [1, 3, 3]
    assert (more.position, write_side.doorbell.rung[-1][1]) == (len(events), len(events))


async def test_what_needs_more_than_its_lines_or_shows_only_what_would_be_is_decided_under_locks(
    write_side: WriteSide,
) -> None:
    """A customer, a payment, a hold; a dry run, an order without a key, a version to be met."""
    shelf = await new_shelf(write_side)
    plain = order_command(shelf.location, shelf.both)
    belonging: Sequence[dict[str, Any]] = [
        {"customer_id": shelf.emma},
        {"payment_token": "tok"},
        {"hold_ids": (shelf.emma,)},
    ]
    assert without_locks(plain) is not None
    assert [without_locks(msgspec.structs.replace(plain, **one)) for one in belonging] == [None] * 3
    unusual: Sequence[dict[str, object]] = ({"dry_run": True}, {"idempotency": None}, {"if_match": 1})
    for changes in unusual:
        async with write_side.counting() as trips:
            request = write_side.request(**{"idempotency": claim("k"), **changes})
            await buy(write_side.execution, request, plain)
        assert trips[0].startswith("BEGIN")


async def test_a_copy_taken_meanwhile_is_not_sold_again(write_side: WriteSide) -> None:
    """Overtaken, it is decided anew: there are copies left, or there are not."""
    shelf = await new_shelf(write_side, copies=2)
    meanwhile = partial(write_side.place, shelf.location, [(shelf.emma, 1)])
    async with interrupted(write_side, meanwhile) as (execution, overtaken):
        answer = await buy_on(write_side, execution, shelf.both, shelf, key="second")
        assert not answer.replayed
    assert overtaken == ["test"]
    assert await write_side.stock_of(shelf.location, shelf.emma) == (2, 2, 1_000)

    await write_side.receive(shelf.location, shelf.emma, 1)
    before = await left_behind(write_side)
    async with interrupted(write_side, meanwhile) as (execution, overtaken):
        with pytest.raises(InsufficientStock):
            await buy_on(write_side, execution, shelf.both, shelf, key="fourth")
    assert overtaken == ["test"]
    orders, lines, answers, movements = before
    assert await left_behind(write_side) == (orders + 1, lines + 1, answers, movements + 1)
    assert await write_side.stock_of(shelf.location, shelf.persuasion) == (2, 1, 1_000)


async def test_a_key_used_meanwhile_is_answered_with_what_it_stands_for(write_side: WriteSide) -> None:
    """Whether or not the other order is of the same copies."""
    shelf = await new_shelf(write_side)
    for lines in (shelf.both[:1], shelf.both[1:]):
        key = f"key of {lines}"
        first = partial(write_side.buy, shelf.location, shelf.both[:1], key=key)
        async with interrupted(write_side, first) as (execution, _):
            again = await buy_on(write_side, execution, lines, shelf, key=key)
        assert again.replayed
    other = partial(write_side.buy, shelf.location, shelf.both[:1], key="k", body="another")
    async with interrupted(write_side, other) as (execution, _):
        with pytest.raises(IdempotencyKeyReusedError):
            await buy_on(write_side, execution, shelf.both[1:], shelf, key="k")
    assert await write_side.stock_of(shelf.location, shelf.emma) == (COPIES, 3, 10_000)
    assert await write_side.stock_of(shelf.location, shelf.persuasion) == (COPIES, 0, 10_000)


async def test_a_key_in_use_is_refused_without_a_trace(write_side: WriteSide) -> None:
    """Its holder has locked it and nothing else; once they are gone it is free."""
    shelf = await new_shelf(write_side)
    may_go_on = asyncio.Event()
    reached = asyncio.Event()

    async def failing(_work: UnitOfWork) -> Outcome:
        reached.set()
        await may_go_on.wait()
        raise ZeroDivisionError

    holder = asyncio.create_task(write_side.run(failing, idempotency=claim("k", "")))
    await reached.wait()
    with pytest.raises(InFlightError):
        await write_side.buy(shelf.location, shelf.both, key="k")
    assert await left_behind(write_side) == (0, 0, 0, 0)
    may_go_on.set()
    with pytest.raises(ZeroDivisionError):
        await holder
    assert not (await write_side.buy(shelf.location, shelf.both, key="k")).replayed


async def test_nobody_is_refused_while_the_same_request_may_succeed(write_side: WriteSide) -> None:
    """It waits for copies that are just coming in, with its key claimed; its client asks again meanwhile."""
    shelf = await new_shelf(write_side, copies=1)
    await write_side.place(shelf.location, shelf.both)
    locking = partial(place_order, order_command(shelf.location, shelf.both[:1]))
    async with holding(write_side, shelf) as holder:
        first = asyncio.create_task(write_side.run(locking, idempotency=claim("k", "")))
        await eventually(lambda: write_side.as_administrator(WAITING))
        with pytest.raises(InFlightError):
            await write_side.buy(shelf.location, shelf.both[:1], key="k")
        await holder.execute(
            "UPDATE write.stock SET version = version + 1, on_hand = on_hand + 1 WHERE edition_id = $1", shelf.emma
        )
        await holder.execute("COMMIT")
        ordered = await first
    again = await write_side.buy(shelf.location, shelf.both[:1], key="k")
    assert again == msgspec.structs.replace(ordered, replayed=True)


async def test_a_repeated_key_finds_its_answer_even_when_its_copies_were_the_last(write_side: WriteSide) -> None:
    """To the byte, and only for its own request."""
    shelf = await new_shelf(write_side, copies=1)
    first = await write_side.buy(shelf.location, shelf.both, key="k")
    again = await write_side.buy(shelf.location, shelf.both, key="k")
    assert again == msgspec.structs.replace(first, replayed=True)
    with pytest.raises(IdempotencyKeyReusedError):
        await write_side.buy(shelf.location, shelf.both, key="k", body="another")
    with pytest.raises(InsufficientStock):
        await write_side.buy(shelf.location, shelf.both, key="l")
    assert await left_behind(write_side) == (1, 2, 1, 2)


async def test_many_with_one_key_are_one_order(write_side: WriteSide) -> None:
    """Everybody who is answered gets the same."""
    shelf = await new_shelf(write_side)

    async def one() -> Answer | None:
        try:
            return await write_side.buy(shelf.location, shelf.both, key="k")
        except InFlightError:
            return None

    answers = [answer for answer in await asyncio.gather(*(one() for _ in range(20))) if answer is not None]
    assert len({answer.data for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert await left_behind(write_side) == (1, 2, 1, 2)


async def test_crossed_orders_neither_lock_each_other_out_nor_leave_gaps(write_side: WriteSide) -> None:
    """Without locks and under them, in opposite orders of lines; positions and times follow the commits."""
    shelf = await new_shelf(write_side, copies=60)

    async def one(number: int) -> None:
        lines = shelf.both if number % 2 else shelf.both[::-1]
        if number % 3:
            await write_side.buy(shelf.location, lines, key=f"{number}")
        else:
            await write_side.place(shelf.location, lines)

    await asyncio.gather(*(one(number) for number in range(40)))
    assert await write_side.stock_of(shelf.location, shelf.emma) == (60, 40, 30_000)
    events = await write_side.log()
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    rows = await write_side.as_administrator("SELECT recorded_at FROM log.event ORDER BY position")
    times = [row["recorded_at"] for row in rows]
    assert times == sorted(times)
    found = await write_side.as_administrator(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert found[0]["deadlocks"] == 0
