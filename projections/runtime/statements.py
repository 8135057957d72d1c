"""Many views' rows by one statement: composed of what each view's codec says, with the parameters numbered through.

What a batch touches is a handful of different sets of views, so a session prepares each composition once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from functools import lru_cache
from itertools import islice
from typing import Any, TypeAlias, TypeVar, assert_never
from uuid import UUID

import msgspec
from asyncpg import Record

from projections.runtime.checkpoints import BuildId
from projections.runtime.codec import ViewCodec
from projections.runtime.describing import describe
from projections.runtime.folding import AnyStoredRow, Changes, RowKey, Unreadable
from shared_kernel.database.pool import Connection

AnyCodec: TypeAlias = ViewCodec[Any]  # Any: views of every row type, side by side
FoundRows: TypeAlias = dict[RowKey, AnyStoredRow | Unreadable]
ItemT = TypeVar("ItemT")

MOST_ROWS = 5_000
"""Rows of a view in a statement: large enough to be set-based, small enough that an array stays a few megabytes."""
COMPOSITIONS = 256
"""Compositions remembered; there are far fewer sets of views that events touch together."""


class Kind(Enum):
    """What is done to a build's rows."""

    ADD = auto()
    UPSERT = auto()
    DELETE = auto()


Modification: TypeAlias = tuple[Kind, AnyCodec, list[object]]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of one build are to be loaded."""

    codec: AnyCodec
    build: BuildId
    keys: Iterable[RowKey]


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written into one build.

    Attributes:
        is_added: the upserts are sums to be added to whatever stands there.
    """

    codec: AnyCodec
    build: BuildId
    changes: Changes
    is_added: bool


async def load_rows_of_all(connection: Connection, wanted: Sequence[Wanted]) -> list[FoundRows]:
    """The rows that exist among these keys, build by build. One round trip for up to 5,000 rows of each."""
    found: list[FoundRows] = [{} for _ in wanted]
    for wave in _waves({index: one.keys for index, one in enumerate(wanted)}):
        arguments: list[object] = []
        for index, keys in wave.items():
            arguments += wanted[index].codec.key_arguments(wanted[index].build.build, keys)
        places = list(wave)
        for place, record in await connection.fetch(
            _selection(tuple(wanted[index].codec for index in places)), *arguments
        ):
            index = places[place]
            _take(wanted[index].codec, record, found[index])
    return found


async def save_rows_of_all(connection: Connection, changed: Sequence[Changed]) -> list[dict[UUID, int]]:
    """Write what folding came to, in every build; how many rows of each tenant are new among those that were added to.

    One round trip for up to 5,000 rows of each.

    Raises:
        One of REFUSALS: some row is unacceptable; the transaction is lost.
    """
    created: list[dict[UUID, int]] = [{} for _ in changed]
    upserts = {index: one.changes.upserts.items() for index, one in enumerate(changed)}
    for wave in _waves(upserts):
        places = list(wave)
        for place, tenant, rows in await _run(connection, [upsert(changed[index], wave[index]) for index in places]):
            counted = created[places[place]]
            counted[tenant] = counted.get(tenant, 0) + rows
    deletes = {index: one.changes.deletes for index, one in enumerate(changed)}
    for gone in _waves(deletes):
        await _run(connection, [deletion(changed[index], keys) for index, keys in gone.items()])
    return created


def _take(codec: AnyCodec, record: Record, found: FoundRows) -> None:
    try:
        found[codec.key_of_record(record)] = codec.decode(record)
    except (msgspec.MsgspecError, TypeError) as error:
        found[codec.key_of_record(record)] = Unreadable(error=describe(error))


def upsert(one: Changed, upserts: Sequence[tuple[RowKey, AnyStoredRow]]) -> Modification:
    """These rows are written, or added to what stands."""
    rows = [(tenant_id, stored.row, stored.position) for (tenant_id, _), stored in upserts]
    kind = Kind.ADD if one.is_added else Kind.UPSERT
    return kind, one.codec, one.codec.upsert_arguments(one.build.build, rows)


def deletion(one: Changed, keys: Sequence[RowKey]) -> Modification:
    """These rows go."""
    return Kind.DELETE, one.codec, one.codec.key_arguments(one.build.build, keys)


async def _run(connection: Connection, parts: Sequence[Modification]) -> list[Record]:
    arguments = [value for _, _, its in parts for value in its]
    statement = _composed(tuple((kind, codec) for kind, codec, _ in parts))
    found: list[Record] = await connection.fetch(statement, *arguments)
    return found


@lru_cache(maxsize=COMPOSITIONS)
def _selection(codecs: tuple[AnyCodec, ...]) -> str:
    selects = []
    first = 1
    for place, codec in enumerate(codecs):
        rows = codec.select_from(first, as_row=True)
        selects.append(f"SELECT {place} AS place, found.row FROM ({rows}) AS found(row)")  # noqa: S608 - names of a Table
        first += codec.key_parameters
    return " UNION ALL ".join(selects)


@lru_cache(maxsize=COMPOSITIONS)
def _composed(modified: tuple[tuple[Kind, AnyCodec], ...]) -> str:
    """One statement for all of them; it gives the place and the tenants of rows that adding found to be new."""
    counts = [
        f"SELECT {place} AS place, tenant_id, count(*)::int AS rows FROM part_{place} GROUP BY tenant_id"  # noqa: S608 - a number
        for place, (kind, _) in enumerate(modified)
        if kind is Kind.ADD
    ]
    return f"WITH {', '.join(parts_of(modified, first=1))} {' UNION ALL '.join(counts) or 'SELECT WHERE false'}"


def parts_of(modified: Sequence[tuple[Kind, AnyCodec]], *, first: int, condition: str = "true") -> Iterator[str]:
    """What each comes to, as parts of a `WITH`.

    Args:
        modified: what is done, in which view.
        first: the number of the first parameter.
        condition: of every row that is written or deleted; adding knows none.
    """
    for place, (kind, codec) in enumerate(modified):
        match kind:
            case Kind.ADD:
                yield codec.add_from(first, place)
            case Kind.UPSERT:
                yield f"part_{place} AS ({codec.upsert_from(first, condition=condition)})"
            case Kind.DELETE:
                yield f"part_{place} AS ({codec.delete_from(first, condition=condition)})"
            case _:
                assert_never(kind)
        first += codec.key_parameters if kind is Kind.DELETE else codec.upsert_parameters


def _waves(items: Mapping[int, Iterable[ItemT]]) -> Iterator[dict[int, list[ItemT]]]:
    """A chunk of each at a time, until all are done."""
    iterators = {index: iter(its) for index, its in items.items()}
    while True:
        wave = {index: chunk for index, its in iterators.items() if (chunk := list(islice(its, MOST_ROWS)))}
        if not wave:
            return
        yield wave
