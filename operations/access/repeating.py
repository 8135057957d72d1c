"""One Idempotency-Key, one effect: what is created has its id before it exists, so a retry finds or finishes it."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
import structlog

from shared_kernel.database.outages import OUTAGES
from shared_kernel.database.pool import Pool
from shared_kernel.errors import InFlightError, InvalidError
from shared_kernel.identifiers import new_id

_CLAIM_SECONDS = 30.0
"""Longer than any call takes; a process that dies in the middle leaves the key free after it."""
_KEPT_DAYS = 7
_FORGET_EVERY_SECONDS = 3_600.0

_RESERVE = """
INSERT INTO operations.answered_call (operator_id, key_digest, request_digest, resource_id, claimed_until)
VALUES ($1, $2, $3, $4, '-infinity') ON CONFLICT DO NOTHING
"""
_CLAIM = """
UPDATE operations.answered_call SET claimed_until = clock_timestamp() + make_interval(secs => $3)
WHERE (operator_id, key_digest) = ($1, $2) AND status IS NULL AND claimed_until < clock_timestamp()
RETURNING resource_id
"""
_LOOK = """
SELECT request_digest, status, location, body FROM operations.answered_call WHERE (operator_id, key_digest) = ($1, $2)
"""
_ANSWER = """
UPDATE operations.answered_call SET status = $3, location = $4, body = $5
WHERE (operator_id, key_digest) = ($1, $2)
"""
_FREE = """
UPDATE operations.answered_call SET claimed_until = '-infinity'
WHERE (operator_id, key_digest) = ($1, $2) AND status IS NULL
"""
_FORGET = "DELETE FROM operations.answered_call WHERE created_at < clock_timestamp() - make_interval(days => $1)"


class KeyReused(InvalidError):
    """The same Idempotency-Key came with another request (422)."""

    code = "idempotency_key_reused"


class Repeatable(msgspec.Struct, frozen=True, kw_only=True):
    """What a call is known by when it comes again.

    Attributes:
        key: the Idempotency-Key.
        request: method, path and canonical body.
    """

    operator_id: UUID
    key: str
    request: tuple[bytes, ...]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to give and to keep. `kept` is the body for retries, where the first one shows what is never kept."""

    status: int
    body: bytes
    location: str | None = None
    kept: bytes | None = None
    replayed: bool = False


_AWAY: Final[tuple[type[Exception], ...]] = (*OUTAGES, TimeoutError, OSError)

log = structlog.get_logger(component="operations")

Effect: TypeAlias = Callable[[UUID], Awaitable[Told]]
"""Makes what has this id, or finds that an earlier attempt did."""


async def once(write_pool: Pool, call: Repeatable, effect: Effect) -> Told:
    """Have the effect once for its key; afterwards tell what was told.

    Raises:
        KeyReused: the key came before with another request.
        InFlightError: the same request is being answered right now.
    """
    names = (call.operator_id, _digest(call.key.encode()))
    request_digest = _digest(*call.request)
    await write_pool.execute(_RESERVE, *names, request_digest, new_id())
    resource_id: UUID | None = await write_pool.fetchval(_CLAIM, *names, _CLAIM_SECONDS)
    known: asyncpg.Record = await write_pool.fetchrow(_LOOK, *names)
    if known["request_digest"] != request_digest:
        if resource_id is not None:
            await write_pool.execute(_FREE, *names)
        raise KeyReused("this Idempotency-Key came with another request before; take a new one")
    if known["status"] is not None:
        return Told(status=known["status"], body=known["body"], location=known["location"], replayed=True)
    if resource_id is None:
        raise InFlightError("a request with this Idempotency-Key is still being answered; try again")
    try:
        told = await effect(resource_id)
    except BaseException:
        await write_pool.execute(_FREE, *names)
        raise
    await write_pool.execute(_ANSWER, *names, told.status, told.location, told.kept or told.body)
    return told


async def keep_forgetting(write_pool: Pool) -> None:
    """Remove answers older than seven days, once an hour, until cancelled."""
    while True:
        try:
            await write_pool.execute(_FORGET, _KEPT_DAYS)
        except _AWAY as error:
            log.warning("answers_not_forgotten", error=type(error).__name__)
        await asyncio.sleep(_FORGET_EVERY_SECONDS)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\x1f".join(parts)).hexdigest()
