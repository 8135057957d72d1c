"""The names of everything in Redis. A tenant's keys share a hash tag, hence a slot: one script reaches them all."""

from typing import Final
from uuid import UUID

# These carry no tenant's data: only that a shard has news, up to where a tenant's views are shown, and which API key
# was revoked.
DOORBELL_CHANNEL: Final = "sw:doorbell"
SHOWN_CHANNEL: Final = "sw:shown"
REVOCATIONS_CHANNEL: Final = "sw:revocations"

_SEPARATOR: Final = ":"


class TenantKeys:
    """The keys of one tenant; there is no other way to build one."""

    __slots__ = ("_prefix",)

    def __init__(self, tenant_id: UUID) -> None:
        self._prefix = f"sw:{{{tenant_id.hex}}}"

    def state_key(self) -> str:
        """Name the hash of every projection's state: incarnation, watermarks, revisions."""
        return f"{self._prefix}:state"

    def head_key(self) -> str:
        """Name the last position of the tenant's log that the doorbell has told of."""
        return f"{self._prefix}:head"

    def row_key(self, *, incarnation: str, projection: str, version: int, build: int, row_key: str) -> str:
        """Name one projected row. Only the last part is free text: the others cannot hold the separator."""
        if _SEPARATOR in incarnation or _SEPARATOR in projection:
            message = "an incarnation and a projection's name have no colon, or two rows could share a key"
            raise ValueError(message)
        return f"{self._prefix}:row:{incarnation}:{projection}:{version}:{build}:{row_key}"

    def response_key(self, digest: bytes) -> str:
        """Name a stored response, by the digest of its fully resolved query."""
        return f"{self._prefix}:response:{digest.hex()}"

    def tenant_limit_key(self) -> str:
        """Name the bucket that all keys of the tenant draw from."""
        return f"{self._prefix}:limit:tenant"

    def principal_limit_key(self, key_id: UUID) -> str:
        """Name the bucket of one API key."""
        return f"{self._prefix}:limit:key:{key_id.hex}"
