"""Loading and saving the rows of one build, many at a time; and, when the database refuses some, finding out which."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TypeVar

import asyncpg
import msgspec

from projections.runtime.catalog import Subject
from projections.runtime.folding import AnyStoredRow, Changes, Failure, RowKey, describe
from shared_kernel.database.pool import Connection
from shared_kernel.views import encode_key

_CHUNK = 5_000
"""Rows a statement: large enough to be set-based, small enough that one parameter array stays a few megabytes."""

REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    msgspec.MsgspecError,
    TypeError,
    ValueError,
    OverflowError,
)
"""What says that a row itself is unacceptable, so that trying the same again cannot help."""

ItemT = TypeVar("ItemT")


async def load_rows(
    connection: Connection, subject: Subject, build: int, keys: Iterable[RowKey]
) -> dict[RowKey, AnyStoredRow]:
    """The rows that exist among these keys."""
    found: dict[RowKey, AnyStoredRow] = {}
    codec = subject.codec
    for chunk in _chunks(keys):
        for record in await connection.fetch(codec.select_by_keys, *codec.key_arguments(build, chunk)):
            found[codec.key_of_record(record)] = codec.decode(record)
    return found


async def save_rows(connection: Connection, subject: Subject, build: int, changes: Changes) -> None:
    """Write what folding came to.

    Raises:
        One of REFUSALS: some row is unacceptable; the transaction is lost.
    """
    codec = subject.codec
    for upserts in _chunks(changes.upserts.items()):
        rows = [(row_key[0], stored.row, stored.position) for row_key, stored in upserts]
        await connection.execute(codec.upsert, *codec.upsert_arguments(build, rows))
    for deletes in _chunks(changes.deletes):
        await connection.execute(codec.delete, *codec.key_arguments(build, deletes))


async def save_rows_carefully(
    connection: Connection, subject: Subject, build: int, changes: Changes, first_positions: Mapping[RowKey, int]
) -> None:
    """Write what can be written, halving until each unacceptable row stands alone; those move to `failures`."""
    pending = [list(changes.upserts)]
    while pending:
        keys = pending.pop()
        part = Changes(upserts={key: changes.upserts[key] for key in keys}, deletes={}, failures={}, queued={})
        error = await _refusal(connection, subject, build, part)
        if error is None:
            continue
        if len(keys) > 1:
            middle = len(keys) // 2
            pending += [keys[middle:], keys[:middle]]
            continue
        tenant_id, key = keys[0]
        changes.failures[keys[0]] = Failure(
            tenant_id=tenant_id, key=encode_key(key), position=first_positions[keys[0]], error=describe(error)
        )
        del changes.upserts[keys[0]]
    await save_rows(connection, subject, build, Changes(upserts={}, deletes=changes.deletes, failures={}, queued={}))


async def _refusal(connection: Connection, subject: Subject, build: int, part: Changes) -> Exception | None:
    await connection.execute("SAVEPOINT part")
    try:
        await save_rows(connection, subject, build, part)
    except REFUSALS as error:
        await connection.execute("ROLLBACK TO SAVEPOINT part")
        return error
    await connection.execute("RELEASE SAVEPOINT part")
    return None


def _chunks(items: Iterable[ItemT]) -> Iterable[list[ItemT]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
