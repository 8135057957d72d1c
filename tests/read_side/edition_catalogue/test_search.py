"""Searching on PostgreSQL, as the read API's own role, under row-level security."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from projections.edition_search import PROJECTION
from read_side.edition_catalogue.search import CANDIDATES, RANKED, SearchParameters, resolve_search, search_editions
from read_side.query_execution import Answer, Snapshot
from read_side.query_execution.cursors import InvalidCursor
from shared_kernel.database.pool import Pool, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, transaction
from shared_kernel.redis.state import NOTHING_PROJECTED
from tests.builders.catalogue_events import TENANT_ID, authors, edition_created, edition_discontinued, recorded
from tests.builders.filling import fill
from tests.servers import Servers

OTHER_TENANT = UUID(int=99)
BOOKS: Sequence[tuple[str, str, str | None, int]] = (
    ("Pride and Prejudice", "Jane Austen", "9780141439518", 90),
    ("Pride and Prejudice and Zombies", "Seth Grahame-Smith", "9781594743344", 40),
    ("Emma", "Jane Austen", "9780141439587", 50),
    ("Jane Eyre", "Charlotte Brontë", "9780141441146", 80),
    ("Wuthering Heights", "Emily Brontë", "9780141439556", 70),
    ("Harry Potter and the Philosopher's Stone", "J.K. Rowling", "9780747532699", 99),
    ("Harry Potter and the Chamber of Secrets", "J.K. Rowling", "9780747538493", 98),
    ("Harry, Revised", "Mark Sarvas", "9781596914629", 5),
    ("The Hobbit", "J.R.R. Tolkien", "9780261102217", 95),
    ("The Hobbit: Graphic Novel", "J.R.R. Tolkien", "9780345445605", 30),
    ("Nineteen Eighty-Four", "George Orwell", "9780141036144", 85),
    ("1984", "George Orwell", "9780451524935", 97),
    ("Crime and Punishment", "Fyodor Dostoevsky", "9780140449136", 60),
    ("Catch-22", "Joseph Heller", "9780684833392", 65),
    ("The Road", "Cormac McCarthy", None, 55),
    ("The Hunger Games", "Suzanne Collins", "9780439023481", 100),
)


@pytest.fixture
async def pool(servers: Servers) -> AsyncIterator[Pool]:
    """The books above in one store, one of the same in another."""
    events = [
        recorded(
            edition_created(
                edition_id=UUID(int=1000 + number),
                title=title,
                contributors=authors(author),
                isbn13=isbn13,
                sku=f"SW-{number:04}",
                popularity=popularity,
                format="hardback" if popularity == 30 else "paperback",
            ),
            position=number + 1,
        )
        for number, (title, author, isbn13, popularity) in enumerate(BOOKS)
    ]
    events.append(recorded(edition_discontinued(edition_id=UUID(int=1002)), position=len(events) + 1, stream_version=2))
    await fill(servers, PROJECTION, events)
    async with build_pool(
        servers.url_as(DatabaseRole.READ_API), PoolSettings(application_name="tests", max_size=2)
    ) as opened:
        yield opened


async def _answer(pool: Pool, *, tenant_id: UUID = TENANT_ID, **parameters: Any) -> Answer:  # noqa: ANN401 - a struct's fields
    state = msgspec.structs.replace(NOTHING_PROJECTED, build=1)
    async with transaction(pool, begin=BEGIN_SNAPSHOT, tenant_id=tenant_id) as connection:
        snapshot = Snapshot(connection=connection, tenant_id=tenant_id, state=state)
        return await search_editions(snapshot, resolve_search(SearchParameters(**parameters)))


async def _titles(pool: Pool, q: str, **parameters: Any) -> list[str]:  # noqa: ANN401 - as above
    answer = await _answer(pool, q=q, **parameters)
    return [edition["title"] for edition in msgspec.json.decode(answer.data)]


async def test_words_typos_beginnings_accents_and_numbers_find_their_books(pool: Pool) -> None:
    """The best match is the first; each line is something people type."""
    wanted = {
        "pride and prejudice": "Pride and Prejudice",
        "PRIDE": "Pride and Prejudice",
        "pryde and prejudice": "Pride and Prejudice",
        "prejudise": "Pride and Prejudice",
        "harry poter": "Harry Potter and the Philosopher's Stone",
        "philosophers stone": "Harry Potter and the Philosopher's Stone",
        "philosopher\u2019s": "Harry Potter and the Philosopher's Stone",
        "chamber potter": "Harry Potter and the Chamber of Secrets",
        "tolkein": "The Hobbit",
        "hobb": "The Hobbit",
        "hob tolk": "The Hobbit",
        "bronte": "Jane Eyre",
        "Brontë": "Jane Eyre",
        "emily brontë": "Wuthering Heights",
        "dostoyevski": "Crime and Punishment",
        "1984": "1984",
        "catch 22": "Catch-22",
        "978-0-14-143951-8": "Pride and Prejudice",
        "9780141439518": "Pride and Prejudice",
        "0141439513": "Pride and Prejudice",
        "0-14-143951-3": "Pride and Prejudice",
        "ISBN 0141439513": "Pride and Prejudice",
        "97807475326": "Harry Potter and the Philosopher's Stone",
        "SW-0014": "The Road",
        "sw0014": "The Road",
        "austen emma": "Emma",
    }
    found = {typed: (await _titles(pool, typed))[:1] for typed in wanted}

    assert found == {typed: [title] for typed, title in wanted.items()}


async def test_what_has_more_of_the_words_drives_out_what_has_fewer(pool: Pool) -> None:
    """`and` alone finds no book that has nothing else of the query."""
    assert await _titles(pool, "pride and zombies") == ["Pride and Prejudice and Zombies"]
    assert await _titles(pool, "harry potter") == [
        "Harry Potter and the Philosopher's Stone",
        "Harry Potter and the Chamber of Secrets",
    ]


async def test_words_nobody_has_do_not_hide_what_the_others_find(pool: Pool) -> None:
    """A word too much costs nothing."""
    assert await _titles(pool, "hobbit xylophonist") == ["The Hobbit", "The Hobbit: Graphic Novel"]


async def test_words_of_different_books_find_each_of_them(pool: Pool) -> None:
    """The word that fewer have comes first, since it tells more."""
    assert await _titles(pool, "hobbit emma") == ["Emma", "The Hobbit", "The Hobbit: Graphic Novel"]


async def test_a_rare_word_outweighs_several_that_everybody_has(pool: Pool) -> None:
    """Three of the words are in the Philosopher's Stone, and only two in The Road."""
    assert (await _titles(pool, "and the potters road mccarthy"))[0] == "The Road"


