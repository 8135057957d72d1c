"""The shape of `edition_search`: a dictionary of the catalogue's words, and what each leads to.

Under row-level security an index serves equality and ranges only, so every way to find an edition is a row to be equal
to, or a range to be in. One table, so that all of an answer is of one position; what a row means, its `kind` says:

| kind | term | subject | says |
|---|---|---|---|
| `edition` | the edition's id | | the edition as answers show it, and what ranks it |
| `word` | a word | an edition's id | the word stands in the edition's title or contributors |
| `code` | ISBN-13, ISBN-10 or SKU | an edition's id | the number is the edition's |
| `vocabulary` | a word | | how many editions have the word |
| `trigram` | three letters | a word | the word has them: words that share many with a typo are what it may have meant |
"""

import re

import msgspec
from sqlalchemy import BigInteger, Column, Integer, SmallInteger, Text
from sqlalchemy.dialects.postgresql import JSONB

from read_side.edition_catalogue.view import EditionRow, fold_text
from shared_kernel.views import View, view_table

NAME = "edition_search"
VERSION = 1

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


VIEW = View(
    name=NAME,
    version=VERSION,
    row=SearchEntry,
    key=("kind", "term", "subject"),
    table=view_table(
        NAME,
        VERSION,
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
