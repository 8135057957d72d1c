"""The one shape of success."""

from datetime import UTC, datetime

import msgspec

from shared_kernel.http.envelope import (
    CommandMeta,
    CommandReply,
    Envelope,
    QueryMeta,
    command_body,
    command_response,
    envelope_bytes,
    not_modified,
    query_response,
    strong_etag,
    weak_etag,
)


def test_bytes_are_composed_into_the_envelope() -> None:
    """Encoded data is not decoded on its way."""
    composed = envelope_bytes(b'{"n": 1}', b'{"position":7}')
    assert composed == b'{"success":true,"data":{"n": 1},"error":null,"meta":{"position":7}}'


def test_meta_leaves_out_what_does_not_apply() -> None:
    """And keeps null where null says something."""
    meta = QueryMeta(
        position=7, as_of=datetime(2026, 1, 1, tzinfo=UTC), lag_events=None, source="table", projection="order_list@2"
    )
    composed = envelope_bytes(b"[1]", msgspec.json.encode(meta))
    response = query_response(composed, position=7, etag='W/"x"', next_link="/orders?cursor=abc")
    body = msgspec.json.decode(response.content)
    assert body["meta"] == {
        "position": 7,
        "as_of": "2026-01-01T00:00:00Z",
        "lag_events": None,
        "source": "table",
        "projection": "order_list@2",
    }
    assert msgspec.json.decode(response.content, type=Envelope[list[int]]).data == [1]
    assert response.headers["Link"] == '</orders?cursor=abc>; rel="next"'
    assert response.headers["ShelfWise-Position"] == "7"
    assert response.headers["Cache-Control"] == "private, no-cache"


def test_a_replay_says_so() -> None:
    """Status, headers and body are the stored ones."""
    reply = CommandReply(status=201, body=command_body({"a": 1}), location="/x/1", version=3, position=9)
    told, again = command_response(reply), command_response(reply, replayed=True)
    assert told.content == again.content
    assert told.status_code == again.status_code == 201
    assert again.headers == {**told.headers, "Idempotent-Replayed": "true"}
    assert told.headers == {"Location": "/x/1", "ETag": '"3"', "ShelfWise-Position": "9"}


def test_a_dry_run_says_so() -> None:
    """Without Location or Position."""
    body = command_body({"a": 1}, meta=CommandMeta(dry_run=True))
    assert msgspec.json.decode(body)["meta"] == {"dry_run": True}
    assert command_response(CommandReply(status=200, body=body)).headers == {}


def test_entity_tags_differ_where_their_parts_do() -> None:
    """Parts are kept apart."""
    assert weak_etag("a", "bc") != weak_etag("ab", "c")
    assert weak_etag("a", "b") == weak_etag("a", "b")
    assert weak_etag("a").startswith('W/"')
    assert strong_etag(3) == '"3"'
    assert not_modified(etag=weak_etag("a"), position=3).status_code == 304
