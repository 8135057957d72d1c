"""All that Redis says about a query, in one round trip: limits, state, head, and the row or the stored answer."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

import msgspec
import structlog

from read_side.query_execution.answers import Answer
from read_side.query_execution.asking import Asked
from read_side.query_execution.stored import TTL_MILLISECONDS, as_stored, decode_row, decode_stored, encode_stored
from shared_kernel.rate_limits.admission import Admission, admission_from_lua
from shared_kernel.rate_limits.gcra_lua import GCRA_LUA_FUNCTION
from shared_kernel.rate_limits.limiter import LIMIT_NAMES, LocalShare, limit_arguments
from shared_kernel.rate_limits.settings import RateLimitSettings
from shared_kernel.redis.errors import RedisReplyError, RedisUnavailable
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.replies import Argument
from shared_kernel.redis.scripts import Script
from shared_kernel.redis.state import INCARNATION_FIELD, ProjectionState, decode_state
from shared_kernel.views import View

REDIS_FAILURES: Final = (RedisUnavailable, RedisReplyError)
"""Reads go on without Redis, whatever is wrong with it."""
ILLEGIBLE: Final = (ValueError, msgspec.DecodeError)
"""Another release may write it differently: what cannot be read is not there."""
Looked: TypeAlias = list[Any]
"""The reply to a look, as its script composes it. Any: numbers first, then texts, some of them missing."""
_UNCHANGED_PARTS: Final = 4
_MAX_STORES: Final = 256
"""Answers on their way to Redis; past it they are not stored, and read from the table next time."""

# KEYS: state, head, the tenant's limit, the key's limit, the stored answer.
# ARGV: cost; interval_us and burst of each limit; the incarnation's and the view's field of the state; `build|revision`
# of the answer that the asker has, or nothing; the position that the asker must see, or 0; for an entity also its row's
# key in three pieces, between which the incarnation and the build belong (both are only known here).
# One tenant's keys are in one slot, so the row's key may be composed. Nothing is told that may hide parked rows.
LOOK: Final = Script(
    GCRA_LUA_FUNCTION
    + """
local admitted = gcra_all({
  {KEYS[3], tonumber(ARGV[2]), tonumber(ARGV[3])},
  {KEYS[4], tonumber(ARGV[4]), tonumber(ARGV[5])},
}, tonumber(ARGV[1]))
if admitted[1] == 0 then
  return {admitted}
end
local known = redis.call('HMGET', KEYS[1], ARGV[6], ARGV[7])
local head = redis.call('GET', KEYS[2])
local incarnation, state = known[1], known[2]
if not incarnation or not state then
  return {admitted, false, head}
end
local build, revision, position, parked = string.match(state, '^(%d+)|(%d+)|(%d+)|%d+|(%d+)|')
if not build or parked ~= '0' or tonumber(position) < tonumber(ARGV[9]) then
  return {admitted, state, head}
end
local stamp = build .. '|' .. revision
if ARGV[8] == stamp then
  return {admitted, state, head, 1}
end
if ARGV[10] then
  local row = redis.call('GET', ARGV[10] .. incarnation .. ARGV[11] .. build .. ARGV[12])
  if row then
    return {admitted, state, head, row, false}
  end
