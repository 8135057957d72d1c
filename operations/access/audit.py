"""The audit: an entry before a call has its effect, and one that says what came of it. Nothing is ever taken out."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from operations.errors import CommandFailed
from shared_kernel.database.pool import Pool
from shared_kernel.errors import ShelfWiseError
from shared_kernel.identifiers import new_id

_MAX_DETAIL = 2_000
_MAX_LISTED = 500

_ENTER = """
INSERT INTO operations.audit (call_id, phase, actor, action, target, request_id, detail)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7)
"""
_LIST = """
SELECT entry, call_id, at, phase, actor, action, target::text AS target, request_id, detail FROM operations.audit
WHERE $1::bigint IS NULL OR entry < $1 ORDER BY entry DESC LIMIT $2
"""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`asked` before the effect; then `done`, `refused` (by a rule) or `failed`. A call cut short has one."""

    entry: int
    call_id: UUID
    at: datetime
    phase: str
    actor: str
    action: str
    target: Any  # whatever the call named
    request_id: str | None
    detail: str | None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Who does what to what."""

    actor: str
    action: str
    target: Mapping[str, object]
    request_id: str | None = None


@asynccontextmanager
async def audited(write_pool: Pool, call: Call) -> AsyncIterator[None]:
    """Enter the call before the block and its outcome after it; without the first entry nothing is done."""
    call_id = new_id()
    await _enter(write_pool, call, call_id, phase="asked")
    try:
        yield
    except ShelfWiseError as error:
        await _enter(write_pool, call, call_id, phase="refused", detail=f"{error.code}: {error.detail}")
        raise
    except CommandFailed as error:
        await _enter(write_pool, call, call_id, phase="refused", detail=f"{error.code}: {error}")
        raise
    except Exception as error:
        await _enter(write_pool, call, call_id, phase="failed", detail=type(error).__name__)
        raise
    await _enter(write_pool, call, call_id, phase="done")


async def entries(write_pool: Pool, *, before: int | None = None, limit: int = 100) -> tuple[AuditEntry, ...]:
    """The newest entries, or those before one."""
    rows = await write_pool.fetch(_LIST, before, min(limit, _MAX_LISTED))
    return tuple(AuditEntry(**{**dict(row), "target": msgspec.json.decode(row["target"])}) for row in rows)


async def _enter(write_pool: Pool, call: Call, call_id: UUID, *, phase: str, detail: str | None = None) -> None:
    shown = detail[:_MAX_DETAIL] if detail else None
    target = msgspec.json.encode(call.target).decode()
    await write_pool.execute(_ENTER, call_id, phase, call.actor, call.action, target, call.request_id, shown)
