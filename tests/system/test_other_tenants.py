"""Every route of the contract with another store's ids: answered exactly like ids that nothing has."""

import re
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.contract.document import OPERATIONS, Operation
from tests.system.house import House
from tests.system.requests_from_contract import Ids, asked, ids_in_body, ids_in_query, ids_of, unknown_ids
from tests.system.shops import Visitor, open_shop

_OF_THIS_ANSWER = re.compile(r'"(request_id|instance|source|lag_events|as_of)":("[^"]*"|null|[0-9]+)')
"""What differs between any two answers, or between a first look and a second."""


def _cases() -> Iterator[tuple[Operation, str, str]]:
    """Each operation with each id that it can be asked with, and where."""
    for operation in OPERATIONS:
        for where, names in (
            ("path", set(operation.path_names())),
            ("body", ids_in_body(operation)),
            ("query", ids_in_query(operation)),
        ):
            for name in sorted(names):
                yield operation, where, name


_CASES = tuple(_cases())


def test_the_contract_has_ids_in_all_three_places() -> None:
    """So that the tests below are about something."""
    assert {where for _, where, _ in _CASES} == {"path", "body", "query"}
    assert len(_CASES) >= 25


@pytest.fixture
async def other(house: House) -> AsyncIterator[Visitor]:
    """The owner of another store."""
    async with open_shop(house) as visitor:
        yield visitor


async def test_another_store_s_ids_are_answered_like_none(shop: Visitor, other: Visitor) -> None:
    """Status, body and the names of the headers; a filter by them finds nothing; and nothing happens over there."""
    own, theirs = await ids_of(shop), await ids_of(other)
    nobody_s = unknown_ids(theirs)
    before = await _head(other)
    leaks = []
    for operation, where, name in _CASES:
        filtered_by = name if where == "query" else None
        foreign = await _ask(shop, operation, {**own, name: theirs[name]}, filtered_by)
        unknown = await _ask(shop, operation, {**own, name: nobody_s[name]}, filtered_by)
        own_answer = await _ask(shop, operation, own, filtered_by)
        assert own_answer.status_code not in {401, 403, 404, 422, 500}, (operation.name, where, name, own_answer.text)
        expected = {200} if where == "query" else {404, 422}
        if unknown.status_code not in expected or _seen(foreign, theirs[name]) != _seen(unknown, nobody_s[name]):
            leaks.append((operation.name, where, name, foreign.status_code, foreign.text, unknown.text))

    assert not leaks
    assert await _head(other) == before


async def _ask(shop: Visitor, operation: Operation, ids: Ids, filtered_by: str | None) -> httpx.Response:
    query = f"{filtered_by}={ids[filtered_by]}" if filtered_by else ""
    return await asked(operation, ids, query=query).send(shop)


def _seen(answer: httpx.Response, used: str) -> tuple[int, str, list[str]]:
    """What tells one answer from another, with the id that was asked for left out."""
    return answer.status_code, _OF_THIS_ANSWER.sub("", answer.text).replace(used, "ID"), sorted(answer.headers)


async def _head(visitor: Visitor) -> int:
    answer = await visitor.get("/store")
    return int(answer.json()["meta"]["position"])
