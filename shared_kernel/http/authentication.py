"""From an `Authorization` header to the principal behind it; every cause of failure looks the same from outside."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from shared_kernel.access.api_keys import hash_api_key, looks_like_api_key
from shared_kernel.access.principals import Principal, PrincipalCache
from shared_kernel.clock import Clock, system_clock
from shared_kernel.errors import UnauthenticatedError

Authenticate: TypeAlias = Callable[[str], Awaitable[Principal | None]]
"""Look a key's hash up in this side's database; None for one that is unknown or revoked."""

_SCHEME: Final = b"bearer "
_MAX_HEADER_LENGTH: Final = 256


class Authentication:
    """The checksum first, then this process's memory, then the database."""

    def __init__(
        self, *, authenticate: Authenticate, cache: PrincipalCache, secret_key: str, clock: Clock = system_clock
    ) -> None:
        self._authenticate = authenticate
        self._cache = cache
        self._secret_key = secret_key
        self._clock = clock

    async def principal(self, authorization: bytes | None) -> Principal:
        """Who the bearer is.

        Raises:
            UnauthenticatedError: no header, another scheme, no key, an unknown, revoked or expired one: all alike.
            UnavailableError: the database could not be asked.
        """
        key = _bearer_key(authorization)
        if key is None:
            raise unauthenticated()
        key_hash = hash_api_key(key, self._secret_key)
        principal = self._cache.get(key_hash)
        if principal is None:
            principal = await self._authenticate(key_hash)
            if principal is None:
                raise unauthenticated()
            self._cache.put(key_hash, principal)
        if principal.expires_at is not None and principal.expires_at <= self._clock():
            raise unauthenticated()
        return principal


def unauthenticated() -> UnauthenticatedError:
    """The one answer."""
    return UnauthenticatedError("Send a valid API key as Authorization: Bearer sw_….")


def _bearer_key(authorization: bytes | None) -> str | None:
    if authorization is None or len(authorization) > _MAX_HEADER_LENGTH:
        return None
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    key = authorization[len(_SCHEME) :].strip().decode("latin-1")
    return key if looks_like_api_key(key) else None
