"""What the words of a query may mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_side.edition_catalogue.matching import (
    COMMON_EDITIONS,
    MAX_BEGINNINGS,
    MAX_COMMON_BEGINNINGS,
    MAX_QUERY_WORDS,
    Candidate,
    meanings_of,
    terms_of,
    typos_between,
)


def _candidates(**editions: int) -> list[Candidate]:
    return [Candidate(slot=0, word=word, editions=number) for word, number in editions.items()]


@pytest.mark.parametrize(
    ("typed", "code", "is_number"),
    [
        ("978-0-14-143951-8", "9780141439518", True),
        ("ISBN-13: 978 0141439518", "9780141439518", True),
        ("ISBN 0-439-02348-X", "043902348X", True),
        ("0439023", "0439023", True),
        ("1984", "1984", False),
        ("gb-000123", "GB000123", False),
        ("emma", None, False),
        ("22", None, False),
    ],
)
def test_a_number_is_told_from_words(typed: str, code: str | None, is_number: bool) -> None:  # noqa: FBT001 - a case's column
    """With or without hyphens and label; a short one may be a title as well."""
    terms = terms_of(typed)

    assert (terms.code, terms.is_number) == (code, is_number)


def test_a_query_has_a_bounded_number_of_words() -> None:
    """However long it is."""
    assert len(terms_of(" ".join("abcdefghijklmn")).words) == MAX_QUERY_WORDS


@pytest.mark.parametrize(
    ("typed", "meant", "typos"),
    [
        ("poter", "potter", 1),
        ("tolkein", "tolkien", 1),
        ("pryde", "pride", 1),
        ("dostoyevski", "dostoevsky", 2),
        ("emma", "emma", 0),
        ("emma", "persuasion", None),
        ("abcd", "badc", 2),
        ("hobbit", "rabbit", 2),
    ],
)
def test_typos_are_letters_wrong_missing_too_many_or_swapped(typed: str, meant: str, typos: int | None) -> None:
    """Two neighbours swapped are one typo."""
    assert typos_between(typed, meant, at_most=2) == typos


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_typos_count_the_same_both_ways(left: str, right: str) -> None:
    """A distance is symmetric, and nothing only between equals."""
    assert typos_between(left, right, at_most=6) == typos_between(right, left, at_most=6)
    assert (typos_between(left, right, at_most=6) == 0) == (left == right)


def test_a_word_as_it_is_is_worth_more_than_a_beginning_and_that_more_than_a_typo() -> None:
    """And in a title more than in a name."""
    meanings = {each.word: each for each in meanings_of(["pride"], _candidates(pride=1, prides=5, bride=9, tride=1))}

    assert [meanings[word].in_title for word in ("pride", "prides", "bride")] == [100, 60, 30]
    assert all(meaning.in_title > meaning.in_contributors for meaning in meanings.values())


def test_a_frequent_word_is_not_taken_for_a_misprint() -> None:
    """Nobody who types `pride` wants brides, where pride is what many books have."""
    assert {each.word for each in meanings_of(["pride"], _candidates(pride=3, bride=9))} == {"pride"}
    assert {each.word for each in meanings_of(["pride"], _candidates(pride=2, bride=9))} == {"pride", "bride"}


def test_a_word_in_many_editions_does_not_lead_where_another_can() -> None:
    """`the` is looked up in what `hobbit` finds."""
    the = Candidate(slot=0, word="the", editions=COMMON_EDITIONS + 1)
    hobbit = Candidate(slot=1, word="hobbit", editions=3)

    assert {each.word: each.leads for each in meanings_of(["the", "hobbit"], [the, hobbit])} == {
        "the": False,
        "hobbit": True,
    }
    assert [each.leads for each in meanings_of(["the"], [the])] == [True]


def test_a_rare_word_weighs_more_than_a_frequent_one() -> None:
    """And the most frequent still weighs something."""
    editions = {"of": 2**40, "great": 200, "gatsby": 1}
    found = [Candidate(slot=slot, word=word, editions=editions[word]) for slot, word in enumerate(editions)]

    assert [each.weight for each in meanings_of(list(editions), found)] == [1, 12, 19]


def test_what_a_beginning_may_stand_for_is_bounded() -> None:
    """The most frequent words first; fewer where the slot does not lead."""
    many = [Candidate(slot=0, word=f"th{number:03}", editions=number) for number in range(200)]
    rare = Candidate(slot=1, word="hobbit", editions=1)

    alone = meanings_of(["th"], many)
    beside = [each for each in meanings_of(["th", "hobbit"], [*many, rare]) if each.slot == 0]
    assert [each.word for each in alone[:2]] == ["th199", "th198"]
    assert (len(alone), len(beside)) == (MAX_BEGINNINGS, MAX_COMMON_BEGINNINGS + 1)
