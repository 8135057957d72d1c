"""The shapes of the catalogue: `edition_catalogue` has a row an edition, `edition_search` a dictionary of their words.

Under row-level security an index serves equality and ranges only, so every way to find an edition is a row to be equal
to, or a range to be in. One table, so that all of an answer is of one position; what its row means, its `kind` says:

| kind | term | subject | says |
|---|---|---|---|
| `edition` | the edition's id | | the edition as answers show it, and what ranks it |
| `word` | a word | an edition's id | the word stands in the edition's title or contributors |
| `code` | ISBN-13, ISBN-10 or SKU | an edition's id | the number is the edition's |
| `vocabulary` | a word | | how many editions have the word |
| `trigram` | three letters | a word | the word has them: words that share many with a typo are what it may have meant |
"""

import re
import unicodedata
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.money import Money
from shared_kernel.views import View, view_table

NAME = "edition_catalogue"
VERSION = 1
EditionStatus: TypeAlias = Literal["active", "discontinued"]
ACTIVE: EditionStatus = "active"
DISCONTINUED: EditionStatus = "discontinued"

UNKNOWN_DATE = -(10**9)
"""Sorts before every year there is: keyset pages need a column without nulls."""
_MAX_TITLE_ORDER_CHARACTERS = 200
"""Enough to sort by, and far below what an index entry may hold."""
_LETTERS_WITHOUT_DECOMPOSITION = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ħ": "h"}
    | {"\N{LATIN SMALL LETTER DOTLESS I}": "i"}
)


class Contributor(msgspec.Struct, frozen=True, kw_only=True):
    """Who made the book, and as what."""

    name: str
    role: str


class EditionRow(msgspec.Struct, frozen=True, kw_only=True):
    """An edition as it stands.

    Attributes:
        title_order: what lists by title sort by (`fold_text`).
        published_order: `published_on` as a number that sorts (`published_order`).
        popularity: only its order matters; 0 where unknown.
        version: the aggregate's, for `If-Match`.
    """

    edition_id: UUID
    sku: str
    isbn13: str | None
    isbn10: str | None
    title: str
    title_order: str
    contributors: tuple[Contributor, ...]
    format: str
    publisher: str | None
    published_on: str | None
    published_order: int
    language: str | None
    subjects: tuple[str, ...]
    currency: str
    list_price_minor: int
    tax_class: str
    status: str
    popularity: int
    version: int


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """An edition as answers show it."""

    id: UUID
    sku: str
    isbn13: str | None
    isbn10: str | None
    title: str
    contributors: tuple[Contributor, ...]
    format: str
    publisher: str | None
    published_on: str | None
    language: str | None
    subjects: tuple[str, ...]
    list_price: Money
    tax_class: str
    status: str
    popularity: int
    version: int


def edition_of(row: EditionRow) -> Edition:
    """The row as answers show it."""
    return Edition(
        id=row.edition_id,
        sku=row.sku,
        isbn13=row.isbn13,
        isbn10=row.isbn10,
        title=row.title,
        contributors=row.contributors,
        format=row.format,
        publisher=row.publisher,
        published_on=row.published_on,
        language=row.language,
        subjects=row.subjects,
        list_price=Money(amount_minor=row.list_price_minor, currency=row.currency),
        tax_class=row.tax_class,
        status=row.status,
        popularity=row.popularity,
        version=row.version,
    )


