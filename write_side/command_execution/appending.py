"""The last statement of a command's transaction: positions, events and the stored answer, all at once.

The tenant's counter row is locked from here to the end of the commit and no longer, so positions are gapless and in
commit order.
"""

from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from write_side.command_execution.errors import LogHeadMissingError
from write_side.command_execution.requests import Answer, CommandRequest, StoredHeaders
from write_side.command_execution.saving import Saving, before
from write_side.command_execution.unit_of_work import PendingEvent

_APPEND = """
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
SELECT position FROM head
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
    claim = request.idempotency
    before_it = saving.arguments if saving else (request.tenant.id,)
    head = await connection.fetch(
        before(saving.parts, len(before_it), _APPEND) if saving else _APPEND,
        *before_it,
        *_columns(events),
        claim and claim.key_digest,
        request.operation,
        claim and claim.request_digest,
        answer.status,
        msgspec.json.encode(StoredHeaders(location=answer.location, version=answer.version)).decode(),
        answer.data,
        now,
    )
    if len(head) != 1:
        message = f"log.tenant_head has {len(head)} rows for the tenant instead of one"
        raise LogHeadMissingError(message)
    return int(head[0]["position"])


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
