"""What the limits say to an answer: header fields, or that it is too much."""

from collections.abc import Mapping
from types import MappingProxyType

from shared_kernel.access.principals import Principal
from shared_kernel.errors import RateLimitedError
from shared_kernel.rate_limits.admission import Admission
from shared_kernel.rate_limits.headers import headers as limit_headers
from shared_kernel.rate_limits.headers import policy_value
from shared_kernel.rate_limits.limiter import RateLimiter
from shared_kernel.rate_limits.settings import RateLimitSettings


def admitted_fields(
    policy: str, admission: Admission, beside: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """The header fields of an answer that was admitted, and those beside that it has either way.

    Raises:
        RateLimitedError: it was not.
    """
    fields = {**limit_headers(policy, admission), **beside}
    if not admission.allowed:
        raise RateLimitedError(
            "Too many requests; see RateLimit.",
            retry_after_seconds=admission.retry_after_seconds,
            fields=fields,
        )
    return fields


class Admitting:
    """Charges what is no query, which pays for itself in its look."""

    def __init__(self, limiter: RateLimiter, limits: RateLimitSettings) -> None:
        self._limiter = limiter
        self._policy = policy_value(limits)

    async def admit(self, principal: Principal, *, cost: int) -> dict[str, str]:
        """The header fields that the answer has.

        Raises:
            RateLimitedError: it is too much.
        """
        admission = await self._limiter.admit(tenant_id=principal.tenant.id, key_id=principal.key_id, cost=cost)
        return admitted_fields(self._policy, admission)
