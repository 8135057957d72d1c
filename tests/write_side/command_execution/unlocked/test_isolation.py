"""Orders decided without locks: the tenant is named before anything is read, compared or written."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import asyncpg
import msgspec
import pytest

from shared_kernel.database.pool import PLANNED_ONCE, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from tests.builders.write_side import WriteSide, claim, order_command
from tests.write_side.command_execution.unlocked.shelf import COPIES, buy_on, left_behind, new_shelf
from write_side.command_execution.errors import (
    LogHeadMissingError,
)
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.recording import Recording
from write_side.command_execution.unlocked import Decided
from write_side.inventory.model import Stock
from write_side.inventory.repository import as_seen
from write_side.orders.errors import InvalidOrder
from write_side.orders.placing import place_order, without_locks


async def test_another_store_sees_nothing_and_moves_nothing(write_side: WriteSide) -> None:
    """Neither by asking for its editions nor by agreeing upon its accounts."""
    shelf = await new_shelf(write_side)
    other = write_side.as_tenant(await write_side.another_store())
    with pytest.raises(InvalidOrder) as refused:
        await other.buy(shelf.location, shelf.both, key="k")
    assert [error.pointer for error in refused.value.errors] == [
        "/location_id",
        "/lines/0/edition_id",
        "/lines/1/edition_id",
    ]
    own = await new_shelf(other)
    command = order_command(own.location, own.both)
    plain = without_locks(command)
    assert plain is not None
    foreign = await write_side.as_administrator(
        "SELECT stock_id, version FROM write.stock WHERE edition_id = $1", shelf.emma
    )

    def agreeing_upon_theirs(rows: Sequence[asyncpg.Record], work: Recording) -> Decided:
        decided = plain.decide(rows, work)
        stock = Stock(
            **dict(foreign[0]), location_id=shelf.location, edition_id=shelf.emma, on_hand=0, reserved=0, value_minor=0
        )
        return msgspec.structs.replace(decided, agreement=as_seen(work.tenant.id, [stock]))

    overtaken: list[str] = []
    execution = CommandExecution(pool=other.pool, doorbell=other.doorbell, on_overtaken=overtaken.append)
    await execution.execute(
        other.request(idempotency=claim("k")),
        partial(place_order, command),
        without_locks=msgspec.structs.replace(plain, decide=agreeing_upon_theirs),
    )
    assert overtaken == ["test"]
    assert await write_side.stock_of(shelf.location, shelf.emma) == (COPIES, 0, 10_000)
    assert await other.stock_of(own.location, own.emma) == (COPIES, 1, 10_000)


async def test_a_store_without_a_counter_keeps_nothing(write_side: WriteSide) -> None:
    """Nobody is asked before the statement commits, so it looks for itself."""
    shelf = await new_shelf(write_side)
    await write_side.as_administrator("DELETE FROM log.tenant_head WHERE tenant_id = $1", write_side.tenant.id)
    with pytest.raises(LogHeadMissingError):
        await write_side.buy(shelf.location, shelf.both, key="k")
    assert await left_behind(write_side) == (0, 0, 0, 0)
    assert await write_side.stock_of(shelf.location, shelf.emma) == (COPIES, 0, 10_000)


_PLANS: Final[Sequence[Mapping[str, str]]] = (
    PLANNED_ONCE,
    {"enable_nestloop": "off", "plan_cache_mode": "force_generic_plan"},
    {"enable_hashjoin": "off", "enable_nestloop": "off"},
    {"enable_indexscan": "off", "enable_indexonlyscan": "off", "enable_material": "off"},
    {"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashagg": "off", "enable_sort": "off"},
    {"plan_cache_mode": "force_custom_plan", "from_collapse_limit": "1", "join_collapse_limit": "1"},
)


@pytest.mark.parametrize("planner", _PLANS)
async def test_the_tenant_is_named_first_whatever_the_plan(write_side: WriteSide, planner: Mapping[str, str]) -> None:
    """The policies show what is read, compared and moved, on connections that have never named anybody."""
    shelf = await new_shelf(write_side)
    await write_side.another_store()
    settings = PoolSettings(application_name="tests", max_size=2, planner=planner)
    overtaken: list[str] = []
    async with build_pool(write_side.servers.url_as(DatabaseRole.WRITE_API), settings) as pool:
        execution = CommandExecution(
            pool=pool, doorbell=write_side.doorbell, kept_connections=1, on_overtaken=overtaken.append
        )
        for key in ("first", "second"):
            await buy_on(write_side, execution, shelf.both, shelf, key=key)
        await execution.aclose()
    assert overtaken == []
    assert await write_side.stock_of(shelf.location, shelf.emma) == (COPIES, 2, 10_000)
    assert await left_behind(write_side) == (2, 4, 2, 4)
