"""Who an API key's hash stands for, and which origins stores allow: asked before any tenant is known."""

from shared_kernel.access.principals import Principal
from shared_kernel.access.roles import Role
from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction
from shared_kernel.tenancy import Tenant

_AUTHENTICATE = """
SELECT tenant_id, slug, currency, timezone, allowed_origins, key_id, principal_id, role, expires_at
FROM access.authenticate($1)
"""
_IS_KNOWN_ORIGIN = "SELECT access.is_known_origin($1)"


async def authenticate(pool: Pool, key_hash: str) -> Principal | None:
    """The principal behind a key; None for one that is unknown or revoked."""
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
        tenant=tenant,
        expires_at=row["expires_at"],
        allowed_origins=tuple(row["allowed_origins"]),
    )


async def is_known_origin(pool: Pool, origin: str) -> bool:
    """Whether any store allows browsers from this origin."""
    # allowed: session-without-tenant - a browser asks before it sends a key
    async with transaction(pool, tenant_id=None) as connection:
        return bool(await connection.fetchval(_IS_KNOWN_ORIGIN, origin))
