"""Cluster-wide roles: five that log in and own nothing, two that own and cannot log in."""

import base64
import hashlib
import hmac
import os

import asyncpg

from shared_kernel.database.roles import DatabaseRole, RolePasswords

OWNER = "shelfwise_owner"
"""Owns every schema and table; NOLOGIN."""
GATEKEEPER = "shelfwise_gatekeeper"
"""Owns the few SECURITY DEFINER functions that must look across tenants, by policies of their own; NOLOGIN."""

_SCRAM_ITERATIONS = 4096
_ATTEMPTS = 5
"""Roles are a whole cluster's: two migrations at once may collide on one catalog row; a second look settles it."""


async def ensure_roles(connection: asyncpg.Connection, passwords: RolePasswords) -> None:
    """Create what is missing, set every password, and let the current administrator act as the owners."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            await _ensure_roles(connection, passwords)
        except (asyncpg.InternalServerError, asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError):
            if attempt == _ATTEMPTS:
                raise
        else:
            return


async def _ensure_roles(connection: asyncpg.Connection, passwords: RolePasswords) -> None:
    existing = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
    for name in (OWNER, GATEKEEPER):
        if name not in existing:
            await connection.execute(f"CREATE ROLE {name} NOLOGIN NOBYPASSRLS")
    for role in DatabaseRole:
        if role.value not in existing:
            await connection.execute(f"CREATE ROLE {role.value} LOGIN NOBYPASSRLS")
        verifier = scram_verifier(passwords.of(role))
        await connection.execute(f"ALTER ROLE {role.value} LOGIN PASSWORD '{verifier}'")
    await connection.execute(f"GRANT {OWNER}, {GATEKEEPER} TO CURRENT_USER")
    await connection.execute(f"GRANT {GATEKEEPER} TO {OWNER}")
    # Acting for a store, a reaction may do what a command may, and by the same policies.
    await connection.execute(f"GRANT {DatabaseRole.WRITE_API.value} TO {DatabaseRole.REACTIONS.value}")
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(f"GRANT CREATE ON DATABASE {database} TO {OWNER}")
    await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    logins = ", ".join(role.value for role in DatabaseRole)
    await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {logins}")


def scram_verifier(password: str) -> str:
    """The SCRAM-SHA-256 verifier PostgreSQL stores, so that the password itself is in no statement and no server log.

    Source: RFC 5803; PostgreSQL, "Password Authentication".
    """
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"
