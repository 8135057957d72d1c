"""Archiving one file's worth of events at a time: write, note, read back, compare, verify, and only then remove.

Every step can be done again: a file is written over itself with the same bytes, and the manifest says what comes next.
So whoever was killed anywhere is followed by whoever comes next.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from operations.archiving.planning import StorePlan
from operations.archiving.steps import ArchiveStep, Reach, carry_on
from shared_kernel.database.pool import Connection
from shared_kernel.log.archive import storage
from shared_kernel.log.archive.errors import ArchiveUnreadableError
from shared_kernel.log.archive.files import (
    ArchivedEvent,
    ArchiveFile,
    checksum,
    decode,
    digest,
    encode,
    file_name,
)
from shared_kernel.log.archive.reading import EVENTS_PER_FILE
from shared_kernel.log.archive.storage import Storage

_READ: Final = """
SELECT tenant_id, position, event_id, stream_type, stream_id, stream_version, type, schema_version,
    payload::text AS payload, metadata::text AS metadata, occurred_at, recorded_at
FROM log.event WHERE tenant_id = $1 AND position BETWEEN $2 AND $3 ORDER BY position
"""
_UNFINISHED: Final = """
SELECT tenant_id, from_position, to_position, uri, sha256 FROM log.archive
WHERE tenant_id = $1 AND removed_at IS NULL ORDER BY from_position
"""
_NOTE: Final = "SELECT log.note_archive($1, $2, $3, $4, $5, $6)"
_FORGET: Final = "SELECT log.forget_archive($1, $2)"
_VERIFY: Final = "SELECT log.verify_archive($1, $2, $3)"
_REMOVE: Final = "SELECT log.remove_archived($1, $2, $3)"

_log = structlog.get_logger("shelfwise.archive")


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """What was done in one store."""

    files: int = 0
    events: int = 0
    bytes: int = 0

    def and_also(self, other: "Archived") -> "Archived":
        """Both together."""
        return Archived(
            files=self.files + other.files, events=self.events + other.events, bytes=self.bytes + other.bytes
        )


class Archiver:
    """Archives stores, one after the other, on one connection of the operator's."""

    def __init__(
        self,
        *,
        write: Connection,
        storage: Storage,
        events_per_file: int = EVENTS_PER_FILE,
        reach: Reach = carry_on,
        on_events: Callable[[int], None] = lambda _count: None,
    ) -> None:
        """Bind what is the same for every store; `on_events` hears how many have left the table."""
        self._write = write
        self._storage = storage
        self._events_per_file = events_per_file
        self._reach = reach
        self._on_events = on_events

    async def archive(self, plan: StorePlan) -> Archived:
        """Finish what somebody began, and go on until the plan is done.

        Raises:
            ArchiveUnreadableError: what was written cannot be read back; nothing of it was removed.
            asyncpg errors: the database failed, or refuses; what was done stays done.
        """
        done = Archived()
        begun = [ArchiveFile(**dict(row)) for row in await self._write.fetch(_UNFINISHED, plan.tenant_id)]
        noted = plan.noted
        for file in begun:
            try:
                done = done.and_also(await self._finish(file))
            except ArchiveUnreadableError as error:
                # Its events are all still here: it is written again, with whatever came after it.
                _log.warning("archive_file_written_again", uri=error.uri, reason=error.reason)
                await self._write.execute(_FORGET, file.tenant_id, file.from_position)
                noted = file.from_position - 1
                break
        while noted < plan.until:
            first, noted = noted + 1, min(noted + self._events_per_file, plan.until)
            file = await self._put(plan.tenant_id, first, noted)
            done = done.and_also(await self._finish(file))
        return done

    async def _put(self, tenant_id: UUID, first: int, last: int) -> ArchiveFile:
        rows = await self._rows(tenant_id, first, last)
        self._reach(ArchiveStep.READ)
        content = encode(rows)
        uri = await asyncio.to_thread(self._storage.put, file_name(tenant_id, first, last), content)
        self._reach(ArchiveStep.WRITTEN)
        file = ArchiveFile(
            tenant_id=tenant_id, from_position=first, to_position=last, uri=uri, sha256=checksum(content)
        )
        await self._write.execute(_NOTE, tenant_id, first, last, uri, len(content), file.sha256)
        self._reach(ArchiveStep.NOTED)
        return file

    async def _finish(self, file: ArchiveFile) -> Archived:
        content = await asyncio.to_thread(storage.read, file.uri)
        read_back = decode(file, content)
        self._compare(file, read_back, await self._rows(file.tenant_id, file.from_position, file.to_position))
        self._reach(ArchiveStep.READ_BACK)
        told = digest(read_back)
        await self._write.execute(_VERIFY, file.tenant_id, file.from_position, told)
        self._reach(ArchiveStep.VERIFIED)
        removed: int = await self._write.fetchval(_REMOVE, file.tenant_id, file.from_position, told)
        self._reach(ArchiveStep.REMOVED)
        self._on_events(removed)
        return Archived(files=1, events=removed, bytes=len(content))

    async def _rows(self, tenant_id: UUID, first: int, last: int) -> list[ArchivedEvent]:
        rows = await self._write.fetch(_READ, tenant_id, first, last)
        if len(rows) != last - first + 1:
            message = f"events {first} to {last} are not all in the log: {len(rows)} are"
            raise asyncpg.DataError(message)
        return [ArchivedEvent(**dict(row)) for row in rows]

    @staticmethod
    def _compare(file: ArchiveFile, read_back: Sequence[ArchivedEvent], rows: Sequence[ArchivedEvent]) -> None:
        for stands, row in zip(read_back, rows, strict=True):
            if stands != row:
                raise ArchiveUnreadableError(file.uri, f"holds another event {row.position} than the log")
