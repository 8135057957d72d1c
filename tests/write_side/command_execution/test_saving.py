"""Rows that a command saves last are part of its last statement where somebody takes them along, or written at once."""

from collections.abc import Sequence
from functools import partial

import asyncpg
import pytest

from shared_kernel.identifiers import new_id
from tests.builders.write_side import WriteSide
from write_side.command_execution.requests import Outcome
from write_side.command_execution.saving import Saving, before
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.commands import OpenLocation
from write_side.inventory.handlers import open_location

_ANOTHER = """another AS (
    INSERT INTO write.location (tenant_id, location_id, version, name, kind, created_at)
    SELECT $1, $2, 1, $3, $4, clock_timestamp())"""


def test_parameters_are_counted_on() -> None:
    """The tenant is the first of both; the statement's others follow those of the rows, of however many digits."""
    statement = before("a AS (SELECT $1, $2, $3)", 3, "\nWITH b AS (SELECT $1, $2, $10)\nSELECT $2\n")
    assert statement == "WITH a AS (SELECT $1, $2, $3), b AS (SELECT $1, $4, $12)\nSELECT $4"


async def _open(work: UnitOfWork, *, others: Sequence[tuple[str, str]]) -> Outcome:
    outcome = await open_location(OpenLocation(name="Main street", kind="shop"), work)
    for name, kind in others:
        await work.save_last(Saving(parts=_ANOTHER, arguments=(work.tenant.id, new_id(), name, kind)))
    return outcome


async def _names(write_side: WriteSide) -> list[str]:
    return [row["name"] for row in await write_side.as_administrator("SELECT name FROM write.location ORDER BY name")]


async def test_all_of_it_is_saved_however_often(write_side: WriteSide) -> None:
    """One with the events, a second one at once; in a dry run neither stays."""
    others = (("One", "shop"), ("Two", "warehouse"))
    await write_side.run(partial(_open, others=others), dry_run=True)
    assert await _names(write_side) == []
    async with write_side.counting() as trips:
        await write_side.run(partial(_open, others=others))
    assert await _names(write_side) == ["Main street", "One", "Two"]
    assert sum("another AS" in text for text in trips) == 2
    assert sum("log.tenant_head" in text and "another AS" in text for text in trips) == 1


async def test_rows_that_cannot_be_saved_leave_no_event(write_side: WriteSide) -> None:
    """One statement holds or fails as a whole."""
    log = await write_side.log()
    with pytest.raises(asyncpg.CheckViolationError):
        await write_side.run(partial(_open, others=(("One", "castle"),)))
    assert await _names(write_side) == []
    assert await write_side.log() == log
