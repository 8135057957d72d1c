"""Deciding on what was read without locks: one statement reads, one compares, writes and commits by itself.

What the second finds changed has no effect at all, and the command is decided again the usual way, under locks.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import asyncpg
import msgspec

from shared_kernel.database.pool import Connection
from write_side.command_execution.appending import append_agreed
from write_side.command_execution.recording import Recording
from write_side.command_execution.requests import Answer, CommandRequest, Outcome
from write_side.command_execution.saving import Saving

OVERTAKEN: Final = "SW412"
"""The SQLSTATE of access.refuse_overtaken."""
_MAX_STATEMENTS: Final = 16
"""As many as handlers can do without locks, and some more."""

# The tenant is named first, as in the read side's single statements: each part hangs on the one before, and an outer
# join without a condition can only loop. In any other order the policies would show nothing.
_LOOK: Final = """
WITH named AS MATERIALIZED (
    SELECT set_config('app.tenant_id', $1::uuid::text, true)::uuid AS tenant_id
), answered AS MATERIALIZED (
    SELECT EXISTS (
        SELECT FROM access.idempotent_response r WHERE r.tenant_id = named.tenant_id AND r.key_digest = $%(key)d
    ) AS is_answered
    FROM named
)
SELECT answered.is_answered, looked.* FROM answered LEFT JOIN LATERAL (%(statement)s) AS looked ON true
"""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision is made on.

    Attributes:
        statement: that locks nothing, a constant. $1 is the tenant.
        arguments: of $2 and what follows.
    """

    statement: str
    arguments: tuple[object, ...]


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: the answer, the rows to write, and which rows must still be as they were read.

    Attributes:
        agreement: the common table expression `agreement(is_so)` of one row and what it is made of, a constant. It
            begins `FROM claimed LEFT JOIN LATERAL`, and locks what it compares in the order in which everybody does.
            $1 is the tenant.
    """

    outcome: Outcome
    agreement: Saving
    saving: Saving


class Unlocked(msgspec.Struct, frozen=True, kw_only=True):
    """A command that can be decided without locks.

    Attributes:
        look: what it reads.
        decide: pure; it raises the command's refusals. They do not stand: only who has claimed the key may say no.
    """

    look: Look
    decide: Callable[[Sequence[asyncpg.Record], Recording], Decided]


class AlreadyAnswered(Exception):
    """The key was used before."""


class Overtaken(Exception):
    """Others changed what was read, or hold the key; nothing was written."""


async def look(connection: Connection, request: CommandRequest, wanted: Look) -> Sequence[asyncpg.Record]:
    """What a decision is made on, of one moment.

    Raises:
        AlreadyAnswered: there is nothing to decide.
    """
    assert request.idempotency is not None
    rows: list[asyncpg.Record] = await connection.fetch(
        _looking(wanted.statement, 2 + len(wanted.arguments)),
        request.tenant.id,
        *wanted.arguments,
        request.idempotency.key_digest,
    )
    if rows[0]["is_answered"]:
        raise AlreadyAnswered
    return rows


async def write(
    connection: Connection, request: CommandRequest, decided: Decided, *, recording: Recording, answer: Answer
) -> int:
    """Write all of it if it still holds, and return the log's new head; it has committed by then.

    Raises:
        Overtaken: nothing was written.
    """
    try:
        return await append_agreed(
            connection,
            request,
            events=recording.events,
            answer=answer,
            now=recording.now,
            agreement=decided.agreement,
            saving=decided.saving,
        )
    except asyncpg.PostgresError as error:
        if error.sqlstate == OVERTAKEN:
            raise Overtaken from None
        raise


@lru_cache(maxsize=_MAX_STATEMENTS)
def _looking(statement: str, key: int) -> str:
    return _LOOK % {"statement": statement, "key": key}
