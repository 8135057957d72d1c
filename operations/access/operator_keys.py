"""Operators' keys: the platform's, of no store. Shown once, kept as a keyed hash, read by the operator's role alone."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec

from shared_kernel.access.api_keys import hash_api_key, new_api_key
from shared_kernel.access.principals import Principal
from shared_kernel.access.revocations import RevocationMessages
from shared_kernel.access.roles import Role
from shared_kernel.database.pool import Pool
from shared_kernel.errors import NotFoundError
from shared_kernel.identifiers import new_id
from shared_kernel.tenancy import Tenant

SESSION_LENGTH = timedelta(hours=1)
"""A browser left open on somebody's desk opens nothing after it."""
_MAX_LISTED = 1_000

_ADD = """
INSERT INTO operations.operator_key (key_id, operator_id, name, key_hash, session_of, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_LIST = """
SELECT key_id AS id, operator_id, name, created_at, created_by, expires_at, revoked_at FROM operations.operator_key
WHERE session_of IS NULL ORDER BY created_at, key_id LIMIT $1
"""
_REVOKE = """
UPDATE operations.operator_key SET revoked_at = coalesce(revoked_at, clock_timestamp())
WHERE key_id = $1 OR session_of = $1 RETURNING key_hash
"""
_AUTHENTICATE = """
SELECT k.key_id, k.operator_id, k.expires_at FROM operations.operator_key k
LEFT JOIN operations.operator_key origin ON origin.key_id = k.session_of
WHERE k.key_hash = $1 AND k.revoked_at IS NULL AND origin.revoked_at IS NULL
"""
_AUTHENTICATE_STORE = """
SELECT t.tenant_id, t.slug, t.currency, t.timezone, k.key_id, k.principal_id, k.role, k.expires_at
FROM access.api_key k JOIN write.tenant t USING (tenant_id) WHERE k.key_hash = $1 AND k.revoked_at IS NULL
"""
_SESSION_SOURCE = """
SELECT name, coalesce(session_of, key_id) AS origin, expires_at FROM operations.operator_key WHERE key_id = $1
"""


class UnknownOperatorKey(NotFoundError):
    """There is no such key (404)."""

    code = "unknown_operator_key"


class NewOperatorKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to hand out: to whom, until when. An operator who is named keeps their identity, as when rotating."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    expires_at: datetime | None = None
    operator_id: UUID | None = None
    live: bool = True


class IssuedOperatorKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key; `key` is shown here and never again."""

    id: UUID
    operator_id: UUID
    key: str
    expires_at: datetime | None


class ListedOperatorKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key; its text is not."""

    id: UUID
    operator_id: UUID
    name: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


async def issue_operator_key(
    write_pool: Pool, wanted: NewOperatorKey, *, secret_key: str, actor: str
) -> IssuedOperatorKey:
    """Hand out a key; its text exists in the answer only.

    Args:
        write_pool: the write database, as the operator's role.
        wanted: for whom.
        secret_key: that keys are hashed with.
        actor: who hands it out.
    """
    key, key_id, operator_id = new_api_key(live=wanted.live), new_id(), wanted.operator_id or new_id()
    key_hash = hash_api_key(key, secret_key)
    await write_pool.execute(_ADD, key_id, operator_id, wanted.name, key_hash, None, actor, wanted.expires_at)
    return IssuedOperatorKey(id=key_id, operator_id=operator_id, key=key, expires_at=wanted.expires_at)


async def begin_session(write_pool: Pool, principal: Principal, *, secret_key: str, now: datetime) -> IssuedOperatorKey:
    """Exchange a key for a short one of the same operator, which ends with it; a session is not made longer so."""
    source: asyncpg.Record = await write_pool.fetchrow(_SESSION_SOURCE, principal.key_id)
    expires_at = min(now + SESSION_LENGTH, source["expires_at"] or now + SESSION_LENGTH)
    key, key_id = new_api_key(), new_id()
    key_hash = hash_api_key(key, secret_key)
    actor = f"operator:{principal.id}"
    await write_pool.execute(_ADD, key_id, principal.id, source["name"], key_hash, source["origin"], actor, expires_at)
    return IssuedOperatorKey(id=key_id, operator_id=principal.id, key=key, expires_at=expires_at)


async def operator_keys(write_pool: Pool) -> tuple[ListedOperatorKey, ...]:
    """Every key that was handed out, the oldest first; a browser's sessions are not among them."""
    return tuple(ListedOperatorKey(**dict(row)) for row in await write_pool.fetch(_LIST, _MAX_LISTED))


async def revoke_operator_key(write_pool: Pool, key_id: UUID, *, revocations: RevocationMessages) -> None:
    """End a key and the sessions begun with it, everywhere and at once; ending it again changes nothing.

    Raises:
        UnknownOperatorKey: there is none with this id.
    """
    rows = await write_pool.fetch(_REVOKE, key_id)
    if not rows:
        raise UnknownOperatorKey(f"there is no operator's key with the id {key_id}")
    for row in rows:
        await revocations.announce(row["key_hash"])


async def authenticate(write_pool: Pool, key_hash: str) -> Principal | None:
    """The operator behind a key; or a store's principal, known here only to be told that this is not theirs."""
    row = await write_pool.fetchrow(_AUTHENTICATE, key_hash)
    if row is not None:
        return Principal(
            id=row["operator_id"],
            key_id=row["key_id"],
            role=Role.OPERATOR,
            store=None,
            expires_at=row["expires_at"],
        )
    row = await write_pool.fetchrow(_AUTHENTICATE_STORE, key_hash)
    if row is None:
        return None
    return Principal(
        id=row["principal_id"],
        key_id=row["key_id"],
        role=Role(row["role"]),
        store=Tenant(id=row["tenant_id"], slug=row["slug"], currency=row["currency"], timezone=row["timezone"]),
        expires_at=row["expires_at"],
    )
