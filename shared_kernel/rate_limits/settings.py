"""How much a tenant, one of its keys, and one network address may ask for."""

from typing import Final

import msgspec

from shared_kernel.rate_limits.gcra import Bucket

MINUTE_SECONDS: Final = 60
_MINUTE_US: Final = 60_000_000


class RateLimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sustained units per minute, and the units that may come at once (at most a minute's worth).

    The defaults carry a busy store (20 units a second from one key, 100 from all) and stop a runaway script.
    A benchmark of 1,000 requests a second from one key needs `tenant_per_minute` and `key_per_minute` of 60,000.
    """

    tenant_per_minute: int = 6000
    tenant_burst: int = 1200
    key_per_minute: int = 1200
    key_burst: int = 600
    address_per_minute: int = 6000
    address_burst: int = 1200

    def __post_init__(self) -> None:
        for name, per_minute, burst in (
            ("tenant", self.tenant_per_minute, self.tenant_burst),
            ("key", self.key_per_minute, self.key_burst),
            ("address", self.address_per_minute, self.address_burst),
        ):
            # Above a minute's worth `remaining` would exceed the quota that RateLimit-Policy declares; above 1 per
            # microsecond the interval would round to nothing.
            if not 1 <= burst <= per_minute <= _MINUTE_US:
                message = f"{name}: 1 <= burst <= per minute <= {_MINUTE_US} must hold"
                raise ValueError(message)

    def tenant_bucket(self, *, processes: int = 1) -> Bucket:
        """Return what all keys of a tenant share, or one process's share of it."""
        return _bucket(self.tenant_per_minute, self.tenant_burst, processes)

    def key_bucket(self, *, processes: int = 1) -> Bucket:
        """Return what one key may draw, or one process's share of it."""
        return _bucket(self.key_per_minute, self.key_burst, processes)

    def address_bucket(self, *, processes: int = 1) -> Bucket:
        """Return what one address may draw, or one process's share of it."""
        return _bucket(self.address_per_minute, self.address_burst, processes)


def _bucket(per_minute: int, burst: int, processes: int) -> Bucket:
    return Bucket(interval_us=max(1, round(_MINUTE_US * processes / per_minute)), burst=max(1, burst // processes))
