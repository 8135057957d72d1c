"""Loading and saving the rows of one build, many at a time; and, when the database refuses some, finding out which."""

from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

import msgspec

from projections.runtime.catalog import Subject
from projections.runtime.checkpoints import BuildId
from projections.runtime.describing import describe
from projections.runtime.errors import REFUSALS
from projections.runtime.folding import AnyStoredRow, Changes, RowKey, Unreadable, no_changes
from shared_kernel.database.pool import Connection

_CHUNK = 5_000
"""Rows a statement: large enough to be set-based, small enough that one parameter array stays a few megabytes."""

ItemT = TypeVar("ItemT")


async def load_rows(
    connection: Connection, subject: Subject, build: BuildId, keys: Iterable[RowKey]
) -> dict[RowKey, AnyStoredRow | Unreadable]:
    """The rows that exist among these keys."""
    found: dict[RowKey, AnyStoredRow | Unreadable] = {}
    codec = subject.codec
    for chunk in _chunks(keys):
        for record in await connection.fetch(codec.select_by_keys, *codec.key_arguments(build.build, chunk)):
            try:
                found[codec.key_of_record(record)] = codec.decode(record)
            except (msgspec.MsgspecError, TypeError) as error:
                found[codec.key_of_record(record)] = Unreadable(error=describe(error))
    return found


async def save_rows(connection: Connection, subject: Subject, build: BuildId, changes: Changes) -> None:
    """Write what folding came to.

    Raises:
        One of REFUSALS: some row is unacceptable; the transaction is lost.
    """
    codec = subject.codec
    for upserts in _chunks(changes.upserts.items()):
        rows = [(row_key[0], stored.row, stored.position) for row_key, stored in upserts]
        await connection.execute(codec.upsert, *codec.upsert_arguments(build.build, rows))
    for deletes in _chunks(changes.deletes):
        await connection.execute(codec.delete, *codec.key_arguments(build.build, deletes))


async def save_acceptable_rows(
    connection: Connection, subject: Subject, build: BuildId, changes: Changes
) -> dict[RowKey, str]:
    """Write what can be written, halving until each unacceptable row stands alone: those, with what is wrong.

    They are taken out of `changes.upserts`.
    """
    refused: dict[RowKey, str] = {}
    pending = [list(changes.upserts)]
    while pending:
        keys = pending.pop()
        part = no_changes()
        part.upserts.update((key, changes.upserts[key]) for key in keys)
        error = await _refusal(connection, subject, build, part)
        if error is None:
            continue
        if len(keys) > 1:
            middle = len(keys) // 2
            pending += [keys[middle:], keys[:middle]]
            continue
        refused[keys[0]] = describe(error)
        del changes.upserts[keys[0]]
    deletes = no_changes()
    deletes.deletes.update(changes.deletes)
    await save_rows(connection, subject, build, deletes)
    return refused


async def _refusal(connection: Connection, subject: Subject, build: BuildId, part: Changes) -> Exception | None:
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
