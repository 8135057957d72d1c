"""The fold of `edition_search`: an edition's words come with it, and go when its title or contributors change."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias, assert_never, cast
from uuid import UUID

import msgspec

from projections import edition_catalogue
from projections.edition_catalogue import EditionEvent
from projections.fold import AnyRecorded, Part, Projection
from read_side.edition_catalogue.view import (
    CODE,
    EDITION,
    IN_CONTRIBUTORS,
    IN_TITLE,
    SEARCH_VIEW,
    TRIGRAM,
    VOCABULARY,
    WORD,
    SearchEntry,
    code_of,
    phrase_of,
    trigrams_of,
    words_of,
)
from shared_kernel.events.catalog import Contributor, EditionCreated, EditionDiscontinued, EditionPriced, EditionRevised
from shared_kernel.isbn import Isbn13, isbn10_of
from shared_kernel.views import Key


class Leads(msgspec.Struct, frozen=True, kw_only=True):
    """Part: the term leads to the edition, through these fields; through none, no longer."""

    fields: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Part: one edition more, or less, has the word."""

    change: int


SearchPart: TypeAlias = EditionEvent | Leads | Counts
_NO_WORDS: Mapping[str, int] = {}


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, Part]]:
    """The edition's row, and every word it gains, loses or has in another field; each with its key beside its part."""
    event = cast("EditionEvent", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    key = (EDITION, str(event.edition_id), "")
    yield key, (key, event)
    match event:
        case EditionCreated():
            yield from _codes(event)
            yield from _moves(event.edition_id, _NO_WORDS, _words(event.title, event.contributors))
        case EditionRevised():
            before = _words(event.previous_title, event.previous_contributors)
            yield from _moves(event.edition_id, before, _words(event.title, event.contributors))
        case EditionPriced() | EditionDiscontinued():
            pass  # no word changes
        case _:
            assert_never(event)


def evolve(
    row: SearchEntry | None, keyed: tuple[tuple[str, str, str], SearchPart], recorded: AnyRecorded
) -> SearchEntry | None:
    """The row after the part; what leads nowhere, and what no edition has, is gone."""
    (kind, term, subject), part = keyed
    match part:
        case Leads():
            return SearchEntry(kind=kind, term=term, subject=subject, fields=part.fields) if part.fields else None
        case Counts():
            editions = part.change + (0 if row is None else row.editions)
            return SearchEntry(kind=kind, term=term, subject=subject, editions=editions) if editions > 0 else None
        case EditionCreated() | EditionRevised() | EditionPriced() | EditionDiscontinued():
            return _edition(row, part, recorded)
        case _:
            assert_never(part)


def _edition(row: SearchEntry | None, event: EditionEvent, recorded: AnyRecorded) -> SearchEntry | None:
    edition = edition_catalogue.evolve(None if row is None else row.edition, event, recorded)
    if edition is None:
        return None
    return SearchEntry(
        kind=EDITION,
        term=str(edition.edition_id),
        subject="",
        popularity=edition.popularity,
        phrase=phrase_of(edition.title),
        edition=edition,
    )


def _codes(event: EditionCreated) -> Iterator[tuple[Key, Part]]:
    numbers = [event.sku]
    if event.isbn13 is not None:
        numbers += [event.isbn13, isbn10_of(Isbn13(event.isbn13)) or ""]
    for code in dict.fromkeys(code_of(number) for number in numbers):
        if code:
            key = (CODE, code, str(event.edition_id))
            yield key, (key, Leads(fields=IN_TITLE))


def _moves(edition_id: UUID, before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[tuple[Key, Part]]:
    for word in before.keys() | after.keys():
        fields = after.get(word, 0)
        if fields == before.get(word, 0):
            continue
        key = (WORD, word, str(edition_id))
        yield key, (key, Leads(fields=fields))
        change = (word in after) - (word in before)
        if change:
            yield from _counts(word, Counts(change=change))


def _counts(word: str, part: Counts) -> Iterator[tuple[Key, Part]]:
    key = (VOCABULARY, word, "")
    yield key, (key, part)
    for trigram in trigrams_of(word):
        key = (TRIGRAM, trigram, word)
        yield key, (key, part)


def _words(title: str, contributors: tuple[Contributor, ...]) -> dict[str, int]:
    """Each word of an edition, and the fields it stands in."""
    fields = dict.fromkeys(words_of(" ".join(contributor.name for contributor in contributors)), IN_CONTRIBUTORS)
    for word in words_of(title):
        fields[word] = fields.get(word, 0) + IN_TITLE
    return fields


PROJECTION = Projection(view=SEARCH_VIEW, handles=edition_catalogue.PROJECTION.handles, touches=touches, evolve=evolve)