async def test_a_title_word_comes_before_a_name_and_then_popularity(pool: Pool) -> None:
    """Jane Eyre has Jane in its title; the two by Jane Austen follow, the better known one first."""
    assert await _titles(pool, "jane") == ["Jane Eyre", "Pride and Prejudice", "Emma"]


async def test_the_beginning_of_an_isbn_finds_all_that_begin_so(pool: Pool) -> None:
    """Both forms; nothing else."""
    assert sorted(await _titles(pool, "97801414395")) == ["Emma", "Pride and Prejudice", "Wuthering Heights"]
    assert sorted(await _titles(pool, "01414395")) == ["Emma", "Pride and Prejudice", "Wuthering Heights"]


async def test_filters_narrow_what_was_found(pool: Pool) -> None:
    """By status and format."""
    assert await _titles(pool, "austen", status="active") == ["Pride and Prejudice"]
    assert await _titles(pool, "austen", status="discontinued") == ["Emma"]
    assert await _titles(pool, "hobbit", format="hardback") == ["The Hobbit: Graphic Novel"]


async def test_pages_follow_each_other_without_gap_or_double(pool: Pool) -> None:
    """Whatever the page's size, the same list."""
    whole = await _titles(pool, "the")
    paged: list[str] = []
    cursor = None
    for _ in range(len(whole)):
        answer = await _answer(pool, q="the", limit=1, cursor=cursor)
        paged += [edition["title"] for edition in msgspec.json.decode(answer.data)]
        cursor = answer.next_cursor
        assert answer.has_more is (cursor is not None)

    assert len(whole) > 3
    assert (paged, cursor) == (whole, None)


async def test_a_cursor_of_another_search_is_refused(pool: Pool) -> None:
    """It would begin in the middle of another list."""
    cursor = (await _answer(pool, q="the", limit=1)).next_cursor

    for other in ({"q": "harry"}, {"q": "the", "status": "active"}):
        with pytest.raises(InvalidCursor):
            resolve_search(SearchParameters(cursor=cursor, **other))  # type: ignore[arg-type]  # as a query string has it
    for damaged in ("", "x", "é", "AAAA", f"{cursor}AA"):
        with pytest.raises(InvalidCursor):
            resolve_search(SearchParameters(q="the", cursor=damaged))


@pytest.mark.parametrize("typed", ["", "   ", "!!!", "%", "'; --", "zzzzzz", "\U0001f4da", "_", "a" * 200])
async def test_what_means_nothing_finds_nothing(pool: Pool, typed: str) -> None:
    """Nor does it hurt."""
    assert await _titles(pool, typed) == []


async def test_another_store_finds_nothing_of_it(pool: Pool) -> None:
    """Not by word, beginning, typo or number, also where the query asks for the first one's rows."""
    for typed in ("pride", "hobb", "tolkein", "9780141439518"):
        assert await _titles(pool, typed, tenant_id=OTHER_TENANT) == []
    state = msgspec.structs.replace(NOTHING_PROJECTED, build=1)
    async with transaction(pool, begin=BEGIN_SNAPSHOT, tenant_id=OTHER_TENANT) as connection:
        forged = Snapshot(connection=connection, tenant_id=TENANT_ID, state=state)
        assert (await search_editions(forged, resolve_search(SearchParameters(q="pride")))).data == b"[]"


async def test_every_row_is_reached_through_the_primary_key(pool: Pool) -> None:
    """Row-level security would turn any other operator into a scan of the whole store."""
    words: tuple[object, ...] = ([0], ["prid"], ["prie"], [0], ["^pr"], [4])
    meanings: tuple[object, ...] = ([0, 1], ["pride", "and"], [9, 9], [9, 9], [9, 9], [True, False])
    filters: tuple[object, ...] = (None,) * 4
    ranked = (*meanings, "978", "979", 40, "pride", *filters, *filters, 20)
    async with transaction(pool, begin=BEGIN_SNAPSHOT, tenant_id=TENANT_ID) as connection:
        # A table of a few pages is read whole whatever its indexes: what is asked here is whether they could serve.
        await connection.execute("SET LOCAL enable_seqscan = off")
        for statement, arguments in ((CANDIDATES, words), (RANKED, ranked)):
            plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", TENANT_ID, 1, *arguments)
            scans = _scans(msgspec.json.decode(plan)[0]["Plan"])
            assert scans
            for scan in scans:
                assert scan["Index Name"].endswith("_pkey"), scan
                assert all(column in scan["Index Cond"] for column in ("tenant_id", "build", "kind", "term")), scan


def _scans(node: dict[str, Any]) -> list[dict[str, Any]]:  # Any: EXPLAIN's own shape
    own = [node] if "Relation Name" in node else []
    return own + [scan for child in node.get("Plans", []) for scan in _scans(child)]
