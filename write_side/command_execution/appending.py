"""The last statement of a command's transaction: positions, events and the stored answer, all at once.

The tenant's counter row is locked from here to the end of the commit and no longer, so positions are gapless and in
commit order.
"""

from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from write_side.command_execution.errors import LogHeadMissingError
from write_side.command_execution.recording import PendingEvent
from write_side.command_execution.requests import Answer, CommandRequest, StoredHeaders
from write_side.command_execution.saving import Saving, before

_MAX_AGREEMENTS: Final = 16
"""As many as handlers can do without locks, and some more."""
_APPENDING = """
WITH head AS (
    UPDATE log.tenant_head
    SET position = position + cardinality($2::uuid[]), recorded_at = greatest(clock_timestamp(), recorded_at)
    WHERE tenant_id = $1
    RETURNING position, recorded_at
), appended AS (
    INSERT INTO log.event (tenant_id, position, event_id, stream_type, stream_id, stream_version, type, schema_version,
                           payload, metadata, occurred_at, recorded_at)
    SELECT $1, head.position - cardinality($2::uuid[]) + e.place, e.event_id, e.stream_type, e.stream_id,
           e.stream_version, e.type, e.schema_version, e.payload::jsonb, e.metadata::jsonb, e.occurred_at,
           head.recorded_at
    FROM head CROSS JOIN unnest($2::uuid[], $3::text[], $4::uuid[], $5::int[], $6::text[], $7::smallint[], $8::text[],
                                $9::text[], $10::timestamptz[])
        WITH ORDINALITY AS e(event_id, stream_type, stream_id, stream_version, type, schema_version, payload, metadata,
                             occurred_at, place)
), answered AS (
    INSERT INTO access.idempotent_response (tenant_id, key_digest, operation, request_digest, status, headers, body,
                                            position, created_at)
    SELECT $1, $11, $12, $13, $14, $15::jsonb, $16, head.position, $17
    FROM head WHERE $11::text IS NOT NULL
)
"""
_APPEND = f"{_APPENDING} SELECT position FROM head"  # noqa: S608 - constants of this module, no input
# What is agreed upon is found out first, for an outer join without a condition can only loop, and the counter is locked
# when the loop comes to it; all that the query does not ask for itself is written after it. A missing counter must
# undo what has been written, since nobody is asked before this commits.
_APPEND_AGREED = f"""
{_APPENDING}
SELECT coalesce(head.position, access.refuse_overtaken()) AS position FROM agreed LEFT JOIN head ON true
"""  # noqa: S608 - the same
_CLAIMED = """
named AS MATERIALIZED (
    SELECT set_config('app.tenant_id', $1::uuid::text, true)
), claimed AS MATERIALIZED (
    SELECT FROM named WHERE pg_try_advisory_xact_lock(hashtextextended($1::uuid::text || $2::text, 0))
)
"""
"""The tenant is named, and the key locked as `access.claim_idempotency_key` does; its unique row is the last word."""
_AGREED = """
agreed AS MATERIALIZED (
    SELECT CASE WHEN EXISTS (SELECT FROM claimed) AND (SELECT is_so FROM agreement) THEN 0
                ELSE access.refuse_overtaken() END
)
"""


async def append(
    connection: Connection,
    request: CommandRequest,
    *,
    events: list[PendingEvent],
    answer: Answer,
    now: datetime,
    saving: Saving | None = None,
) -> int:
    """Give the events their positions, store the answer under its key if it has one, and return the log's new head.

    Args:
        saving: rows that the same statement writes.

    Raises:
        LogHeadMissingError: the counter row is not there, so nothing was appended.
    """
    before_it = saving.arguments if saving else (request.tenant.id,)
    head = await connection.fetch(
        before(saving.parts, len(before_it), _APPEND) if saving else _APPEND,
        *before_it,
        *_rest(request, events, answer, now),
    )
    if len(head) != 1:
        message = f"log.tenant_head has {len(head)} rows for the tenant instead of one"
        raise LogHeadMissingError(message)
    return int(head[0]["position"])


async def append_agreed(
    connection: Connection,
    request: CommandRequest,
    *,
    events: list[PendingEvent],
    answer: Answer,
    now: datetime,
    agreement: Saving,
    saving: Saving,
) -> int:
    """The same as a transaction of its own, which undoes itself unless the key is free and all agrees.

    Args:
        agreement: parts that end in `agreement(is_so)`; see `unlocked.Decided`.
    """
    assert request.idempotency is not None
    position: int = await connection.fetchval(
        _agreed(agreement.parts, len(agreement.arguments), saving.parts, len(saving.arguments)),
        request.tenant.id,
        request.idempotency.key_digest,
        *agreement.arguments[1:],
        *saving.arguments[1:],
        *_rest(request, events, answer, now),
    )
    return position


@lru_cache(maxsize=_MAX_AGREEMENTS)
def _agreed(agreement: str, agreement_arguments: int, saving: str, saving_arguments: int) -> str:
    # allowed: built-sql - of constants
    writing = before(f"{_AGREED}, {saving}", saving_arguments, _APPEND_AGREED)
    return before(_CLAIMED, 2, before(agreement, agreement_arguments, writing))


def _rest(request: CommandRequest, events: list[PendingEvent], answer: Answer, now: datetime) -> tuple[object, ...]:
    """$2 and what follows."""
    claim = request.idempotency
    return (
        *_columns(events),
        claim and claim.key_digest,
        request.operation,
        claim and claim.request_digest,
        answer.status,
        msgspec.json.encode(StoredHeaders(location=answer.location, version=answer.version)).decode(),
        answer.data,
        now,
    )


def _columns(
    events: list[PendingEvent],
) -> tuple[list[UUID], list[str], list[UUID], list[int], list[str], list[int], list[str], list[str], list[datetime]]:
    return (
        [event.event_id for event in events],
        [event.stream_type for event in events],
        [event.stream_id for event in events],
        [event.stream_version for event in events],
        [event.type for event in events],
        [event.schema_version for event in events],
        [event.payload for event in events],
        [event.metadata for event in events],
        [event.occurred_at for event in events],
    )
