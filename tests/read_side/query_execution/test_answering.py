"""Where an answer comes from, what it costs, and that it is nobody else's."""

import asyncio

import httpx

from read_side.query_execution import ListQuery
from read_side.query_execution.asking import query_digest
from tests.eventually import eventually
from tests.read_side.query_execution.books import VIEW, Reads, a_book, state
from tests.read_side.query_execution.conftest import Api
from tests.round_trips import ROUND_TRIPS


async def test_a_miss_is_read_from_the_table_and_told_from_redis_afterwards(api: Api) -> None:
    """The second answer is the first one's bytes, with `source` told."""
    tenant, key = await api.shelf.open_store()
    shown = state(position=7, rows=2)
    await api.shelf.project(tenant, [a_book("Emma"), a_book("Persuasion", price_minor=500)], shown)
    await api.shelf.write_through(tenant, shown)
    await api.reaches_redis(key)

    first = await api.get("/books", key)
    second = await eventually(lambda: api.get("/books", key), _is_from_cache)

    assert first.status_code == 200
    assert [book["title"] for book in first.json()["data"]] == ["Emma", "Persuasion"]
    assert first.json()["meta"] == {
        "position": 7,
        "as_of": "2026-01-02T03:04:05Z",
        "lag_events": 0,
        "source": "table",
        "projection": "tested_book@1",
        "has_more": False,
        "next_cursor": None,
        "exact_count": 2,
    }
    assert second.json()["meta"] == {**first.json()["meta"], "source": "cache"}
    assert second.json()["data"] == first.json()["data"]
    assert second.headers["ShelfWise-Position"] == "7"
    assert second.headers["ETag"] == first.headers["ETag"]


async def test_a_cached_answer_costs_one_round_trip_to_redis_and_none_to_postgresql(api: Api) -> None:
    """Limit, state, head and body travel together."""
    tenant, key = await api.shelf.open_store()
    shown, book = state(position=7, rows=1), a_book("Emma")
    await api.shelf.project(tenant, [book], shown)
    await api.shelf.write_through(tenant, shown, [book])
    await api.reaches_redis(key)
    await eventually(lambda: api.get("/total", key), _is_from_cache)
    ROUND_TRIPS.begin()

    entity = await api.get(f"/books/{book.book_id}", key)
    sums = await api.get("/total", key)

    assert entity.json()["meta"]["source"] == sums.json()["meta"]["source"] == "cache"
    assert entity.json()["data"] == {"id": f"{book.book_id}", "title": "Emma", "tags": ["classic"]}
    assert [trips.count for trips in ROUND_TRIPS.of_requests()] == [(0, 1), (0, 1)]


async def test_a_page_costs_one_round_trip_to_postgresql(api: Api) -> None:
    """Tenant, state and rows in one statement; counted once it is prepared, and the build is known."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [a_book("Emma")], state(position=7, rows=1))
    await api.reaches_redis(key)
    await api.get("/books?price=1", key)
    ROUND_TRIPS.begin()

    answer = await api.get("/books?price=999", key)

    assert answer.json()["meta"]["source"] == "table"
    assert [book["title"] for book in answer.json()["data"]] == ["Emma"]
    assert [trips.count for trips in ROUND_TRIPS.of_requests()] == [(1, 1)]


async def test_a_sum_costs_four_round_trips_to_postgresql(api: Api) -> None:
    """Begin with the tenant, state, rows, end: it may take its time once the database has shown that it is there."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [a_book("Emma")], state(position=7, rows=1))
    await api.reaches_redis(key)
    await api.get("/books?price=1", key)
    ROUND_TRIPS.begin()

    answer = await api.get("/total", key)

    assert answer.json()["meta"]["source"] == "table"
    assert [trips.count for trips in ROUND_TRIPS.of_requests()] == [(4, 1)]


