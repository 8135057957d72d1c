"""The search dictionary's rows, given events."""

from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from projections import edition_catalogue
from projections.edition_search import PROJECTION
from read_side.edition_catalogue.view import (
    CODE,
    EDITION,
    IN_CONTRIBUTORS,
    IN_TITLE,
    MAX_WORD_CHARACTERS,
    MAX_WORDS,
    TRIGRAM,
    VOCABULARY,
    WORD,
    SearchEntry,
    code_of,
    trigrams_of,
    words_of,
)
from shared_kernel.views import Key
from tests.builders.catalogue_events import (
    EDITION_ID,
    authors,
    edition_created,
    edition_discontinued,
    edition_priced,
    edition_revised,
    log_of,
    recorded,
)
from tests.builders.folding import fold

OTHER_ID = UUID(int=12)


def _terms(rows: dict[Key, Any], kind: str) -> dict[str, Any]:  # Any: as the fold returns them
    return {row.term: row for row in rows.values() if row.kind == kind}


def test_words_have_no_case_accents_or_apostrophes() -> None:
    """What is typed and what is printed meet."""
    assert words_of("The Philosopher\u2019s Stone: O'Brien & Brontë") == [
        "the",
        "philosophers",
        "stone",
        "obrien",
        "bronte",
    ]


def test_a_text_has_a_bounded_number_of_bounded_words() -> None:
    """A title of any length costs the same at most."""
    words = words_of(" ".join(f"{number}{'x' * 100}" for number in range(100)))

    assert len(words) == MAX_WORDS
    assert {len(word) for word in words} == {MAX_WORD_CHARACTERS}


def test_trigrams_mark_both_ends_and_leave_out_short_words_and_numbers() -> None:
    """`poter` shares four of its five with `potter`."""
    assert trigrams_of("poter") == {"^po", "pot", "ote", "ter", "er$"}
    assert len(trigrams_of("poter") & trigrams_of("potter")) == 4
    assert trigrams_of("of") == trigrams_of("1984") == frozenset()


def test_every_word_leads_to_its_edition_and_says_where_it_stands() -> None:
    """Title, contributors or both."""
    rows = fold(PROJECTION, log_of(edition_created(title="Jane Eyre", contributors=authors("Jane Austen"))))
    words = _terms(rows, WORD)

    assert {word: row.fields for word, row in words.items()} == {
        "jane": IN_TITLE + IN_CONTRIBUTORS,
        "eyre": IN_TITLE,
        "austen": IN_CONTRIBUTORS,
    }
    assert {row.subject for row in words.values()} == {f"{EDITION_ID}"}


def test_every_number_of_an_edition_leads_to_it() -> None:
    """Both forms of the ISBN and the SKU, without hyphens."""
    rows = fold(PROJECTION, log_of(edition_created()))

    assert set(_terms(rows, CODE)) == {"AUS001", "9780141439518", "0141439513"}
    assert code_of("0-14-143951-3") == "0141439513"


def test_the_vocabulary_counts_the_editions_of_a_word() -> None:
    """A word is gone with its last edition, and its trigrams with it."""
    first = edition_created(title="Emma", contributors=())
    second = edition_created(title="Emma", contributors=(), edition_id=OTHER_ID, sku="X")
    both = fold(PROJECTION, log_of(first, second))
    one = fold(PROJECTION, log_of(first, second, edition_revised(second, title="Persuasion")))
    none = fold(
        PROJECTION,
        log_of(first, second, edition_revised(second, title="Persuasion"), edition_revised(first, title="Lady Susan")),
    )

    assert (_terms(both, VOCABULARY)["emma"].editions, _terms(one, VOCABULARY)["emma"].editions) == (2, 1)
    assert both[TRIGRAM, "emm", "emma"].editions == 2
    assert "emma" not in _terms(none, VOCABULARY)
    assert (TRIGRAM, "emm", "emma") not in none


def test_the_edition_row_is_the_catalogues() -> None:
    """Whatever happens to it, search shows what the catalogue shows."""
    created = edition_created()
    events = log_of(created, edition_revised(created, title="Emma"), edition_priced(5), edition_discontinued())
    row = fold(PROJECTION, events)[EDITION, f"{EDITION_ID}", ""]

    assert row.edition == fold(edition_catalogue.PROJECTION, events)[EDITION_ID,]
    assert (row.popularity, row.phrase) == (100, "emma")


_WORDS = st.lists(st.sampled_from(["emma", "Émma", "jane", "eyre", "the", "1984", "potter", "poter"]), max_size=5)
_FACTS = st.tuples(_WORDS.map(" ".join), st.lists(_WORDS.map(" ".join), max_size=2))


@given(st.lists(_FACTS, min_size=1, max_size=5))
def test_after_any_revisions_the_rows_are_those_of_a_fresh_edition(facts: list[tuple[str, list[str]]]) -> None:
    """Nothing of an earlier title stays, nothing of the last one is missing."""
    (title, names), *later = facts
    created = edition_created(title=title, contributors=authors(*names))
    events: list[Any] = [created]
    for next_title, next_names in later:
        events.append(edition_revised(events[-1], title=next_title, contributors=authors(*next_names)))
    last_title, last_names = facts[-1]
    fresh = edition_created(title=last_title, contributors=authors(*last_names))

    # The same version, or the edition's row would differ in that alone.
    expected = fold(PROJECTION, [recorded(fresh, stream_version=len(events))])
    assert fold(PROJECTION, log_of(*events)) == expected


@given(st.lists(_FACTS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_unrelated_editions_does_not_matter(facts: list[tuple[str, list[str]]], random: Any) -> None:  # noqa: ANN401 - hypothesis' own
    """Counts add up the same, however tenants' imports are cut into batches."""
    created = [
        edition_created(edition_id=UUID(int=100 + number), title=title, contributors=authors(*names), sku=f"S{number}")
        for number, (title, names) in enumerate(facts)
    ]
    shuffled = random.sample(created, len(created))

    assert fold(PROJECTION, [recorded(event) for event in created]) == fold(
        PROJECTION, [recorded(event) for event in shuffled]
    )


def test_a_row_keeps_only_what_its_kind_says() -> None:
    """Words hold no edition, editions no count."""
    rows = fold(PROJECTION, log_of(edition_created()))
    bare = SearchEntry(kind=WORD, term="pride", subject=f"{EDITION_ID}", fields=IN_TITLE)

    assert rows[WORD, "pride", f"{EDITION_ID}"] == bare
