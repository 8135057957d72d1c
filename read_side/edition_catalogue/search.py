"""Search in two statements of one snapshot: what the query's words may mean, then which editions have most of them."""

from collections.abc import Sequence
from typing import Annotated, Final, TypeAlias

import msgspec

from read_side.edition_catalogue.matching import Candidate, Meaning, Terms, meanings_of, terms_of
from read_side.edition_catalogue.view import (
    EDITION,
    SEARCH_VIEW,
    EditionRow,
    EditionStatus,
    edition_of,
    phrase_of,
    trigrams_of,
)
from read_side.query_execution import (
    Answer,
    PlaceInt64,
    PlaceText,
    Record,
    Snapshot,
    decode_cursor,
    encode_cursor,
)
from shared_kernel.views import encode_key

_TABLE: Final = f"{SEARCH_VIEW.table.fullname}"
_LAST_CHARACTER: Final = "\U0010ffff"
"""What begins with a text lies between it and it followed by this."""
_NUMBER_BEGINNING: Final = 500
_CODE_BEGINNING: Final = 40
"""Below a title's word: `1984` is a book before it is an ISBN's beginning. A whole number (1000) beats all words."""
_MAX_QUERY_CHARACTERS: Final = 200
_MAX_CURSOR_CHARACTERS: Final = 2048

# Every row is reached by equality or a range over the primary key (tenant, build, kind, term, subject), which row-level
# security lets an index serve; every LIMIT bounds what a store of any size can cost.
CANDIDATES: Final = f"""
SELECT s.slot, found.term AS word, found.editions
FROM unnest($3::int[], $4::text[], $5::text[]) AS s(slot, word, ceiling)
CROSS JOIN LATERAL (
    SELECT v.term, v.editions FROM {_TABLE} v
    WHERE v.tenant_id = $1 AND v.build = $2 AND v.kind = 'vocabulary' AND v.term >= s.word AND v.term < s.ceiling
    ORDER BY v.term = s.word DESC, v.editions DESC, v.term LIMIT 51
) found
UNION
SELECT slot, word, editions FROM (
    SELECT g.slot, found.subject AS word, found.editions, row_number() OVER (
        PARTITION BY g.slot ORDER BY count(*) DESC, abs(length(found.subject) - g.characters), found.subject) AS place
    FROM unnest($6::int[], $7::text[], $8::int[]) AS g(slot, trigram, characters)
    CROSS JOIN LATERAL (
        SELECT t.subject, t.editions FROM {_TABLE} t
        WHERE t.tenant_id = $1 AND t.build = $2 AND t.kind = 'trigram' AND t.term = g.trigram
            AND length(t.subject) BETWEEN g.characters - 2 AND g.characters + 2
        ORDER BY t.subject LIMIT 3000
    ) found
    GROUP BY g.slot, g.characters, found.subject, found.editions
) resembling WHERE place <= 64
"""  # noqa: S608 - the name of a Table

RANKED: Final = f"""
WITH wanted AS (
    SELECT * FROM unnest($3::int[], $4::text[], $5::int[], $6::int[], $7::int[], $8::boolean[])
        AS w(slot, word, in_title, in_contributors, weight, leads)
), led AS (
    SELECT w.slot, w.weight, s.subject,
        max(CASE WHEN s.fields >= 2 THEN w.in_title ELSE w.in_contributors END) AS score
    FROM wanted w CROSS JOIN LATERAL (
        SELECT t.subject, t.fields FROM {_TABLE} t
        WHERE t.tenant_id = $1 AND t.build = $2 AND t.kind = 'word' AND t.term = w.word ORDER BY t.subject LIMIT 20000
    ) s
    WHERE w.leads GROUP BY w.slot, w.weight, s.subject
), followed AS (
    SELECT w.slot, w.weight, s.subject,
        max(CASE WHEN s.fields >= 2 THEN w.in_title ELSE w.in_contributors END) AS score
    FROM (SELECT DISTINCT subject FROM led) known CROSS JOIN wanted w CROSS JOIN LATERAL (
        SELECT t.subject, t.fields FROM {_TABLE} t
        WHERE t.tenant_id = $1 AND t.build = $2 AND t.kind = 'word' AND t.term = w.word AND t.subject = known.subject
        LIMIT 1
    ) s
    WHERE NOT w.leads GROUP BY w.slot, w.weight, s.subject
), numbered AS (
    SELECT -1 AS slot, max(CASE WHEN c.term = $9::text THEN 1000 ELSE 19 END) AS weight, c.subject,
        max(CASE WHEN c.term = $9::text THEN 1000 ELSE $11::int END) AS score
    FROM (
        SELECT t.term, t.subject FROM {_TABLE} t
        WHERE t.tenant_id = $1 AND t.build = $2 AND t.kind = 'code' AND t.term >= $9::text AND t.term < $10::text
        ORDER BY t.term, t.subject LIMIT 200
    ) c GROUP BY c.subject
), scored AS (
    SELECT subject, sum(weight) AS matched, sum(score) AS score
    FROM (SELECT * FROM led UNION ALL SELECT * FROM followed UNION ALL SELECT * FROM numbered) hits GROUP BY subject
), best AS (
    SELECT subject, 10000 * matched + score AS score FROM scored
    WHERE 4 * matched >= 3 * (SELECT max(matched) FROM scored)
), ranked AS (
    SELECT e.term, e.edition, e.popularity, e.phrase,
        best.score
            + CASE WHEN e.phrase = $12::text THEN 100 WHEN starts_with(e.phrase, $12::text) THEN 20 ELSE 0 END AS score
    FROM best CROSS JOIN LATERAL (
        SELECT t.term, t.edition, t.popularity, t.phrase FROM {_TABLE} t
        WHERE t.tenant_id = $1 AND t.build = $2 AND t.kind = 'edition' AND t.term = best.subject AND t.subject = ''
        LIMIT 1
    ) e
)
SELECT term, edition::text AS edition, popularity, phrase, score::bigint AS score FROM ranked
WHERE ($13::text IS NULL OR edition->>'status' = $13) AND ($14::text IS NULL OR edition->>'format' = $14)
    AND ($15::text IS NULL OR edition->>'language' = $15) AND ($16::text IS NULL OR edition->>'publisher' = $16)
    AND ($17::bigint IS NULL
        OR (-score, -popularity, phrase, term) > (-$17::bigint, -$18::bigint, $19::text, $20::text))
ORDER BY score DESC, popularity DESC, phrase, term LIMIT $21
"""  # noqa: S608 - the name of a Table