async def test_fifty_misses_at_once_are_one_reading(api: Api) -> None:
    """Single flight."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [a_book("Emma")], state(position=7, rows=1))
    await api.get("/books?price=1", key)
    Reads.count = 0

    answers = await asyncio.gather(*(api.get("/total", key) for _ in range(50)))

    assert {answer.text for answer in answers} == {answers[0].text}
    assert Reads.count == 1


async def test_one_tenants_answers_are_never_anothers(api: Api) -> None:
    """The same question, the same build and revision: the answers still differ, in the table and in Redis."""
    tenant, key = await api.shelf.open_store()
    other, other_key = await api.shelf.open_store()
    shown, book = state(position=7, rows=1), a_book("Emma")
    await api.shelf.project(tenant, [book], shown)
    await api.shelf.project(other, [a_book("Ulysses")], shown)
    await api.shelf.write_through(tenant, shown, [book])
    await api.shelf.write_through(other, shown)
    await api.reaches_redis(key)

    tag = ""
    for is_source in (_is_from_table, _is_from_cache):
        mine = await eventually(lambda: api.get("/books", key), is_source)
        theirs = await eventually(lambda: api.get("/books", other_key), is_source)
        assert [found["title"] for found in mine.json()["data"]] == ["Emma"]
        assert [found["title"] for found in theirs.json()["data"]] == ["Ulysses"]
        tag = mine.headers["ETag"]
        assert tag != theirs.headers["ETag"]
    stolen = await api.get("/books", other_key, If_None_Match=tag)
    assert stolen.status_code == 200
    assert (await api.get(f"/books/{book.book_id}", key)).status_code == 200
    assert (await api.get(f"/books/{book.book_id}", other_key)).status_code == 404


async def test_a_stored_answer_dies_with_its_revision(api: Api) -> None:
    """Also where the position stays: rows can change by healing."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [a_book("Emma")], state(position=7, revision=1, rows=1))
    await api.shelf.write_through(tenant, state(position=7, revision=1, rows=1))
    await api.reaches_redis(key)
    await eventually(lambda: api.get("/books", key), _is_from_cache)

    await api.shelf.project(tenant, [a_book("Persuasion")], state(position=7, revision=2, rows=1))
    await api.shelf.write_through(tenant, state(position=7, revision=2, rows=1))
    answer = await api.get("/books", key)

    assert [found["title"] for found in answer.json()["data"]] == ["Persuasion"]


async def test_a_deleted_entity_is_not_found_from_redis_with_its_position(api: Api) -> None:
    """A tombstone is an answer."""
    tenant, key = await api.shelf.open_store()
    gone = a_book("Emma")
    await api.shelf.project(tenant, [], state(position=9))
    await api.shelf.write_through(tenant, state(position=9), gone=[gone.book_id])
    await api.reaches_redis(key)
    ROUND_TRIPS.begin()

    answer = await api.get(f"/books/{gone.book_id}", key)

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert answer.headers["ShelfWise-Position"] == "9"
    assert "RateLimit" in answer.headers
    assert [trips.count for trips in ROUND_TRIPS.of_requests()] == [(0, 1)]


async def test_an_entity_that_redis_does_not_have_is_read_from_the_table(api: Api) -> None:
    """Redis may evict any row; the answer's bytes are the same."""
    tenant, key = await api.shelf.open_store()
    shown, book = state(position=7, rows=1), a_book("Emma")
    await api.shelf.project(tenant, [book], shown)
    await api.shelf.write_through(tenant, shown)
    await api.reaches_redis(key)

    answer = await api.get(f"/books/{book.book_id}", key)

    assert answer.json()["meta"]["source"] == "table"
    assert answer.json()["data"] == {"id": f"{book.book_id}", "title": "Emma", "tags": ["classic"]}


