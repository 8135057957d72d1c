"""Which of several releases is the newest."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

import pytest

from projections.runtime.leases import LeaseTimes
from projections.runtime.lines import Line, Place, RankedLine, rank_of, take_place
from tests.builders.projecting import open_runtime
from tests.servers import Servers

_OLD = {"orders": 1, "sales": 1, "stock": 3}
_TIMES = LeaseTimes(lease_seconds=60.0)


def _line(versions: Mapping[str, int]) -> Line:
    return Line(name=repr(sorted(versions.items())), names=tuple(versions), versions=tuple(versions.values()))


def _ranks(*releases: Mapping[str, int]) -> list[int]:
    """Of each, when they first run in this order."""
    known: list[RankedLine] = []
    for one in releases:
        line = _line(one)
        known.append(RankedLine(rank=rank_of(line, known), names=line.names, versions=line.versions))
    return [one.rank for one in known]


@pytest.mark.parametrize(
    "newer",
    [
        pytest.param({"orders": 2, "sales": 1, "stock": 3}, id="a later version"),
        pytest.param({"orders": 2, "sales": 1}, id="fewer projections"),
        pytest.param({"orders": 1, "sales": 1}, id="one projection removed, nothing else"),
        pytest.param({"orders": 2, "sales": 1, "stock": 2}, id="versions of two branches"),
        pytest.param({"orders": 1, "sales": 1, "stock": 3, "payments": 1}, id="one projection more"),
    ],
)
def test_the_release_that_comes_later_is_the_newer(newer: Mapping[str, int]) -> None:
    """Also where its versions add up to fewer, or to as many."""
    old, new = _ranks(_OLD, newer)
    assert new > old


def test_what_is_rolled_back_to_is_the_older_though_it_has_never_run_here() -> None:
    """It has no version that is later, and stands between what it follows and what follows it."""
    oldest, newest, middle = _ranks(_OLD, _OLD | {"orders": 3}, _OLD | {"orders": 2})
    assert oldest < middle < newest
    newest, old = _ranks(_OLD | {"orders": 2}, {"orders": 1, "sales": 1, "stock": 3, "payments": 9})
    assert old < newest


async def test_a_place_is_kept_through_a_rollback(servers: Servers) -> None:
    """Whichever starts or ends, of two branches with as many versions the one that came later is in front."""
    first, second = _line({"orders": 2, "sales": 1}), _line({"orders": 1, "sales": 2})
    alone = Place(is_behind=False, elsewhere=frozenset())
    async with open_runtime(servers, ()) as runtime, runtime.read_pool.acquire() as connection:
        assert await take_place(connection, first, _TIMES) == alone
        assert await take_place(connection, second, _TIMES) == alone
        assert await take_place(connection, first, _TIMES) == Place(is_behind=True, elsewhere=frozenset())
        await connection.execute("UPDATE projection.release SET seen_at = '-infinity' WHERE line = $1", second.name)
        assert await take_place(connection, first, _TIMES) == alone
        assert await take_place(connection, second, _TIMES) == alone
        assert (await take_place(connection, first, _TIMES)).is_behind


async def test_releases_that_first_run_at_the_same_moment_are_ranked_by_their_versions(servers: Servers) -> None:
    """As when all begin again on an empty database."""
    lines = [_line({"orders": version}) for version in (3, 1, 4, 2)]
    async with open_runtime(servers, ()) as runtime, AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(runtime.read_pool.acquire()) for _ in lines]
        both = zip(connections, lines, strict=True)
        await asyncio.gather(*(take_place(connection, line, _TIMES) for connection, line in both))
        rows = await connections[0].fetch("SELECT rank, versions[1] AS version FROM projection.release ORDER BY rank")
    assert [row["version"] for row in rows] == [1, 2, 3, 4]
    assert len({row["rank"] for row in rows}) == len(lines)
