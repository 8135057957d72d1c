"""Questions that this process has been asked before, word for word: answered from one look at Redis.

A question comes the long way first: routed, admitted, parsed, resolved. What comes of that depends on the address, on
who asks and on the date in the store, so it is remembered for as long as these are the same. What the look does not
answer goes the long way again, and takes the look along.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Final, cast

import msgspec
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from read_side.query_execution.asking import Asked
from read_side.query_execution.cache import (
    ILLEGIBLE,
    REDIS_FAILURES,
    Looked,
    QueryCache,
    is_unchanged,
    read_look,
    with_answer,
)
from read_side.query_execution.questions import Question, QuestionKey, Told, composed, hit_of
from read_side.query_execution.shown import Shown
from shared_kernel.access.principals import Principal
from shared_kernel.clock import Clock, day_ends_at
from shared_kernel.http.authentication import Authentication
from shared_kernel.http.content_codings import codings_taken
from shared_kernel.http.exchange import EXCHANGE_KEY, Exchange
from shared_kernel.http.request_headers import matches_etag
from shared_kernel.rate_limits.headers import allowed_limit_value
from shared_kernel.redis.state import stamp_of

MAX_QUESTIONS: Final = 4096
"""Some 12 MB; the one that was not asked for longest is forgotten."""
MAX_ADDRESS_LENGTH: Final = 1024
"""Of path and query, some 4 MB of all. One may be spelled in many ways, each of which would be another question."""
MAX_BYTES_KEPT: Final = 16 * 1024 * 1024
"""Of looks and answers, a process: some thousands of pages, or a hundred large sums as they are."""
LOOK_KEY: Final = "shelfwise.look"
"""Where the long way finds a look that was had already, and charged."""
_JSON_ACCEPTS: Final = frozenset({None, b"*/*", b"application/json"})
"""What `Accept` says by far the most often; the rest goes the long way."""


class Repeats:
    """The questions of this process, and the answers to them."""

    def __init__(self, *, cache: QueryCache, shown: Shown, clock: Clock, limit_policy: str) -> None:
        self._cache = cache
        self._shown = shown
        self._clock = clock
        self._limit_policy = (b"ratelimit-policy", limit_policy.encode("ascii"))
        self._questions: OrderedDict[QuestionKey, Question] = OrderedDict()
        self._bytes_kept = 0

    def remember(self, scope: HTTPScope, principal: Principal, asked: Asked) -> None:
        """A question that came the long way, and was answered."""
        now = self._clock()
        exchange = cast("Exchange | None", scope.get(EXCHANGE_KEY))
        if exchange is None:
            return  # nobody stands before the router who could answer
        if len(scope["path"]) + len(scope["query_string"]) > MAX_ADDRESS_LENGTH:
            return
        # It was resolved at some moment between its coming and now, perhaps on the day before.
        came_at = now - timedelta(seconds=exchange.duration_seconds)
        plain = msgspec.structs.replace(asked, minimum_position=None, wait_seconds=0, if_none_match=None)
        takes_gzip = codings_taken(exchange.headers.get(b"accept-encoding")).gzip
        key = (principal.key_id, scope["path"], scope["query_string"], takes_gzip)
        self._forget(key)
        question = self._questions[key] = Question(
            key=key,
            asked=plain,
            look=self._cache.packed_look(plain),
            principal=principal,
            route=scope["path_template"],
            valid_from=came_at,
            valid_until=day_ends_at(principal.tenant.timezone, came_at),
        )
        self._bytes_kept += question.size
        self._bound()

    def find(self, scope: HTTPScope, principal: Principal, *, takes_gzip: bool) -> Question | None:
        """The same question by the very principal that is in memory, on the same day; None where it is a new one."""
        key = (principal.key_id, scope["path"], scope["query_string"], takes_gzip)
        question = self._questions.get(key)
        if question is None or question.principal is not principal:
            return None
        if not question.valid_from <= self._clock() < question.valid_until:
            return None
        self._questions.move_to_end(key)
        return question

    async def answer(self, question: Question, exchange: Exchange) -> bool:
        """Answer from one look; False where that is not enough, and the look is then in the scope."""
        kept = question.told  # which the reply is about, whatever others put there meanwhile
        try:
            reply = await self._cache.send(question.look if kept is None else kept.look)
        except REDIS_FAILURES:
            return False  # the long way says so, and goes on without Redis
        told: Told | None = kept
        if kept is None or not is_unchanged(reply):
            told = self._told(question, reply)
        elif (reply[1], reply[2]) != (kept.state_text, kept.head_text):
            # The rows are the same, and what is told of the log beside them is not.
            reply = with_answer(reply, kept.page_text, kept.body[kept.data_at])
            told = self._told(question, reply)
        if told is None or not self._shown.may_show(question.place, told.state):
            exchange.scope[LOOK_KEY] = (question.asked.stored_under, read_look(reply))  # type: ignore[typeddict-unknown-key]  # a scope is an open dictionary (ASGI)
            return False
        exchange.scope["path_template"] = question.route
        limit = (b"ratelimit", allowed_limit_value(reply[0]).encode("ascii"))
        tags = exchange.headers.get(b"if-none-match")
        if tags is not None and matches_etag(tags.decode("latin-1"), told.etag):
            await exchange.answer(304, [limit, *told.fields], b"", position=told.state.position)
        else:
            await exchange.answer(200, [limit, *told.whole_fields], told.body, position=told.state.position)
        return True

    def _told(self, question: Question, reply: Looked) -> Told | None:
        """The answer that a look has brought, kept from now on; None where it has brought none."""
        try:
            hit = hit_of(reply)
            if hit is None:
                return None
            look = self._look_unless(question, hit.state_text)
            told = composed(question, hit, look=look, limit_policy=self._limit_policy)
        except ILLEGIBLE:
            return None
        self._keep(question, told)
        return told

    def _look_unless(self, question: Question, state_text: bytes) -> bytes:
        """The look that brings no answer while the rows are those of this state."""
        stamp, kept = stamp_of(state_text), question.told
        if kept is not None and stamp_of(kept.state_text) == stamp:
            return kept.look  # only the position has moved
        return self._cache.packed_look(question.asked, known=stamp)

    def _keep(self, question: Question, told: Told) -> None:
        if self._questions.get(question.key) is question:
            before = question.size
            question.told = told
            self._bytes_kept += question.size - before
            self._bound()

    def _bound(self) -> None:
        """Forget who was not asked for longest, until the others fit."""
        while len(self._questions) > MAX_QUESTIONS or self._bytes_kept > MAX_BYTES_KEPT:
            self._forget(next(iter(self._questions)))

    def _forget(self, key: QuestionKey) -> None:
        question = self._questions.pop(key, None)
        if question is not None:
            self._bytes_kept -= question.size


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
        field = exchange.headers.get
        authorization = field(b"authorization")
        codings = codings_taken(field(b"accept-encoding"))
        if (
            authorization is None
            or exchange.method != "GET"
            or exchange.headers.has_repeated
            or field(b"accept") not in _JSON_ACCEPTS
            or field(b"shelfwise-min-position") is not None
            or field(b"if-none-match") == b"*"
            or not codings.identity
        ):
            return None
        principal = self._authentication.remembered(authorization)
        if principal is None:
            return None
        exchange.context.principal = principal
        return repeats.find(exchange.scope, principal, takes_gzip=codings.gzip)
