"""Questions that this process has been asked before, word for word: answered from one look at Redis.

A question comes the long way first: routed, admitted, parsed, resolved. What comes of that depends on the address, on
who asks and on the date in the store, so it is remembered for as long as these are the same. What the look does not
answer goes the long way again, and takes the look along.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeAlias, cast

import msgspec
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from read_side.query_execution.asking import Asked
from read_side.query_execution.cache import ILLEGIBLE, REDIS_FAILURES, QueryCache, read_look
from read_side.query_execution.compressed import around
from read_side.query_execution.paging import next_link
from read_side.query_execution.shown import Shown
from read_side.query_execution.stored import decode_page
from read_side.query_execution.telling import Found, meta_of
from shared_kernel.access.principals import Principal
from shared_kernel.clock import Clock, day_ends_at
from shared_kernel.http.authentication import Authentication
from shared_kernel.http.content_codings import codings_taken
from shared_kernel.http.cors import RawHeaders
from shared_kernel.http.envelope import PRIVATE, link_value
from shared_kernel.http.exchange import EXCHANGE_KEY, Exchange
from shared_kernel.http.request_headers import matches_etag
from shared_kernel.rate_limits.headers import allowed_limit_value
from shared_kernel.redis.replies import Reply
from shared_kernel.redis.state import ProjectionState, decode_state

_Key: TypeAlias = tuple[int, str, bytes, bool]
"""The principal in memory, path, query, and whether gzip is taken."""
MAX_QUESTIONS: Final = 4096
"""Some 12 MB; the one that was not asked for longest is forgotten."""
LOOK_KEY: Final = "shelfwise.look"
"""Where the long way finds a look that was had already, and charged."""
_JSON_ACCEPTS: Final = frozenset({None, b"*/*", b"application/json"})
"""What `Accept` says by far the most often; the rest goes the long way."""
_HIT_PARTS: Final = 5
"""Of a reply that answers: admission, state, head, row, stored answer."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same in every answer as long as the view, the log's head and the page are.

    `before` and `after` stand around the data in the body.
    """

    state_text: bytes
    head_text: bytes
    page_text: bytes | None
    state: ProjectionState
    etag: str
    before: bytes
    after: bytes
    fields: RawHeaders
    page_fields: RawHeaders


class Question:
    """One question of one principal, ready to be asked again."""

    __slots__ = ("asked", "command", "principal", "query_string", "route", "told", "valid_from", "valid_until")

    def __init__(
        self,
        *,
        asked: Asked,
        command: bytes,
        principal: Principal,
        route: str,
        query_string: bytes,
        valid_from: datetime,
        valid_until: datetime,
    ) -> None:
        self.asked = asked
        self.command = command
        self.principal = principal
        self.route = route
        self.query_string = query_string
        self.valid_from = valid_from
        self.valid_until = valid_until
        self.told: Told | None = None


class Repeats:
    """The questions of this process, and the answers to them."""

    def __init__(self, *, cache: QueryCache, shown: Shown, clock: Clock, limit_policy: str) -> None:
        self._cache = cache
        self._shown = shown
        self._clock = clock
        self._limit_policy = (b"ratelimit-policy", limit_policy.encode("ascii"))
        self._questions: OrderedDict[_Key, Question] = OrderedDict()

    def remember(self, scope: HTTPScope, principal: Principal, asked: Asked) -> None:
        """A question that came the long way, and was answered."""
        now = self._clock()
        exchange = cast("Exchange | None", scope.get(EXCHANGE_KEY))
        if exchange is None:
            return  # nobody stands before the router who could answer
        # It was resolved at some moment between its coming and now, perhaps on the day before.
        came_at = now - timedelta(seconds=exchange.duration_seconds)
        plain = msgspec.structs.replace(asked, minimum_position=None, wait_seconds=0, if_none_match=None)
        self._questions[_key(exchange, principal)] = Question(
            asked=plain,
            command=self._cache.packed_look(plain),
            principal=principal,
            route=scope["path_template"],
            query_string=scope["query_string"],
            valid_from=came_at,
            valid_until=day_ends_at(principal.tenant.timezone, came_at),
        )
        while len(self._questions) > MAX_QUESTIONS:
            self._questions.popitem(last=False)

    def find(self, exchange: Exchange, principal: Principal) -> Question | None:
        """The same question by the very principal that is in memory, on the same day; None where it is a new one."""
        key = _key(exchange, principal)
        question = self._questions.get(key)
        if question is None or question.principal is not principal:
            return None
        if not question.valid_from <= self._clock() < question.valid_until:
            return None
        self._questions.move_to_end(key)
        return question

    async def answer(self, question: Question, exchange: Exchange) -> bool:
        """Answer from one look; False where that is not enough, and the look is then in the scope."""
        try:
            reply = cast("list[Reply]", await self._cache.send(question.command))
        except REDIS_FAILURES:
            return False  # the long way says so, and goes on without Redis
        told, data = self._told(question, reply)
        if told is None or data is None or not self._shown.may_show(question.asked, told.state):
            exchange.scope[LOOK_KEY] = (question.asked.digest, read_look(reply))  # type: ignore[typeddict-unknown-key]  # a scope is an open dictionary (ASGI)
            return False
        exchange.scope["path_template"] = question.route
        admitted = cast("list[int]", reply[0])
        limits = [self._limit_policy, (b"ratelimit", allowed_limit_value(admitted).encode("ascii"))]
        tags = exchange.headers.get(b"if-none-match")
        if tags is not None and matches_etag(tags.decode("latin-1"), told.etag):
            await exchange.answer(304, [*limits, *told.fields], b"", position=told.state.position)
            return True
        body = b"%b%b%b" % (told.before, data, told.after)
        headers = [*limits, *told.fields, *told.page_fields, (b"content-length", b"%d" % len(body))]
        await exchange.answer(200, headers, body, position=told.state.position)
        return True

    def _told(self, question: Question, reply: list[Reply]) -> tuple[Told | None, bytes | None]:
        """What to tell beside the data, and the data; neither, where the look does not answer."""
        if len(reply) != _HIT_PARTS:
            return None, None
        _, state_text, head_text, row, stored = cast("list[bytes | None]", reply)
        page_text: bytes | None = None
        data: bytes | None = None
        if row is not None:
            data = row.partition(b"|")[2] or None  # nothing is the tombstone of a deleted row
        elif stored is not None:
            _, page_text, data = stored.split(b"\n", 2)
        # Without a hint of the log's head the long way asks the log.
        if data is None or state_text is None or head_text is None:
            return None, None
        told = question.told
        if told is None or (told.state_text, told.head_text, told.page_text) != (state_text, head_text, page_text):
            try:
                told = _told_anew(question, state_text, head_text, page_text)
            except ILLEGIBLE:
                return None, None
            question.told = told
        return told, data


class ShortWay:
    """Before the router: who asks again is answered here, everybody else is let through."""

    def __init__(self, app: ASGIApp, *, authentication: Authentication, repeats: Callable[[], Repeats | None]) -> None:
        self._app = app
        self._authentication = authentication
        self._repeats = repeats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        exchange = cast("Exchange | None", scope.get(EXCHANGE_KEY))  # which the outer door has put there
        repeats = self._repeats()
        if exchange is not None and repeats is not None:
            question = self._asked_before(exchange, repeats)
            if question is not None and await repeats.answer(question, exchange):
                return
        await self._app(scope, receive, send)

    def _asked_before(self, exchange: Exchange, repeats: Repeats) -> Question | None:
        headers = exchange.headers
        authorization = headers.get(b"authorization")
        if (
            authorization is None
            or exchange.method != "GET"
            or headers.has_repeated
            or headers.get(b"accept") not in _JSON_ACCEPTS
            or b"shelfwise-min-position" in headers
            or headers.get(b"if-none-match") == b"*"
            or not codings_taken(headers.get(b"accept-encoding")).identity
        ):
            return None
        principal = self._authentication.remembered(authorization)
        if principal is None:
            return None
        exchange.context.principal = principal
        return repeats.find(exchange, principal)


def _key(exchange: Exchange, principal: Principal) -> _Key:
    codings = codings_taken(exchange.headers.get(b"accept-encoding"))
    return id(principal), exchange.scope["path"], exchange.scope["query_string"], codings.gzip


def _told_anew(question: Question, state_text: bytes, head_text: bytes, page_text: bytes | None) -> Told:
    state = decode_state(state_text)
    page = decode_page(page_text, data=b"")
    asked, etag = question.asked, question.asked.etag(state)
    meta = meta_of(asked, Found(state=state, answer=page, source="cache", head=int(head_text)), page)
    fields: RawHeaders = [
        (b"shelfwise-position", b"%d" % state.position),
        (b"cache-control", PRIVATE.encode("ascii")),
        (b"etag", etag.encode("ascii")),
    ]
    if asked.codings is not None:
        fields.append((b"vary", b"Accept-Encoding"))
    page_fields: RawHeaders = [(b"content-type", b"application/json")]
    if page.begun is not None:
        page_fields.append((b"content-encoding", b"gzip"))
    if page.next_cursor is not None:
        link = link_value(next_link(question.route, question.query_string, page.next_cursor))
        page_fields.append((b"link", link.encode("latin-1")))
    before, after = around(page.begun, msgspec.json.encode(meta))
    return Told(
        state_text=state_text,
        head_text=head_text,
        page_text=page_text,
        state=state,
        etag=etag,
        before=before,
        after=after,
        fields=fields,
        page_fields=page_fields,
    )
