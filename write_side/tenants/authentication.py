"""Who an API key's hash stands for, and which origins stores allow: asked before any tenant is known."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from shared_kernel.access.principals import Principal
from shared_kernel.access.roles import Role
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import DatabaseUnavailableError, transaction
from shared_kernel.tenancy import Tenant

_AUTHENTICATE = """
SELECT tenant_id, slug, currency, timezone, allowed_origins, key_id, principal_id, role, expires_at
FROM access.authenticate($1)
"""
_IS_KNOWN_ORIGIN = "SELECT access.is_known_origin($1)"
_PATIENCE_SECONDS: Final = 1.8
"""The contract says 503 within two seconds, also where the database hangs."""

AnswerT = TypeVar("AnswerT")


async def authenticate(pool: Pool, key_hash: str) -> Principal | None:
    """The principal behind a key; None for one that is unknown or revoked.

    Raises:
        DatabaseUnavailableError: it does not answer in time.
    """
    return await _in_time(_principal_of(pool, key_hash))


async def is_known_origin(pool: Pool, origin: str) -> bool:
    """Whether any store allows browsers from this origin.

    Raises:
        DatabaseUnavailableError: it does not answer in time.
    """
    return await _in_time(_is_known(pool, origin))


async def _in_time(asking: Coroutine[Any, Any, AnswerT]) -> AnswerT:  # Any: what a coroutine is sent, which is nothing
    """The answer; where it is late the question is broken off, and nobody waits for it to tidy up."""
    question = asyncio.create_task(asking)
    try:
        await asyncio.wait({question}, timeout=_PATIENCE_SECONDS)
        if not question.done():
            raise DatabaseUnavailableError("the database is not answering; try again")
        return question.result()
    finally:
        question.cancel()


async def _principal_of(pool: Pool, key_hash: str) -> Principal | None:
    # allowed: session-without-tenant - which one it is, is what is asked
    async with transaction(pool, tenant_id=None) as connection:
        row = await connection.fetchrow(_AUTHENTICATE, key_hash)
    if row is None:
        return None
    tenant = Tenant(id=row["tenant_id"], slug=row["slug"], currency=row["currency"], timezone=row["timezone"])
    return Principal(
        id=row["principal_id"],
        key_id=row["key_id"],
        role=Role(row["role"]),
        store=tenant,
        expires_at=row["expires_at"],
        allowed_origins=tuple(row["allowed_origins"]),
    )


async def _is_known(pool: Pool, origin: str) -> bool:
    # allowed: session-without-tenant - a browser asks before it sends a key
    async with transaction(pool, tenant_id=None) as connection:
        return bool(await connection.fetchval(_IS_KNOWN_ORIGIN, origin))