Place: TypeAlias = tuple[int, int, str, str]
"""Score, popularity, phrase and id of a page's last edition: what orders the list, so nothing is shown twice."""


class SearchText(msgspec.Struct, frozen=True, kw_only=True):
    """What to search for: words of title and names, beginnings of words, words with a typo, or a number."""

    q: Annotated[str, msgspec.Meta(max_length=_MAX_QUERY_CHARACTERS)] | None = None


class SearchParameters(msgspec.Struct, frozen=True, kw_only=True):
    """`/editions?q=`: the best match first, so there is no sort."""

    q: Annotated[str, msgspec.Meta(max_length=_MAX_QUERY_CHARACTERS)]
    status: EditionStatus | None = None
    format: str | None = None
    language: str | None = None
    publisher: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, msgspec.Meta(max_length=_MAX_CURSOR_CHARACTERS)] | None = None


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a search, its cursor opened; `after` is the place of the last edition of the page before."""

    q: str
    status: EditionStatus | None
    format: str | None
    language: str | None
    publisher: str | None
    limit: int
    after: Place | None = None

    @property
    def question(self) -> tuple[object, ...]:
        """What a cursor belongs to."""
        return "search", self.q, self.status, self.format, self.language, self.publisher


def resolve_search(parameters: SearchParameters) -> SearchQuery:
    """The search, with nothing left open.

    Raises:
        InvalidCursor: the cursor is of another search.
    """
    query = SearchQuery(
        q=parameters.q,
        status=parameters.status,
        format=parameters.format,
        language=parameters.language,
        publisher=parameters.publisher,
        limit=parameters.limit,
    )
    if parameters.cursor is None:
        return query
    after = decode_cursor(query.question, parameters.cursor, tuple[PlaceInt64, PlaceInt64, PlaceText, PlaceText])
    return msgspec.structs.replace(query, after=after)


async def search_editions(snapshot: Snapshot, query: SearchQuery) -> Answer:
    """The editions that have the most of the query's words, the best first.

    What has three quarters of what the best one has, rare words weighing more, is found; what has more comes first.
    Among equals a word is worth most as it is, less as a beginning, least with a typo, and more in the title than in
    the names; then popularity, title and id decide.
    """
    terms = terms_of(query.q)
    records = await _ranked(snapshot, query, terms, await _meanings(snapshot, terms))
    shown = records[: query.limit]
    has_more = len(records) > query.limit
    last = shown[-1] if has_more else None
    return Answer(
        data=msgspec.json.encode([edition_of(_edition.decode(record["edition"])) for record in shown]),
        next_cursor=encode_cursor(query.question, _place_of(last)) if last else None,
        has_more=has_more,
        row_keys=tuple(encode_key((EDITION, record["term"], "")) for record in shown),
    )


_edition = msgspec.json.Decoder(EditionRow)


async def _meanings(snapshot: Snapshot, terms: Terms) -> list[Meaning]:
    if not terms.words or terms.is_number:
        return []
    trigrams = [
        (slot, trigram, len(word)) for slot, word in enumerate(terms.words) for trigram in sorted(trigrams_of(word))
    ]
    records = await snapshot.rows(
        CANDIDATES,
        list(range(len(terms.words))),
        list(terms.words),
        [word + _LAST_CHARACTER for word in terms.words],
        [slot for slot, _, _ in trigrams],
        [trigram for _, trigram, _ in trigrams],
        [characters for _, _, characters in trigrams],
    )
    candidates = (Candidate(slot=each["slot"], word=each["word"], editions=each["editions"]) for each in records)
    return meanings_of(terms.words, candidates)


async def _ranked(snapshot: Snapshot, query: SearchQuery, terms: Terms, meanings: Sequence[Meaning]) -> list[Record]:
    if not meanings and terms.code is None:
        return []
    score, popularity, phrase, term = query.after or (None,) * 4
    return await snapshot.rows(
        RANKED,
        [meaning.slot for meaning in meanings],
        [meaning.word for meaning in meanings],
        [meaning.in_title for meaning in meanings],
        [meaning.in_contributors for meaning in meanings],
        [meaning.weight for meaning in meanings],
        [meaning.leads for meaning in meanings],
        terms.code,
        None if terms.code is None else terms.code + _LAST_CHARACTER,
        _NUMBER_BEGINNING if terms.is_number else _CODE_BEGINNING,
        phrase_of(query.q),
        query.status,
        query.format,
        query.language,
        query.publisher,
        score,
        popularity,
        phrase,
        term,
        query.limit + 1,
    )


def _place_of(record: Record) -> Place:
    return record["score"], record["popularity"], record["phrase"], record["term"]
