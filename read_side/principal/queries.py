"""From a key's hash to the principal behind it, in the read database alone."""

import re
from datetime import datetime
from typing import Final

import msgspec

from shared_kernel.access.principals import Principal
from shared_kernel.access.roles import Role
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, tenant_setting, transaction
from shared_kernel.tenancy import Tenant

_KEY_HASH: Final = re.compile(r"[0-9a-f]{64}\Z")
_MAX_BUILDS: Final = 32
"""A key's row exists once per build: the live one, one being filled, some kept. Far above what is ever kept."""

_KEYS: Final = """
SELECT tenant_id, build, key_id, principal_id, role, expires_at, revoked
FROM read.principal__v1 WHERE key_hash = $1 ORDER BY tenant_id, build DESC LIMIT $2
"""
# Both rows must be of the build that this tenant's readers use now; the store's own facts come along.
_STORE: Final = """
SELECT s.slug, s.currency, s.timezone, s.allowed_origins, k.build AS principal_build
FROM read.active_build k
JOIN read.active_build b ON b.tenant_id = k.tenant_id AND b.name = 'store' AND b.version = 1
JOIN read.store__v1 s ON s.tenant_id = b.tenant_id AND s.build = b.build AND s.store_id = b.tenant_id
WHERE k.tenant_id = $1 AND k.name = 'principal' AND k.version = 1
"""
_origins = msgspec.json.Decoder(tuple[str, ...])


async def authenticate(pool: Pool, key_hash: str, now: datetime) -> Principal | None:
    """The owner of a key and its store; None for a key that is unknown, revoked, expired, or not projected yet.

    Nobody knows the tenant yet, so row-level security shows the rows of the hash in `app.key_hash`, no others.

    Raises:
        DatabaseUnavailableError: the read database does not answer.
    """
    if not _KEY_HASH.match(key_hash):
        return None
    # Hexadecimal only, checked above: it can stand in the statement, which then needs no round trip of its own.
    # allowed: built-sql - see above
    preamble = f"SET LOCAL app.key_hash = '{key_hash}'"
    # allowed: session-without-tenant - who the tenant is, is the question
    async with transaction(pool, begin=BEGIN_SNAPSHOT, tenant_id=None, preamble=preamble) as connection:
        keys = await connection.fetch(_KEYS, key_hash, _MAX_BUILDS)
        if not keys:
            return None
        tenant_id = keys[0]["tenant_id"]
        await connection.execute(tenant_setting(tenant_id))
        store = await connection.fetchrow(_STORE, tenant_id)
    if store is None:
        return None
    key = next(
        (key for key in keys if key["tenant_id"] == tenant_id and key["build"] == store["principal_build"]), None
    )
    if key is None or key["revoked"] or (key["expires_at"] is not None and key["expires_at"] <= now):
        return None
    return Principal(
        id=key["principal_id"],
        key_id=key["key_id"],
        role=Role(key["role"]),
        store=Tenant(id=tenant_id, slug=store["slug"], currency=store["currency"], timezone=store["timezone"]),
        expires_at=key["expires_at"],
        allowed_origins=_origins.decode(store["allowed_origins"]),
    )
