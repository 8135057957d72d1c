"""What the query API is told from outside: by the environment, and by tests."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar.handlers import HTTPRouteHandler

from read_side.live.settings import DEFAULT_LIVE_SETTINGS, LiveSettings
from read_side.query_execution.waking import DEFAULT_MAX_WAITERS, DEFAULT_PAUSES, Pauses
from read_side.routes import ROUTES
from shared_kernel.clock import Clock, system_clock
from shared_kernel.observability.logging import LogFormat
from shared_kernel.rate_limits.settings import RateLimitSettings

_DEFAULT_LIMITS: Final = RateLimitSettings()


class ReadApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the query API reads from `SHELFWISE_*`.

    Attributes:
        read_database_url: logs in as `shelfwise_read_api`.
        redis_url: of the cache, the limits and the messages.
        secret_key: that API keys are hashed with.
        write_database_url: logs in as `shelfwise_read_api` too, which may ask there where a log ends and nothing else;
            without it `lag_events` is known only while the doorbell rings.
        processes: among which the limits are shared out while Redis is away.
        trusted_proxies: networks in CIDR form, separated by commas, whose `X-Forwarded-For` is believed.
        tenant_per_minute, key_per_minute, address_per_minute: units of the limits.
    """

    read_database_url: str
    redis_url: str
    secret_key: str
    write_database_url: str | None = None
    processes: int = 1
    trusted_proxies: str = ""
    tenant_per_minute: int = _DEFAULT_LIMITS.tenant_per_minute
    key_per_minute: int = _DEFAULT_LIMITS.key_per_minute
    address_per_minute: int = _DEFAULT_LIMITS.address_per_minute
    log_level: str = "info"
    log_format: LogFormat = "auto"


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """What a test may put in the place of the real thing."""

    routes: Sequence[HTTPRouteHandler] = ROUTES
    clock: Clock = system_clock
    limits: RateLimitSettings | None = None
    max_waiters: int = DEFAULT_MAX_WAITERS
    pauses: Pauses = DEFAULT_PAUSES
    live: LiveSettings = DEFAULT_LIVE_SETTINGS
