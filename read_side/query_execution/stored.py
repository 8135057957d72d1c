"""How an answer lies in Redis: `build|revision`, what `meta` has beside freshness, and the data, each on its line."""

from typing import Final

import msgspec

from read_side.query_execution.answers import Answer, Begun
from shared_kernel.redis.state import ProjectionState

TTL_MILLISECONDS: Final = 3_600_000
"""An answer dies with its revision; the hour is for those that nobody asks for again."""
MAX_BYTES: Final = 256 * 1024
"""A hundred large rows fit; what is larger is read from the table each time rather than crowd out the rest."""


class StoredMeta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a page tells beside its rows; and how its gzip member goes on, where it is one."""

    next_cursor: str | None = None
    has_more: bool | None = None
    exact_count: int | None = None
    begun: Begun | None = None


_NO_META: Final = b"{}"
_decoder = msgspec.json.Decoder(StoredMeta)


def encode_stored(state: ProjectionState, answer: Answer) -> bytes | None:
    """What to store; None if that is too large."""
    if len(answer.data) > MAX_BYTES:
        return None
    meta = StoredMeta(
        next_cursor=answer.next_cursor,
        has_more=answer.has_more,
        exact_count=answer.exact_count,
        begun=answer.begun,
    )
    return b"%d|%d\n%b\n%b" % (state.build, state.revision, msgspec.json.encode(meta), answer.data)


def as_stored(page_text: bytes | None, data: bytes) -> bytes:
    """What such an answer looks like in Redis, but for the state that it is of."""
    return b"\n%b\n%b" % (page_text or _NO_META, data)


def decode_stored(stored: bytes) -> Answer:
    """The answer, without the keys of its rows: one that shows parked rows is never stored."""
    _, page_text, data = stored.split(b"\n", 2)
    return decode_page(page_text, data=data)


def decode_page(page_text: bytes | None, *, data: bytes) -> Answer:
    """Of a stored answer's second line, or of a row, which has none."""
    if page_text is None or page_text == _NO_META:
        return Answer(data=data)
    meta = _decoder.decode(page_text)
    return Answer(
        data=data,
        next_cursor=meta.next_cursor,
        has_more=meta.has_more,
        exact_count=meta.exact_count,
        begun=meta.begun,
    )


def decode_row(written: bytes) -> Answer | None:
    """A row as the projector wrote it through, `position|body`; None for the tombstone of a deleted one."""
    body = written.partition(b"|")[2]
    return Answer(data=body) if body else None
