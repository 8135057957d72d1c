"""The provider over HTTP: Stripe's paths under `/v1`, and under `/sandbox` what no real provider has."""

import asyncio
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from litestar.types import HTTPScope, Receive, Scope, Send

from operations.sandbox_provider.behaviour import Behaviour, Deed, Fault
from operations.sandbox_provider.deeds import Deeds
from operations.sandbox_provider.ledger import KeptAnswer, Ledger
from operations.sandbox_provider.words import Reply, bad, page
from shared_kernel.http.context import is_http

_MAX_BODY_BYTES: Final = 64 * 1024


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


class SandboxProvider:
    """An ASGI application."""

    def __init__(self, ledger: Ledger, *, key: str) -> None:
        self._ledger = ledger
        self._behaviour = Behaviour()
        self._deeds = Deeds(ledger, self._behaviour)
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not is_http(scope):
            return
        request = await _request(scope, receive)
        if request is None:
            return
        if request.path == "/health/ready":
            reply = _json({"status": "ready"})
        elif not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {self._key}".encode()):
            reply = bad(401, "invalid_request_error", "api_key_invalid")
        elif request.path.startswith("/sandbox/"):
            reply = self._controlled(request)
        else:
            reply = await self._answer(request)
        content_type = reply.content_type.encode()
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(b"content-type", content_type), (b"content-length", b"%d" % len(reply.body))],
            }
        )
        await send({"type": "http.response.body", "body": reply.body, "more_body": False})

    async def _answer(self, request: _Request) -> Reply:
        deed = _deed(request)
        fault = self._behaviour.next_for(
            deed, ("delay", "hang_after", "fail_before", "fail_after", "html", "rename_field")
        )
        way = None if fault is None else fault.way
        if way == "fail_before":
            return bad(500, "api_error", "sandbox_fault")
        if fault is not None and way == "delay":
            await asyncio.sleep(fault.seconds)
        reply = self._done(request, fails_after=way == "fail_after")
        if fault is not None and way == "hang_after":
            await asyncio.sleep(fault.seconds)
        if way == "html":
            return page()
        if way == "rename_field":
            return Reply(status=reply.status, body=reply.body.replace(b'"status":', b'"state":'))
        return reply

    def _done(self, request: _Request, *, fails_after: bool) -> Reply:
        """Do it once under its key, and answer the same for ever; all without letting go of the loop."""
        if request.method == "GET":
            return self._shown(request)
        key, told = request.headers.get("idempotency-key", ""), f"{request.path}\n{request.body.decode('latin-1')}"
        if not key:
            return bad(400, "invalid_request_error", "idempotency_key_missing")
        with self._ledger.changing():
            kept = self._ledger.answer(key)
            if kept is not None:
                if kept.request != told:
                    return bad(400, "idempotency_error", "idempotency_key_in_use")
                return Reply(status=kept.status, body=kept.body)
            reply = self._changed(request)
            if fails_after:
                reply = bad(500, "api_error", "sandbox_fault")
            self._ledger.keep_answer(key, KeptAnswer(request=told, status=reply.status, body=reply.body))
        return reply

    def _changed(self, request: _Request) -> Reply:
        match request.path.removeprefix("/v1/").split("/"):
            case ["payment_intents"]:
                return self._deeds.authorize(request.form)
            case ["payment_intents", intent_id, "capture"]:
                return self._deeds.capture(intent_id, request.form)
            case ["payment_intents", intent_id, "cancel"]:
                return self._deeds.cancel(intent_id)
            case ["refunds"]:
                return self._deeds.refund(request.form)
            case _:
                return bad(404, "invalid_request_error", "url_unknown")

    def _shown(self, request: _Request) -> Reply:
        match request.path.removeprefix("/v1/").split("/"):
            case ["payment_intents", "search"]:
                return self._deeds.find(request.query.get("query", ""))
            case ["payment_intents", intent_id]:
                return self._deeds.show(intent_id, expanded="expand[]" in request.query)
            case ["refunds"]:
                return self._deeds.list_refunds(request.query.get("payment_intent", ""))
            case _:
                return bad(404, "invalid_request_error", "url_unknown")

    def _controlled(self, request: _Request) -> Reply:
        match request.method, request.path:
            case "POST", "/sandbox/faults":
                return self._told_to_fail(request)
            case "DELETE", "/sandbox/faults":
                self._behaviour.clear()
                return _json({"cleared": True})
            case "POST", "/sandbox/callbacks":
                with self._ledger.changing():
                    self._ledger.tell_latest_first()
                return _json({"told": True})
            case "GET", "/sandbox/callbacks":
                return _json({"untold": self._ledger.untold()})
            case "GET", "/sandbox/ledger":
                store = request.query.get("store")
                intents = self._ledger.intents() if store is None else self._ledger.marked("shelfwise_tenant", store)
                return _json({"intents": [msgspec.structs.asdict(intent) for intent in intents]})
            case _:
                return bad(404, "invalid_request_error", "url_unknown")

    def _told_to_fail(self, request: _Request) -> Reply:
        try:
            self._behaviour.add(msgspec.json.decode(request.body, type=Fault))
        except msgspec.DecodeError as error:
            return Reply(status=422, body=msgspec.json.encode({"error": str(error)}))
        return _json({"added": True})


def _deed(request: _Request) -> Deed:
    if request.method == "GET":
        return "look_up"
    endings: tuple[tuple[str, Deed], ...] = (("/capture", "capture"), ("/cancel", "void"), ("/refunds", "refund"))
    return next((deed for ending, deed in endings if request.path.endswith(ending)), "authorize")


def _json(words: object) -> Reply:
    return Reply(status=200, body=msgspec.json.encode(words))


async def _request(scope: HTTPScope, receive: Receive) -> _Request | None:
    """None where the client left before it had said everything: half a request asks for nothing."""
    body = bytearray()
    more = True
    while more:  # bounded: nobody sends more than this, and what is longer is not answered
        message = await receive()
        if message["type"] != "http.request" or len(body) > _MAX_BODY_BYTES:
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return _Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"))),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=bytes(body),
    )
