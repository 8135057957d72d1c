"""An archive file: gzip over lines of JSON, the first a header, then an event a line. `zcat` shows it to anybody.

Payload and metadata stand in it letter by letter as PostgreSQL wrote them, so that what is read from a file is what was
read from the table.
"""

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from shared_kernel.log.archive.errors import ArchiveUnreadableError
from shared_kernel.log.stored import StoredEvent

_FORMAT: Final = "shelfwise-events/1"
_LEVEL: Final = 6
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class ArchivedEvent(StoredEvent, frozen=True, kw_only=True):
    """An event with everything that its row holds."""

    stream_type: str

    def as_stored(self) -> StoredEvent:
        """What readers of the log get of it."""
        return StoredEvent(**{name: getattr(self, name) for name in StoredEvent.__struct_fields__})


class ArchiveFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest says of a file."""

    tenant_id: UUID
    from_position: int
    to_position: int
    uri: str
    sha256: str

    @property
    def name(self) -> str:
        """Its place below the archive's root."""
        return file_name(self.tenant_id, self.from_position, self.to_position)


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    tenant_id: UUID
    from_position: int
    to_position: int


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    event_id: UUID
    stream_type: str
    stream_id: UUID
    stream_version: int
    type: str
    schema_version: int
    occurred_at: datetime
    recorded_at: datetime
    payload: msgspec.Raw
    metadata: msgspec.Raw


_header_decoder = msgspec.json.Decoder(_Header)
_line_decoder = msgspec.json.Decoder(_Line)


def file_name(tenant_id: UUID, from_position: int, to_position: int) -> str:
    """A folder a store; names that sort as positions do."""
    return f"{tenant_id}/{from_position:020}-{to_position:020}.jsonl.gz"


def encode(events: Sequence[ArchivedEvent]) -> bytes:
    """One store's events, positions without a gap; the same events always give the same bytes."""
    first, last = events[0], events[-1]
    header = _Header(format=_FORMAT, tenant_id=first.tenant_id, from_position=first.position, to_position=last.position)
    lines = [msgspec.json.encode(header), *(msgspec.json.encode(_line(event)) for event in events), b""]
    return gzip.compress(b"\n".join(lines), _LEVEL, mtime=0)


def checksum(content: bytes) -> str:
    """Of the file as it lies there."""
    return hashlib.sha256(content).hexdigest()


def decode(file: ArchiveFile, content: bytes) -> tuple[ArchivedEvent, ...]:
    """The events of a file.

    Raises:
        ArchiveUnreadableError: it is not the file that the manifest names.
    """
    if checksum(content) != file.sha256:
        raise ArchiveUnreadableError(file.uri, "has been changed: its checksum is not the manifest's")
    try:
        header, *lines, _end = gzip.decompress(content).split(b"\n")
        found = _header_decoder.decode(header)
        events = tuple(_event(file.tenant_id, _line_decoder.decode(line)) for line in lines)
    except (OSError, EOFError, zlib.error, ValueError, msgspec.MsgspecError) as error:
        raise ArchiveUnreadableError(file.uri, f"holds no events ({type(error).__name__})") from error
    wanted = _Header(
        format=_FORMAT, tenant_id=file.tenant_id, from_position=file.from_position, to_position=file.to_position
    )
    if found != wanted or [one.position for one in events] != [*range(file.from_position, file.to_position + 1)]:
        raise ArchiveUnreadableError(file.uri, "holds other events than the manifest says")
    return events


def digest(events: Sequence[ArchivedEvent]) -> str:
    """What `log.digest_of` gives for the same rows: everything of each."""
    return hashlib.sha256("\n".join(map(_row, events)).encode()).hexdigest()


def _row(event: ArchivedEvent) -> str:
    parts = (
        event.position,
        event.event_id,
        event.stream_type,
        event.stream_id,
        event.stream_version,
        event.type,
        event.schema_version,
        (event.occurred_at - _EPOCH) // _MICROSECOND,
        (event.recorded_at - _EPOCH) // _MICROSECOND,
        event.payload,
        event.metadata,
    )
    return "|".join(map(str, parts))


def _line(event: ArchivedEvent) -> _Line:
    return _Line(
        position=event.position,
        event_id=event.event_id,
        stream_type=event.stream_type,
        stream_id=event.stream_id,
        stream_version=event.stream_version,
        type=event.type,
        schema_version=event.schema_version,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        payload=msgspec.Raw(event.payload.encode()),
        metadata=msgspec.Raw(event.metadata.encode()),
    )


def _event(tenant_id: UUID, line: _Line) -> ArchivedEvent:
    return ArchivedEvent(
        tenant_id=tenant_id,
        position=line.position,
        event_id=line.event_id,
        stream_type=line.stream_type,
        stream_id=line.stream_id,
        stream_version=line.stream_version,
        type=line.type,
        schema_version=line.schema_version,
        payload=bytes(line.payload).decode(),
        metadata=bytes(line.metadata).decode(),
        occurred_at=line.occurred_at,
        recorded_at=line.recorded_at,
    )
