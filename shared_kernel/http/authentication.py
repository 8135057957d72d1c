"""From an `Authorization` header to the principal behind it; every cause of failure looks the same from outside."""

import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Final, TypeAlias

from shared_kernel.access.api_keys import hash_api_key, looks_like_api_key
from shared_kernel.access.principals import Principal, PrincipalCache
from shared_kernel.clock import Clock, system_clock
from shared_kernel.errors import UnauthenticatedError

Authenticate: TypeAlias = Callable[[str], Awaitable[Principal | None]]
"""Look a key's hash up in this side's database; None for one that is unknown or revoked."""

_SCHEME: Final = b"bearer "
_MAX_HEADER_LENGTH: Final = 256
_MAX_REMEMBERED: Final = 10_000
"""Well-formed keys whose hash is remembered, good or not; some 3 MB."""
_FINGERPRINT_BYTES: Final = 16
_FINGERPRINT_KEY: Final = os.urandom(32)


class Authentication:
    """The checksum first, then this process's memory, then the database."""

    def __init__(
        self, *, authenticate: Authenticate, cache: PrincipalCache, secret_key: str, clock: Clock = system_clock
    ) -> None:
        self._authenticate = authenticate
        self._cache = cache
        self._secret_key = secret_key
        self._clock = clock
        self._hashes: OrderedDict[bytes, str] = OrderedDict()

    async def principal(self, authorization: bytes | None) -> Principal:
        """Who the bearer is.

        Raises:
            UnauthenticatedError: no header, another scheme, no key, an unknown, revoked or expired one: all alike.
            UnavailableError: the database could not be asked.
        """
        key_hash = self._key_hash(authorization)
        if key_hash is None:
            raise unauthenticated()
        principal = self._cache.get(key_hash)
        if principal is None:
            principal = await self._authenticate(key_hash)
            if principal is None:
                raise unauthenticated()
            self._cache.put(key_hash, principal)
        if principal.expires_at is not None and principal.expires_at <= self._clock():
            raise unauthenticated()
        return principal

    def remembered(self, authorization: bytes) -> Principal | None:
        """Who the bearer is, as far as this process knows by itself and now; None: ask `principal`."""
        key_hash = self._hashes.get(_fingerprint(authorization))
        principal = None if key_hash is None else self._cache.get(key_hash)
        if principal is None or (principal.expires_at is not None and principal.expires_at <= self._clock()):
            return None
        return principal

    def _key_hash(self, authorization: bytes | None) -> str | None:
        """Of the key in the header; None where there is none. Remembered: checksum and HMAC cost more than a look."""
        if authorization is None or len(authorization) > _MAX_HEADER_LENGTH:
            return None
        fingerprint = _fingerprint(authorization)
        key_hash = self._hashes.get(fingerprint)
        if key_hash is None:
            key = _bearer_key(authorization)
            if key is None:
                return None
            key_hash = hash_api_key(key, self._secret_key)
            self._hashes[fingerprint] = key_hash
            while len(self._hashes) > _MAX_REMEMBERED:
                self._hashes.popitem(last=False)
        return key_hash


def unauthenticated() -> UnauthenticatedError:
    """The one answer."""
    return UnauthenticatedError("Send a valid API key as Authorization: Bearer sw_….")


def _fingerprint(authorization: bytes) -> bytes:
    """What stands for a header in this process's memory, where no key is to be found."""
    return blake2b(authorization, digest_size=_FINGERPRINT_BYTES, key=_FINGERPRINT_KEY).digest()


def _bearer_key(authorization: bytes) -> str | None:
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    key = authorization[len(_SCHEME) :].strip().decode("latin-1")
    return key if looks_like_api_key(key) else None