async def test_nothing_projected_yet_is_empty_at_position_zero(api: Api) -> None:
    """A store that was opened a moment ago."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.set_head(tenant, 3)

    answer = await api.get("/books", key)

    assert answer.json()["data"] == []
    assert answer.json()["meta"]["position"] == 0
    assert answer.json()["meta"]["as_of"] is None
    assert answer.json()["meta"]["lag_events"] == 3


async def test_head_is_answered_like_get_without_a_body(api: Api) -> None:
    """RFC 9110, section 9.3.2."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [a_book("Emma")], state(position=7, rows=1))

    head = await api.client.head("/books", headers={"Authorization": f"Bearer {key}"})

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["ShelfWise-Position"] == "7"


async def test_what_the_client_has_is_not_sent_again(api: Api) -> None:
    """From the state in Redis alone; and from the table when there is none."""
    tenant, key = await api.shelf.open_store()
    shown = state(position=7, rows=1)
    await api.shelf.project(tenant, [a_book("Emma")], shown)
    tag = (await api.get("/books", key)).headers["ETag"]

    from_table = await api.get("/books", key, If_None_Match=tag)
    await api.shelf.write_through(tenant, state(position=8, revision=7, rows=1))
    await api.reaches_redis(key)
    ROUND_TRIPS.begin()
    from_state = await api.get("/books", key, If_None_Match=f'"other", {tag}')
    assert [trips.count for trips in ROUND_TRIPS.of_requests()] == [(0, 1)]
    await api.shelf.project(tenant, [a_book("Emma")], state(position=9, rows=1))
    await api.shelf.write_through(tenant, state(position=9, rows=1))
    changed = await api.get("/books", key, If_None_Match=tag)

    assert from_table.status_code == from_state.status_code == 304
    assert from_state.content == b""
    assert from_state.headers["ShelfWise-Position"] == "8"
    assert from_state.headers["ETag"] == tag
    assert changed.status_code == 200


async def test_entity_tags_may_come_in_several_lines(api: Api) -> None:
    """As any list may; a minimum position, of which only one can hold, may not."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [a_book("Emma")], state(position=7, rows=1))
    tag = (await api.get("/books", key)).headers["ETag"]
    bearer = ("Authorization", f"Bearer {key}")

    known = await api.client.get("/books", headers=[bearer, ("If-None-Match", '"other"'), ("If-None-Match", tag)])
    unclear = await api.client.get(
        "/books", headers=[bearer, ("ShelfWise-Min-Position", "1"), ("ShelfWise-Min-Position", "8")]
    )

    assert (known.status_code, unclear.status_code) == (304, 422)


async def test_a_link_never_names_a_host(api: Api) -> None:
    """Also where the request's path begins with two slashes, which a client would read as `//host/`."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [a_book("Emma"), a_book("Persuasion")], state(position=7, rows=2))

    answer = await api.get("http://api.test//api/v1/books?limit=1", key)

    assert answer.headers["Link"].startswith("</api/v1/books?")


def test_two_routes_never_share_an_answer() -> None:
    """Two lists of one view ask with the same struct, of different rows."""
    query = ListQuery(conditions=(), sort="title")

    assert query_digest("/books", VIEW, query) == query_digest("/books", VIEW, query)
    assert query_digest("/books", VIEW, query) != query_digest("/books/rare", VIEW, query)


async def test_every_fault_of_a_query_string_is_told_at_once(api: Api) -> None:
    """Unknown parameter, sort and operator, and values of the wrong type."""
    _, key = await api.shelf.open_store()

    answer = await api.get("/books?nope=1&sort=-colour&limit=101&price[gte]=cheap&title[lt]=x&price[like]=1", key)

    assert answer.status_code == 422
    assert {(error["pointer"], error["code"]) for error in answer.json()["errors"]} == {
        ("nope", "unknown_parameter"),
        ("sort", "unknown_sort"),
        ("limit", "invalid"),
        ("price[gte]", "invalid"),
        ("title[lt]", "unknown_operator"),
        ("price[like]", "unknown_operator"),
    }


def _is_from_cache(answer: httpx.Response) -> bool:
    return bool(answer.json()["meta"]["source"] == "cache")


def _is_from_table(answer: httpx.Response) -> bool:
    return bool(answer.json()["meta"]["source"] == "table")
