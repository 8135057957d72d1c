"""Idempotency keys: what stands for one, how it is claimed, and how an earlier answer is found again."""

import hashlib
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Pool
from shared_kernel.database.transactions import transaction
from write_side.command_execution.errors import IdempotencyKeyReusedError
from write_side.command_execution.requests import Answer, CommandRequest, IdempotencyClaim, Outcome, StoredHeaders
from write_side.command_execution.unit_of_work import UnitOfWork

ALREADY_ANSWERED = "SW200"
IN_FLIGHT = "SW409"
"""The SQLSTATEs of access.claim_idempotency_key."""

_FIND = """
SELECT request_digest, status, headers::text AS headers, body, position
FROM access.idempotent_response WHERE tenant_id = $1 AND key_digest = $2
"""

# Only this answer: another retry may have been answered anew since.
_FORGET = "DELETE FROM access.idempotent_response WHERE tenant_id = $1 AND key_digest = $2 AND body = $3"


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing that anybody is told."""


def claim_of(*, actor: str, operation: str, key: str, request: tuple[bytes, ...]) -> IdempotencyClaim:
    """What stands for a client's key and request.

    Args:
        actor: keys of different principals never meet.
        operation: neither do those of different commands.
        request: what must be the same in a retry: method, path, canonical body.
    """
    return IdempotencyClaim(
        key_digest=_digest((actor.encode(), operation.encode(), key.encode())), request_digest=_digest(request)
    )


def claim_statement(tenant_id: UUID, claim: IdempotencyClaim) -> str:
    """The claim as text for the simple protocol, which binds nothing: both parts are hexadecimal by construction."""
    digest = bytes.fromhex(claim.key_digest).hex()
    # allowed: built-sql - hexadecimal, made so by the line above and by UUID
    return f"SELECT access.claim_idempotency_key('{UUID(bytes=tenant_id.bytes)}', '{digest}')"


async def stored_answer(pool: Pool, request: CommandRequest) -> Answer | None:
    """The answer given to the same request before, or None where it has been forgotten since.

    Raises:
        IdempotencyKeyReusedError: the key stood for another request.
    """
    assert request.idempotency is not None
    async with transaction(pool, tenant_id=request.tenant.id) as connection:
        row = await connection.fetchrow(_FIND, request.tenant.id, request.idempotency.key_digest)
    if row is None:
        return None
    if row["request_digest"] != request.idempotency.request_digest:
        raise IdempotencyKeyReusedError
    headers = msgspec.json.decode(row["headers"], type=StoredHeaders)
    return Answer(
        status=row["status"],
        location=headers.location,
        version=headers.version,
        data=row["body"],
        position=row["position"],
        replayed=True,
    )


async def forget_answer(claim: IdempotencyClaim, answer: Answer, work: UnitOfWork) -> Outcome:
    """Have the key stand for nothing again: whoever sends the request once more has it decided anew."""
    await work.connection.execute(_FORGET, work.tenant.id, claim.key_digest, answer.data)
    return Outcome(data=Forgotten(), version=None)


def _digest(parts: tuple[bytes, ...]) -> str:
    # Each part is preceded by its length, so that no two lists of parts read the same.
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
