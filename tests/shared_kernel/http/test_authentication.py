"""What a process remembers of a key ends with the key."""

from datetime import UTC, datetime, timedelta

import msgspec

from shared_kernel.access.api_keys import hash_api_key, new_api_key
from shared_kernel.access.principals import Principal, PrincipalCache
from shared_kernel.access.roles import Role
from shared_kernel.http.authentication import Authentication
from shared_kernel.identifiers import new_id
from shared_kernel.tenancy import Tenant

_SECRET = "a-secret-of-the-installation-under-test"  # noqa: S105 - of this test only
_NOW = datetime(2026, 3, 1, tzinfo=UTC)


class _Store:
    def __init__(self) -> None:
        self.key = new_api_key()
        self.now = _NOW
        self.cache = PrincipalCache()
        self.owner = Principal(
            id=new_id(),
            key_id=new_id(),
            role=Role.OWNER,
            store=Tenant(id=new_id(), slug="small", currency="GBP", timezone="Europe/London"),
            expires_at=_NOW + timedelta(hours=1),
        )
        self.authentication = Authentication(
            authenticate=self._look_up, cache=self.cache, secret_key=_SECRET, clock=lambda: self.now
        )

    @property
    def header(self) -> bytes:
        return f"Bearer {self.key}".encode()

    async def _look_up(self, key_hash: str) -> Principal | None:
        return msgspec.structs.replace(self.owner) if key_hash == hash_api_key(self.key, _SECRET) else None


async def test_a_bearer_is_remembered_once_known() -> None:
    """And not before; another spelling of the same header is known by itself."""
    store = _Store()
    assert store.authentication.remembered(store.header) is None
    principal = await store.authentication.principal(store.header)
    assert store.authentication.remembered(store.header) is principal
    assert store.authentication.remembered(store.header.lower()) is None


async def test_a_revoked_key_is_forgotten_at_once() -> None:
    """The message reaches what is remembered under the header as well."""
    store = _Store()
    await store.authentication.principal(store.header)
    store.cache.forget(hash_api_key(store.key, _SECRET))
    assert store.authentication.remembered(store.header) is None


async def test_an_expired_key_is_not_remembered() -> None:
    """Its hour ends in the middle of what the process remembers."""
    store = _Store()
    await store.authentication.principal(store.header)
    store.now = _NOW + timedelta(hours=1)
    assert store.authentication.remembered(store.header) is None


async def test_no_key_is_kept_in_memory() -> None:
    """Only what stands for it."""
    store = _Store()
    await store.authentication.principal(store.header)
    kept = repr(vars(store.authentication)) + repr(vars(store.cache))
    assert store.key not in kept