def fold_text(text: str) -> str:
    """The text without case and accents, for sorting and searching: `Brontë` and `BRONTE` are one.

    Its meaning is part of the versions of the views that store it.
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return bare.translate(_LETTERS_WITHOUT_DECOMPOSITION)


def title_order(title: str) -> str:
    """What lists by title sort by."""
    return fold_text(title)[:_MAX_TITLE_ORDER_CHARACTERS]


def published_order(published_on: str | None) -> int:
    """A date of reduced precision as a number: year, month and day, the missing ones 0, before Christ negative.

    Source: ISO 8601-2, `1813-01-28`, `1813-01`, `1813`, `-0750`.
    """
    if published_on is None:
        return UNKNOWN_DATE
    before_christ = published_on.startswith("-")
    year, month, day = (*(int(part) for part in published_on.lstrip("-").split("-")), 0, 0)[:3]
    return (-year if before_christ else year) * 10_000 + month * 100 + day


_encoder = msgspec.json.Encoder()


def _body(row: EditionRow) -> bytes:
    return _encoder.encode(edition_of(row))


VIEW = View(
    name=NAME,
    version=VERSION,
    row=EditionRow,
    key=("edition_id",),
    table=view_table(
        NAME,
        VERSION,
        Column("edition_id", Uuid, primary_key=True),
        Column("sku", Text, nullable=False),
        Column("isbn13", Text),
        Column("isbn10", Text),
        Column("title", Text, nullable=False),
        Column("title_order", Text, nullable=False),
        Column("contributors", JSONB, nullable=False),
        Column("format", Text, nullable=False),
        Column("publisher", Text),
        Column("published_on", Text),
        Column("published_order", Integer, nullable=False),
        Column("language", Text),
        Column("subjects", JSONB, nullable=False),
        Column("currency", Text, nullable=False),
        Column("list_price_minor", BigInteger, nullable=False),
        Column("tax_class", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("popularity", BigInteger, nullable=False),
        Column("version", Integer, nullable=False),
        Index(None, "title_order", "edition_id"),
        Index(None, "popularity", "edition_id"),
        Index(None, "list_price_minor", "edition_id"),
        Index(None, "published_order", "edition_id"),
        Index(None, "sku"),
        Index(None, "isbn13"),
        Index(None, "publisher"),
    ),
    body=_body,
)

EDITION = "edition"
WORD = "word"
CODE = "code"
VOCABULARY = "vocabulary"
TRIGRAM = "trigram"

IN_CONTRIBUTORS = 1
IN_TITLE = 2

MAX_WORDS = 24
"""Of a title, and of all its contributors together: what a longer one adds is hardly searched for."""
MAX_WORD_CHARACTERS = 32
TYPO_CHARACTERS = range(4, 25)
"""Words of other lengths are not searched for with typos: shorter ones resemble too much, longer ones are no words."""
_WORD = re.compile(r"[^\W_]+")
_APOSTROPHES = re.compile("['\u2019\u02bc`\u00b4]")
_NOT_OF_A_CODE = re.compile(r"[^0-9A-Z]")
_TRIGRAM_CHARACTERS = 3


class SearchEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the dictionary; which of the last five are set depends on `kind`.

    Attributes:
        fields: of a `word`: IN_TITLE, IN_CONTRIBUTORS or their sum.
        editions: of a `vocabulary` or `trigram` row: how many editions have the word; at 0 the row goes.
        popularity: of an `edition`.
        phrase: of an `edition`: its title's words, for whoever types the title as it is.
        edition: of an `edition`.
    """

    kind: str
    term: str
    subject: str
    fields: int = 0
    editions: int = 0
    popularity: int = 0
    phrase: str = ""
    edition: EditionRow | None = None


def words_of(text: str) -> list[str]:
    """The words as the dictionary has them, in order, each once, bounded in number and length."""
    bare = _APOSTROPHES.sub("", fold_text(text))
    return list(dict.fromkeys(word[:MAX_WORD_CHARACTERS] for word in _WORD.findall(bare)))[:MAX_WORDS]


def phrase_of(text: str) -> str:
    """The words of a title or a query in a row."""
    return " ".join(words_of(text))


def code_of(text: str) -> str:
    """A number without what printing puts between its parts."""
    return _NOT_OF_A_CODE.sub("", text.upper())


def trigrams_of(word: str) -> frozenset[str]:
    """The word's runs of three characters, its ends marked; none where it is not searched for with typos."""
    if len(word) not in TYPO_CHARACTERS or word.isdecimal():
        return frozenset()
    marked = f"^{word}$"
    return frozenset(marked[start : start + _TRIGRAM_CHARACTERS] for start in range(len(word)))


SEARCH_VIEW = View(
    name="edition_search",
    version=1,
    row=SearchEntry,
    key=("kind", "term", "subject"),
    table=view_table(
        "edition_search",
        1,
        Column("kind", Text, primary_key=True),
        Column("term", Text, primary_key=True),
        Column("subject", Text, primary_key=True),
        Column("fields", SmallInteger, nullable=False),
        Column("editions", Integer, nullable=False),
        Column("popularity", BigInteger, nullable=False),
        Column("phrase", Text, nullable=False),
        Column("edition", JSONB),
    ),
)
