"""Who stands behind a request, and a short memory of it, so that a request costs no look-up."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.access.roles import Role
from shared_kernel.tenancy import NoTenantInContextError, Tenant


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of a key, not the key: idempotency and audit follow `id` through rotation.

    Attributes:
        store: whose key it is; None for an operator, who belongs to the platform.
    """

    id: UUID
    key_id: UUID
    role: Role
    store: Tenant | None
    expires_at: datetime | None
    allowed_origins: tuple[str, ...] = ()

    @property
    def tenant(self) -> Tenant:
        """The store.

        Raises:
            NoTenantInContextError: an operator has none; a route of a store's that lets one in is a bug.
        """
        if self.store is None:
            message = "an operator's key belongs to no store"
            raise NoTenantInContextError(message)
        return self.store


class PrincipalCache:
    """Principals by key hash, for some seconds, should a revocation's message be lost; bounded in number too."""

    def __init__(
        self, *, ttl_seconds: float = 15.0, max_entries: int = 10_000, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._max_entries = max_entries
        self._now = now
        self._entries: OrderedDict[str, tuple[float, Principal]] = OrderedDict()

    def get(self, key_hash: str) -> Principal | None:
        """The principal, unless unknown here or remembered for too long."""
        entry = self._entries.get(key_hash)
        if entry is None:
            return None
        if entry[0] < self._now():
            del self._entries[key_hash]
            return None
        return entry[1]

    def put(self, key_hash: str, principal: Principal) -> None:
        """Remember, forgetting the oldest past the bound."""
        self._entries[key_hash] = (self._now() + self._ttl_seconds, principal)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def forget(self, key_hash: str) -> None:
        """A revocation: the next request asks the database."""
        self._entries.pop(key_hash, None)