end
local stored = redis.call('GET', KEYS[5])
if stored and string.sub(stored, 1, #stamp + 1) == stamp .. '\\n' then
  return {admitted, state, head, false, stored}
end
return {admitted, state, head, false, false}
"""
)

_log = structlog.get_logger("shelfwise.queries")


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis said.

    Attributes:
        admission: by the limits.
        state: of the view; None where it cannot be trusted (expired, or Redis is away).
        head: the last position of the log that anybody told of lately.
        found: whether there is a row or an answer of this very state.
        answer: that; None together with `found`: the entity does not exist.
    """

    admission: Admission
    state: ProjectionState | None = None
    head: int | None = None
    found: bool = False
    answer: Answer | None = None


class ShownStates(msgspec.Struct, frozen=True, kw_only=True):
    """Up to where several views of one store are shown, by label; `head` as in a look."""

    states: dict[str, ProjectionState]
    head: int | None


class QueryCache:
    """Redis as the queries of one process see it; whatever happens to Redis, a look is had."""

    def __init__(self, redis: MultiplexedRedis, limits: RateLimitSettings, *, local_share: LocalShare) -> None:
        self._redis = redis
        self._limits = limit_arguments(limits)
        self._local_share = local_share
        self._stores: list[tuple[str, bytes]] = []
        self._storing: asyncio.Task[None] | None = None

    async def look(self, asked: Asked, *, cost: int) -> Look:
        """Charge the limits and tell what there is; one round trip.

        Args:
            asked: the query.
            cost: 0 for a second look at the same query, which is charged once.
        """
        keys, arguments = self._look_at(asked, cost, b"")
        try:
            reply = await LOOK.run(self._redis, keys=keys, args=arguments)
        except REDIS_FAILURES as error:
            _note_failure(error)
            admission = self._local_share.admit(tenant_id=asked.tenant_id, key_id=asked.key_id, cost=cost)
            return Look(admission=admission)
        return read_look(cast("Looked", reply))

    def packed_look(self, asked: Asked, *, known: bytes = b"") -> bytes:
        """The look as `send` takes it, for a query that is asked again and again.

        Args:
            asked: the query.
            known: `stamp_of` the state that an answer in memory is of; while that holds, the reply is `is_unchanged`.
        """
        keys, arguments = self._look_at(asked, asked.cost, known)
        return LOOK.packed(keys=keys, args=arguments)

    def send(self, packed: bytes) -> asyncio.Future[Looked]:
        """Have such a look; `read_look` reads the reply.

        Raises: one of REDIS_FAILURES, here or in the future.
        """
        return self._redis.send(packed)  # type: ignore[return-value]  # it is this script's

    async def look_again(self, asked: Asked) -> Look:
        """A look at a query that has been charged already."""
        return await self.look(asked, cost=0)

    async def states(self, tenant_id: UUID, views: Sequence[View[Any]]) -> ShownStates | None:
        """The states of several views now, and the log's head; None where Redis cannot be trusted with one of them."""
        keys = TenantKeys(tenant_id)
        labels = [view.label for view in views]
        try:
            known, head = await self._redis.pipeline(
                [("HMGET", keys.state_key(), INCARNATION_FIELD, *labels), ("GET", keys.head_key())]
            )
        except REDIS_FAILURES as error:
            _note_failure(error)
            return None
        if isinstance(known, RedisReplyError) or isinstance(head, RedisReplyError):
            return None
        incarnation, *texts = cast("list[bytes | None]", known)
        states = {
            label: state
            for label, text in zip(labels, texts, strict=True)
            if text is not None and (state := _legible_state(text)) is not None
        }
        if incarnation is None or len(states) < len(set(labels)):
            return None
        return ShownStates(states=states, head=None if head is None else _legible_head(cast("bytes", head)))

    def store(self, asked: Asked, state: ProjectionState, answer: Answer) -> None:
        """Keep an answer for whoever asks next, beside the current request; losing it costs a look at the table."""
        if not self._redis.connected or len(self._stores) >= _MAX_STORES:
            return
        stored = encode_stored(state, answer)
        if stored is not None:
            self._stores.append((TenantKeys(asked.tenant_id).response_key(asked.stored_under), stored))
            if self._storing is None or self._storing.done():
                self._storing = asyncio.create_task(self._store(), name="store answers")

    async def aclose(self) -> None:
        """Let what is on its way arrive, for a bounded time."""
        if self._storing is not None:
            await asyncio.wait({self._storing}, timeout=1.0)

    def _look_at(self, asked: Asked, cost: int, known: bytes) -> tuple[tuple[str, ...], tuple[Argument, ...]]:
        """The script's keys and arguments."""
        keys = TenantKeys(asked.tenant_id)
        named = (
            keys.state_key(),
            keys.head_key(),
            keys.tenant_limit_key(),
            keys.principal_limit_key(asked.key_id),
            keys.response_key(asked.stored_under),
        )
        view = (INCARNATION_FIELD, asked.view.label)
        minimum = asked.minimum_position or 0
        return named, (cost, *self._limits, *view, known, minimum, *_row_key_pieces(keys, asked))

    async def _store(self) -> None:
        """Keep what has been gathered since the last time, all of it in one go."""
        while self._stores:
            stores, self._stores = self._stores, []
            try:
                replies = await self._redis.pipeline(
                    [("SET", key, stored, "PX", TTL_MILLISECONDS) for key, stored in stores]
                )
            except REDIS_FAILURES as error:
                _note_failure(error)
            else:
                for refusal in (reply for reply in replies if isinstance(reply, RedisReplyError)):
                    _note_failure(refusal)


def _row_key_pieces(keys: TenantKeys, asked: Asked) -> tuple[Argument, ...]:
    """The row's key cut where the incarnation and the build belong."""
    if asked.row is None:
        return ()
    cut = keys.row_key(
        incarnation="@", projection=asked.view.name, version=asked.view.version, build=-1, row_key=asked.row
    )
    before_incarnation, _, rest = cut.partition("@")
    before_build, _, row = rest.partition(":-1:")
    return (before_incarnation, f"{before_build}:", f":{row}")


def is_unchanged(reply: Looked) -> bool:
    """Whether the answer that the asker has is still the one."""
    return len(reply) == _UNCHANGED_PARTS


def with_answer(reply: Looked, page_text: bytes | None, data: bytes) -> Looked:
    """A reply that is unchanged, as it would be with the answer that the asker has."""
    return [*reply[:3], None, as_stored(page_text, data)]


def read_look(reply: Looked) -> Look:
    """What the script answered."""
    admission = admission_from_lua(LIMIT_NAMES, reply[0])
    if len(reply) == 1:
        return Look(admission=admission)
    state: bytes | None
    head: bytes | None
    row: bytes | None
    stored: bytes | None
    # A Lua table ends where its last values are nil.
    state, head, row, stored = [*reply[1:], None, None, None, None][:4]
    try:
        answer = decode_row(row) if row is not None else None if stored is None else decode_stored(stored)
    except ILLEGIBLE as error:
        _note_failure(error)
        row = stored = answer = None
    return Look(
        admission=admission,
        state=None if state is None else _legible_state(state),
        head=None if head is None else _legible_head(head),
        found=row is not None or stored is not None,
        answer=answer,
    )


def _legible_state(state: bytes) -> ProjectionState | None:
    try:
        return decode_state(state)
    except ILLEGIBLE as error:
        _note_failure(error)
        return None


def _legible_head(head: bytes) -> int | None:
    try:
        return int(head)
    except ILLEGIBLE as error:
        _note_failure(error)
        return None


def _note_failure(error: Exception) -> None:
    """An outage is the connection's to tell, once; a wrong command is a bug and told each time."""
    if not isinstance(error, RedisUnavailable):
        _log.error("redis_refused_a_read", reason=str(error))
