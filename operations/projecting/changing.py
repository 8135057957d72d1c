"""Asking the projector to change what it does with a projection: it alone may, so a request is a row."""

from typing import Literal
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Pool
from shared_kernel.identifiers import new_id

Kind = Literal["rollback", "pause", "resume"]

_REQUEST = """
INSERT INTO projection.request (id, kind, name, version, only_tenant, options, requested_by)
VALUES ($1, $2, $3, $4, $5, '{}', $6) ON CONFLICT (id) DO NOTHING
"""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What to do to which projection; `tenant_id` for one store only, where that is possible."""

    kind: Kind
    name: str
    version: int
    tenant_id: UUID | None = None


async def ask_change(read_pool: Pool, change: Change, *, requested_by: str, request_id: UUID | None = None) -> UUID:
    """Record the request, for the projector that sees it first; under one id, twice is once.

    Args:
        read_pool: the read database, as the operator's role.
        change: what to do.
        requested_by: who asks.
        request_id: where it was chosen before; else a new one.
    """
    asked = request_id or new_id()
    await read_pool.execute(_REQUEST, asked, change.kind, change.name, change.version, change.tenant_id, requested_by)
    return asked
