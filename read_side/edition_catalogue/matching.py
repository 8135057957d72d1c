"""What the words of a query may mean: each as it is, as a beginning, or with a typo; pure, bounded, deterministic."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from read_side.edition_catalogue.view import TYPO_CHARACTERS, code_of, words_of

MAX_QUERY_WORDS: Final = 8
MAX_BEGINNINGS: Final = 50
"""Words a beginning may stand for, the most frequent first: what is typed of a word soon has fewer."""
MAX_COMMON_BEGINNINGS: Final = 8
MAX_TYPOS: Final = 8
COMMON_EDITIONS: Final = 1_000
"""What stands in more editions than this does not lead the search, but is looked up in what the other words found."""
MISPRINT_EDITIONS: Final = 2
"""A word in no more editions than this may itself be a misprint, so that others are tried beside it."""
MAX_WEIGHT: Final = 20
"""Less one for every doubling of the editions that have a word: a million of them still weigh something."""
_LONG_WORD_CHARACTERS: Final = 8
"""From here on two typos are taken for one word's."""
_CODE_CHARACTERS: Final = range(4, 41)
_LONG_CODE_CHARACTERS: Final = 7
"""Digits of this number are part of an ISBN, not a title such as 1984."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A word of the vocabulary that shares a beginning or trigrams with the query's word number `slot`."""

    slot: int
    word: str
    editions: int


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """A word to look up for one of the query's.

    Attributes:
        slot: which of the query's.
        word: of the vocabulary.
        in_title: what it is worth there.
        in_contributors: and there.
        weight: of the slot: how much it tells which edition is meant, so that `the` counts less than `hobbit`.
        leads: whether the slot finds editions, or is only looked up in what others found.
    """

    slot: int
    word: str
    in_title: int
    in_contributors: int
    weight: int
    leads: bool


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a query is made of.

    Attributes:
        words: in order; the place is the slot.
        code: a number it may be, or the beginning of one.
        is_number: whether the code is long enough to be nothing else.
    """

    words: tuple[str, ...]
    code: str | None
    is_number: bool


_ISBN_LABEL: Final = re.compile(r"^\s*ISBN(?:[- ]?1[03](?=[:\s]))?[-:\s]*", re.IGNORECASE)
_EXACT: Final = (100, 90)
_BEGINNING: Final = (60, 50)
_BY_TYPOS: Final = {1: (30, 25), 2: (15, 12)}


def terms_of(text: str) -> Terms:
    """The words and the number in a query; words past the bound are not searched for."""
    code = code_of(_ISBN_LABEL.sub("", text))
    is_code = len(code) in _CODE_CHARACTERS and any(character.isdecimal() for character in code)
    return Terms(
        words=tuple(words_of(text)[:MAX_QUERY_WORDS]),
        code=code if is_code else None,
        is_number=is_code and len(code) >= _LONG_CODE_CHARACTERS and code[:-1].isdecimal(),
    )


def meanings_of(words: Sequence[str], candidates: Iterable[Candidate]) -> list[Meaning]:
    """What to look up for each word, and which words lead: those that are rare enough, or else the rarest."""
    by_slot: list[list[Candidate]] = [[] for _ in words]
    for candidate in candidates:
        by_slot[candidate.slot].append(candidate)
    valued = [_valued(word, found) for word, found in zip(words, by_slot, strict=True)]
    spread = [sum(candidate.editions for candidate, _ in slot) for slot in valued]
    rarest = min((editions for editions in spread if editions), default=0)
    meanings: list[Meaning] = []
    for slot, editions in zip(valued, spread, strict=True):
        leads = editions <= max(COMMON_EDITIONS, rarest)
        weight = max(1, MAX_WEIGHT - editions.bit_length())
        meanings.extend(_meanings(slot if leads else _most_valued(slot), weight=weight, leads=leads))
    return meanings


def typos_between(left: str, right: str, *, at_most: int) -> int | None:
    """How many letters are wrong, missing, too many or swapped with the next; None past `at_most`.

    Source: optimal string alignment, Damerau 1964.
    """
    if abs(len(left) - len(right)) > at_most:
        return None
    earlier: list[int] = []
    last = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            cost = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == other:
                cost = min(cost, earlier[column - 2] + 1)
            current.append(cost)
        if min(current) > at_most:
            return None
        earlier, last = last, current
    return last[-1] if last[-1] <= at_most else None


def _valued(word: str, candidates: Iterable[Candidate]) -> list[tuple[Candidate, tuple[int, int]]]:
    ordered = sorted(candidates, key=lambda candidate: (-candidate.editions, candidate.word))
    exact = [candidate for candidate in ordered if candidate.word == word]
    begun = [candidate for candidate in ordered if candidate.word != word and candidate.word.startswith(word)]
    valued = [(candidate, _EXACT) for candidate in exact]
    valued += [(candidate, _BEGINNING) for candidate in begun[:MAX_BEGINNINGS]]
    if sum(candidate.editions for candidate in exact) <= MISPRINT_EDITIONS:
        valued += _typos(word, [candidate for candidate in ordered if not candidate.word.startswith(word)])
    return valued


def _typos(word: str, candidates: Iterable[Candidate]) -> list[tuple[Candidate, tuple[int, int]]]:
    if len(word) not in TYPO_CHARACTERS:
        return []
    at_most = 2 if len(word) >= _LONG_WORD_CHARACTERS else 1
    found = [
        (typos, candidate)
        for candidate in candidates
        if (typos := typos_between(word, candidate.word, at_most=at_most)) is not None
    ]
    found.sort(key=lambda pair: (pair[0], -pair[1].editions, pair[1].word))
    return [(candidate, _BY_TYPOS[typos]) for typos, candidate in found[:MAX_TYPOS]]


def _most_valued(
    slot: Sequence[tuple[Candidate, tuple[int, int]]],
) -> Sequence[tuple[Candidate, tuple[int, int]]]:
    return slot[: 1 + MAX_COMMON_BEGINNINGS]


def _meanings(slot: Iterable[tuple[Candidate, tuple[int, int]]], *, weight: int, leads: bool) -> Iterable[Meaning]:
    return [
        Meaning(
            slot=candidate.slot,
            word=candidate.word,
            in_title=in_title,
            in_contributors=in_contributors,
            weight=weight,
            leads=leads,
        )
        for candidate, (in_title, in_contributors) in slot
    ]
