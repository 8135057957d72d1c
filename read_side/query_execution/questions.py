"""A question that was asked before, and the answer to it as it was last told."""

from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from read_side.query_execution.asking import Asked
from read_side.query_execution.cache import Looked
from read_side.query_execution.compressed import around
from read_side.query_execution.paging import next_link
from read_side.query_execution.stored import decode_page
from read_side.query_execution.telling import Found, meta_of
from shared_kernel.access.principals import Principal
from shared_kernel.http.cors import RawHeaders
from shared_kernel.http.envelope import PRIVATE, link_value
from shared_kernel.redis.state import ProjectionState, decode_state

QuestionKey: TypeAlias = tuple[UUID, str, bytes, bool]
"""The key that asks, path, query, and whether gzip is taken."""
_HIT_PARTS: Final = 5
"""Of a reply that answers: admission, state, head, row, stored answer."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """What a look has brought: state and head as Redis has them, and the answer.

    Attributes:
        page_text: of a stored answer, as `decode_page` takes it; None of a row.
        data: as `Answer.data`.
    """

    state_text: bytes
    head_text: bytes
    page_text: bytes | None
    data: bytes


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, and when it is still the one: as long as the view's rows, and what is told of the log, are.

    Attributes:
        look: asks for the answer only where these rows have changed.
        state_text, head_text: as Redis has them.
        page_text: of a stored answer, as `decode_page` takes it; None of a row.
        data_at: where the data is in the body.
        fields: of 304; `whole_fields` of 200.
    """

    look: bytes
    state_text: bytes
    head_text: bytes
    page_text: bytes | None
    state: ProjectionState
    etag: str
    body: bytes
    data_at: slice
    fields: RawHeaders
    whole_fields: RawHeaders


class Question:
    """One question of one principal, ready to be asked again."""

    __slots__ = (
        "asked",
        "key",
        "look",
        "place",
        "principal",
        "query_string",
        "route",
        "told",
        "valid_from",
        "valid_until",
    )

    def __init__(
        self,
        *,
        key: QuestionKey,
        asked: Asked,
        look: bytes,
        principal: Principal,
        route: str,
        valid_from: datetime,
        valid_until: datetime,
    ) -> None:
        self.key = key
        self.asked = asked
        self.place = asked.place
        self.look = look
        self.principal = principal
        self.route = route
        self.query_string = key[2]
        self.valid_from = valid_from
        self.valid_until = valid_until
        self.told: Told | None = None

    @property
    def size(self) -> int:
        """Of the looks and the answer that are kept, in bytes."""
        told = self.told
        return len(self.look) + (0 if told is None else len(told.look) + len(told.body))


def hit_of(reply: Looked) -> Hit | None:
    """What a reply has brought; None where it is not enough to answer from."""
    if len(reply) != _HIT_PARTS:
        return None
    _, state_text, head_text, row, stored = reply
    page_text: bytes | None = None
    data: bytes | None = None
    if row is not None:
        data = row.partition(b"|")[2] or None  # nothing is the tombstone of a deleted row
    elif stored is not None:
        _, page_text, data = stored.split(b"\n", 2)
    # Without a hint of the log's head the long way asks the log.
    if data is None or state_text is None or head_text is None:
        return None
    return Hit(state_text=state_text, head_text=head_text, page_text=page_text, data=data)


def composed(question: Question, hit: Hit, *, look: bytes, limit_policy: tuple[bytes, bytes]) -> Told:
    """The whole answer.

    Args:
        question: that it answers.
        hit: what it says.
        look: for the next time.
        limit_policy: the field that every answer has.
    """
    state = decode_state(hit.state_text)
    page = decode_page(hit.page_text, data=b"")
    asked, etag = question.asked, question.asked.etag(state)
    meta = meta_of(asked, Found(state=state, answer=page, source="cache", head=int(hit.head_text)), page)
    before, after = around(page.begun, msgspec.json.encode(meta))
    body = b"".join((before, hit.data, after))
    fields: RawHeaders = [
        limit_policy,
        (b"shelfwise-position", b"%d" % state.position),
        (b"cache-control", PRIVATE.encode("ascii")),
        (b"etag", etag.encode("ascii")),
    ]
    if asked.codings is not None:
        fields.append((b"vary", b"Accept-Encoding"))
    whole_fields = [*fields, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if page.begun is not None:
        whole_fields.append((b"content-encoding", b"gzip"))
    if page.next_cursor is not None:
        link = link_value(next_link(question.route, question.query_string, page.next_cursor))
        whole_fields.append((b"link", link.encode("latin-1")))
    return Told(
        look=look,
        state_text=hit.state_text,
        head_text=hit.head_text,
        page_text=hit.page_text,
        state=state,
        etag=etag,
        body=body,
        data_at=slice(len(before), len(before) + len(hit.data)),
        fields=fields,
        whole_fields=whole_fields,
    )
