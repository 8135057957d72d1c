"""Whether any store lists an origin."""

from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, transaction

_NAME_ORIGIN = "SELECT set_config('app.origin', $1, true)"
_KNOWN = "SELECT EXISTS (SELECT FROM read.store_origins__v1 WHERE origin = $1)"


async def is_known_origin(pool: Pool, origin: str) -> bool:
    """Whether a preflight from this origin is let through; the answer itself is allowed by the key's own store only.

    Raises:
        DatabaseUnavailableError: the read database does not answer.
    """
    if "\0" in origin:
        return False
    # allowed: session-without-tenant - a preflight carries no key; the policy shows this origin's rows only
    async with transaction(pool, begin=BEGIN_SNAPSHOT, tenant_id=None) as connection:
        await connection.execute(_NAME_ORIGIN, origin)
        return bool(await connection.fetchval(_KNOWN, origin))
