"""What every deployable's object graph repeats: parts that live as long as the application, and limits."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Generic, Protocol, TypeVar

from shared_kernel.errors import UnavailableError
from shared_kernel.rate_limits.settings import RateLimitSettings

PartsT = TypeVar("PartsT")

_DEFAULT_LIMITS: Final = RateLimitSettings()


class LimitedSettings(Protocol):
    """The settings that limits are made of."""

    @property
    def tenant_per_minute(self) -> int:
        """Units of all keys of a store."""

    @property
    def key_per_minute(self) -> int:
        """Units of one key."""

    @property
    def address_per_minute(self) -> int:
        """Units of one network address."""


class Running(Generic[PartsT]):
    """Holds the parts while the application runs: pools belong to the loop, which is not there when it is built."""

    def __init__(self) -> None:
        self._parts: PartsT | None = None

    @property
    def parts(self) -> PartsT:
        """The singletons; a request that comes outside the application's lifetime is refused."""
        if self._parts is None:
            raise UnavailableError("the server is starting or ending; try again")
        return self._parts

    @property
    def parts_if_there(self) -> PartsT | None:
        """The singletons; None outside the application's lifetime."""
        return self._parts

    @asynccontextmanager
    async def opened(self, parts: AbstractAsyncContextManager[PartsT]) -> AsyncIterator[None]:
        """Have the parts for the block."""
        async with parts as opened:
            self._parts = opened
            try:
                yield
            finally:
                self._parts = None


def limits_of(settings: LimitedSettings) -> RateLimitSettings:
    """The limits that settings ask for, with bursts that fit in them."""
    known = _DEFAULT_LIMITS
    return RateLimitSettings(
        tenant_per_minute=settings.tenant_per_minute,
        tenant_burst=min(known.tenant_burst, settings.tenant_per_minute),
        key_per_minute=settings.key_per_minute,
        key_burst=min(known.key_burst, settings.key_per_minute),
        address_per_minute=settings.address_per_minute,
        address_burst=min(known.address_burst, settings.address_per_minute),
    )


def networks(trusted_proxies: str) -> tuple[str, ...]:
    """The networks of a setting that separates them by commas."""
    return tuple(part.strip() for part in trusted_proxies.split(",") if part.strip())
