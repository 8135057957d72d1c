"""What was found, told as a response: data, `meta`, entity tag, position, link; or that the client has it already."""

from typing import Any, Literal

import msgspec
from litestar import Response
from msgspec import UNSET

from read_side.query_execution.answers import Answer
from read_side.query_execution.asking import Asked
from read_side.query_execution.compressed import around, compressed
from read_side.query_execution.paging import next_link
from read_side.query_execution.requests import QueryRequest
from shared_kernel.http.envelope import QueryMeta, not_modified, query_response
from shared_kernel.http.request_headers import matches_etag
from shared_kernel.redis.state import ProjectionState


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be shown, from wherever it came."""

    state: ProjectionState
    answer: Answer | None
    source: Literal["cache", "table"]
    head: int | None
    degraded: bool = False
    unchanged: bool = False


def has_already(asked: Asked, state: ProjectionState) -> bool:
    """Whether the client has these very rows; `*` asks whether there is anything, which a state does not say."""
    return asked.if_none_match is not None and matches_etag(asked.if_none_match, asked.etag(state))


def response_of(request: QueryRequest, asked: Asked, found: Found, fields: dict[str, str]) -> Response[Any]:
    """The response; `fields` are what the limits said."""
    state, answer = found.state, found.answer
    etag = asked.etag(state)
    if found.unchanged or answer is None or asked.if_none_match == "*":
        return not_modified(etag=etag, position=state.position, headers=fields)
    cursor, scope = answer.next_cursor, request.scope
    if asked.codings is not None and not asked.codings.identity:
        answer = compressed(answer, min_bytes=0)
    before, after = around(answer.begun, msgspec.json.encode(meta_of(asked, found, answer)))
    return query_response(
        b"%b%b%b" % (before, answer.data, after),
        position=state.position,
        etag=etag,
        next_link=None if cursor is None else next_link(scope["path_template"], scope["query_string"], cursor),
        headers=fields if answer.begun is None else {**fields, "Content-Encoding": "gzip"},
    )


def meta_of(asked: Asked, found: Found, answer: Answer) -> QueryMeta:
    """What stands beside the data."""
    state = found.state
    is_list = answer.has_more is not None
    return QueryMeta(
        position=state.position,
        as_of=state.as_of,
        lag_events=None if found.head is None else max(0, found.head - state.position),
        source=found.source,
        projection=asked.view.label,
        degraded=True if found.degraded else UNSET,
        has_more=answer.has_more if answer.has_more is not None else UNSET,
        next_cursor=answer.next_cursor if is_list else UNSET,
        exact_count=answer.exact_count if answer.exact_count is not None else UNSET,
    )
