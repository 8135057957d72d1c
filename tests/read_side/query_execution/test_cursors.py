"""A cursor's digest needs no key, so anybody can make one up: what it holds must still be fit for PostgreSQL."""

from typing import Any

import asyncpg
import pytest

from read_side.order_list.queries import ORDERS
from read_side.query_execution.cursors import InvalidCursor, PlaceInt64, PlaceText, decode_cursor, encode_cursor
from read_side.query_execution.lists import cursors as list_cursors
from read_side.stock_levels.queries import STOCK
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id
from tests.servers import Servers

_QUESTION = ("by", 1)


def _opened(cursor: str) -> tuple[int, str]:
    return decode_cursor(_QUESTION, cursor, tuple[PlaceInt64, PlaceText])


@pytest.mark.parametrize("place", [(2**63, "x"), (2**64 - 1, "x"), (-(2**63), "x"), (1, "a\0b"), (1,), ("1", "x")])
def test_what_postgresql_would_not_take_is_no_cursor(place: tuple[object, ...]) -> None:
    """Numbers past 64 bits, those whose opposite is, NUL, other shapes."""
    with pytest.raises(InvalidCursor):
        _opened(encode_cursor(_QUESTION, place))


@pytest.mark.parametrize("place", [(2**63 - 1, "\n"), (1 - 2**63, ""), (0, "\N{SNOWMAN}" * 300)])
async def test_what_is_a_cursor_postgresql_takes(servers: Servers, place: tuple[int, str]) -> None:
    """To the ends of what a cursor may hold, in either order."""
    place_opened = _opened(encode_cursor(_QUESTION, place))
    connection = await asyncpg.connect(servers.url_as(DatabaseRole.READ_API))
    try:
        record = await connection.fetchrow("SELECT -$1::bigint, $2::text", *place_opened)
    finally:
        await connection.close()

    assert tuple(record) == (-place[0], place[1])


def test_one_place_has_one_spelling() -> None:
    """Answers are stored by question and place, so that nobody fills the cache with copies."""
    cursor = encode_cursor(_QUESTION, (1, "x"))

    assert _opened(cursor) == (1, "x")
    for spelled in (f"{cursor}!", f"{cursor}=", f"{cursor} ", cursor + "A" * 5000):
        with pytest.raises(InvalidCursor):
            _opened(spelled)


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("total", 2**63),
        ("number", "a\0b"),
        ("placed_at", "2026-01-01T00:00:00"),
        ("placed_at", "0001-01-01T00:00:00+23:00"),
    ],
)
def test_a_list_s_place_has_the_types_of_its_columns(sort: str, first: Any) -> None:  # noqa: ANN401 - of any type
    """Times without an offset, or before all times in UTC, among them."""
    forged = list_cursors.encode_cursor(ORDERS, sort, (), (first, new_id()))

    with pytest.raises(InvalidCursor):
        list_cursors.decode_cursor(ORDERS, sort, (), forged)


def test_a_list_s_place_has_the_width_of_its_columns() -> None:
    """An integer's is 32 bits."""
    forged = list_cursors.encode_cursor(STOCK, "available", (), (2**31, new_id()))

    with pytest.raises(InvalidCursor):
        list_cursors.decode_cursor(STOCK, "available", (), forged)
