"""Events that are in the archive and no longer in the table, by the manifest; a few files are kept decoded."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from shared_kernel.database.pool import Connection
from shared_kernel.log.archive import storage
from shared_kernel.log.archive.errors import ArchiveUnreadableError
from shared_kernel.log.archive.files import ArchiveFile, decode
from shared_kernel.log.stored import StoredEvent, Want

EVENTS_PER_FILE: Final = 2_000
"""Some megabytes decoded: whoever reads a hundred of them reads the file a few times, and no log fits no memory."""
_FILES_KEPT: Final = 8
_FILES_AT_A_TIME: Final = 16

_COLUMNS: Final = "tenant_id, from_position, to_position, uri, sha256"
_AFTER: Final = f"""
SELECT {_COLUMNS} FROM log.archive
WHERE tenant_id = $1 AND removed_at IS NOT NULL AND to_position > $2 AND from_position >= coalesce(
    (SELECT max(from_position) FROM log.archive WHERE tenant_id = $1 AND from_position <= $2 + 1), 0)
ORDER BY from_position LIMIT {_FILES_AT_A_TIME}
"""  # noqa: S608 - constants of this module
_HOLDING: Final = f"""
SELECT DISTINCT {_COLUMNS} FROM unnest($2::bigint[]) AS wanted(position)
JOIN log.archive ON tenant_id = $1 AND removed_at IS NOT NULL AND wanted.position BETWEEN from_position AND to_position
ORDER BY from_position
"""  # noqa: S608 - constants of this module

_log = structlog.get_logger("shelfwise.archive")
_kept: OrderedDict[ArchiveFile, tuple[StoredEvent, ...]] = OrderedDict()
"""By what the manifest says, checksum included: a file is never changed, so what was read of it stays true."""


class ArchivedPart(msgspec.Struct, frozen=True, kw_only=True):
    """What of a want is in the archive.

    Attributes:
        events: at most as many as were wanted.
        reached: the position up to which nothing more of the want is in the archive, unless `events` are all it wanted.
    """

    events: list[StoredEvent]
    reached: int


async def read_archived(connection: Connection, want: Want, *, types: Collection[str] | None = None) -> ArchivedPart:
    """What a want, or what of it is of these types, finds in the archive.

    Raises:
        ArchiveUnreadableError: a file is missing or wrong.
    """
    events: list[StoredEvent] = []
    after, until = want.after, want.until
    while files := await _files(connection, _AFTER, want.tenant_id, after):  # ends: each round goes past a file or more
        for file in files:
            for event in await _events(file):
                if event.position <= after or (types is not None and event.type not in types):
                    continue
                if until is not None and event.position > until:
                    return ArchivedPart(events=events, reached=until)
                events.append(event)
                if len(events) == want.limit:
                    return ArchivedPart(events=events, reached=event.position)
            after = file.to_position
    return ArchivedPart(events=events, reached=after)


async def read_archived_positions(
    connection: Connection, tenant_id: UUID, positions: Sequence[int]
) -> list[StoredEvent]:
    """Those of these events that are in the archive, in order of position.

    Raises:
        ArchiveUnreadableError: a file is missing or wrong.
    """
    wanted = set(positions)
    events: list[StoredEvent] = []
    for file in await _files(connection, _HOLDING, tenant_id, list(positions)):
        events += [event for event in await _events(file) if event.position in wanted]
    return events


async def _files(connection: Connection, statement: str, tenant_id: UUID, of: int | list[int]) -> list[ArchiveFile]:
    return [ArchiveFile(**dict(row)) for row in await connection.fetch(statement, tenant_id, of)]


async def _events(file: ArchiveFile) -> tuple[StoredEvent, ...]:
    kept = _kept.get(file)
    if kept is not None:
        _kept.move_to_end(file)
        return kept
    try:
        events = await asyncio.to_thread(_load, file)
    except ArchiveUnreadableError as error:
        _log.error("archive_unreadable", uri=error.uri, reason=error.reason, first=file.from_position)
        raise
    _kept[file] = events
    while len(_kept) > _FILES_KEPT:
        _kept.popitem(last=False)
    return events


def _load(file: ArchiveFile) -> tuple[StoredEvent, ...]:
    return tuple(event.as_stored() for event in decode(file, storage.read(file.uri)))
