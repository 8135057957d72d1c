"""The one shape of success, and the responses that carry it; bodies are composed from encoded bytes, never decoded."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
from litestar import Response
from litestar.enums import MediaType
from msgspec import UNSET, UnsetType

T = TypeVar("T")

_ETAG_BYTES = 12
"""96 bits: two representations of one URL never meet by chance."""
NO_META = b"{}"
ENVELOPE_BEGIN: Final = b'{"success":true,"data":'
"""What stands before the data of every success."""
PRIVATE: Final = "private, no-cache"
"""Of answers: a shared cache between us and the client must neither keep nor mix what belongs to one store."""


class CommandMeta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Beside a command's data: whether it was only asked what would happen."""

    dry_run: bool = False


class QueryMeta(msgspec.Struct, frozen=True, kw_only=True):
    """How fresh a read is and where it came from; `exact_count`, `has_more` and `next_cursor` are of lists.

    Attributes:
        position: of the tenant's log, up to which the answer shows everything.
        as_of: when the last event shown was recorded; null before the first.
        lag_events: recorded and not yet shown; null where the log's head is not known.
        source: `cache` is Redis, `table` is PostgreSQL.
        projection: its name and version, `order_list@2`.
        degraded: a row shown is parked, that is, older than `position`.
    """

    position: int
    as_of: datetime | None
    lag_events: int | None
    source: Literal["cache", "table"]
    projection: str
    degraded: bool | UnsetType = UNSET
    has_more: bool | UnsetType = UNSET
    next_cursor: str | UnsetType | None = UNSET
    exact_count: int | UnsetType = UNSET


class CommandEnvelope(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Success of a command."""

    success: Literal[True] = True
    data: T
    error: None = None
    meta: CommandMeta


class Envelope(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Success of a query."""

    success: Literal[True] = True
    data: T
    error: None = None
    meta: QueryMeta


class CommandReply(msgspec.Struct, frozen=True, kw_only=True):
    """What a command answered, as it is stored with its idempotency key and replayed.

    Attributes:
        status: 201 or 200.
        body: the whole envelope, encoded.
        location: path of what was created.
        version: of the aggregate, for `ETag`.
        position: None for a dry run.
    """

    status: int
    body: bytes
    location: str | None = None
    version: int | None = None
    position: int | None = None


def envelope_bytes(data: bytes, meta: bytes = NO_META) -> bytes:
    """The success envelope around JSON that is already encoded."""
    return b"%b%b%b" % (ENVELOPE_BEGIN, data, envelope_end(meta))


def envelope_end(meta: bytes) -> bytes:
    """What stands after the data."""
    return b',"error":null,"meta":%b}' % meta


def command_body(data: object, *, meta: CommandMeta | None = None) -> bytes:
    """The encoded envelope around a command's result, a struct."""
    return envelope_bytes(msgspec.json.encode(data), msgspec.json.encode(meta) if meta else NO_META)


def command_response(
    reply: CommandReply, *, replayed: bool = False, headers: Mapping[str, str] | None = None
) -> Response[Any]:  # Any: the handler's annotation names the envelope, for the OpenAPI document
    """The response of a command, told now or again.

    Args:
        reply: what was decided.
        replayed: whether it is the stored answer to an earlier request with the same key.
        headers: others, such as the limits'.
    """
    fields = dict(headers) if headers else {}
    if reply.location is not None:
        fields["Location"] = reply.location
    if reply.version is not None:
        fields["ETag"] = strong_etag(reply.version)
    if reply.position is not None:
        fields["ShelfWise-Position"] = str(reply.position)
    if replayed:
        fields["Idempotent-Replayed"] = "true"
    return Response(reply.body, status_code=reply.status, headers=fields, media_type=MediaType.JSON)


def query_response(
    body: bytes,
    *,
    position: int,
    etag: str | None = None,
    next_link: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response[Any]:  # Any: the handler's annotation names the envelope, for the OpenAPI document
    """The response of a query.

    Args:
        body: the whole envelope, perhaps compressed.
        position: for `ShelfWise-Position`.
        etag: as `weak_etag` makes it.
        next_link: path and query of the next page.
        headers: others, such as the limits'.
    """
    return Response(body, headers=_query_fields(position, etag, next_link, headers), media_type=MediaType.JSON)


def not_modified(*, etag: str, position: int, headers: Mapping[str, str] | None = None) -> Response[Any]:
    """304: the client has it already; the position tells how fresh that still is."""
    return Response(None, status_code=304, headers=_query_fields(position, etag, None, headers))


def strong_etag(version: int) -> str:
    """The entity tag of an aggregate's version."""
    return f'"{version}"'


def weak_etag(*parts: str) -> str:
    """The entity tag of a read: over projection, build, revision and resolved query, never over `meta`."""
    digest = blake2b("\x1f".join(parts).encode(), digest_size=_ETAG_BYTES).hexdigest()
    return f'W/"{digest}"'


def link_value(next_link: str) -> str:
    """The `Link` to a list's next page."""
    return f'<{next_link}>; rel="next"'


def _query_fields(
    position: int, etag: str | None, next_link: str | None, headers: Mapping[str, str] | None
) -> dict[str, str]:
    fields = dict(headers) if headers else {}
    fields["ShelfWise-Position"] = str(position)
    fields["Cache-Control"] = PRIVATE
    if etag is not None:
        fields["ETag"] = etag
    if next_link is not None:
        fields["Link"] = link_value(next_link)
    return fields
