"""What a client is told about its limits: `RateLimit-Policy`, `RateLimit` and, when refused, `Retry-After`.

Source: draft-ietf-httpapi-ratelimit-headers-10 (both fields are structured-field lists of strings with parameters).
"""

from collections.abc import Sequence

from shared_kernel.rate_limits.admission import ADDRESS, KEY, SECOND_US, TENANT, Admission
from shared_kernel.rate_limits.settings import MINUTE_SECONDS, RateLimitSettings


def policy_value(settings: RateLimitSettings) -> str:
    """Render `RateLimit-Policy`; it never changes while a process runs, so it is rendered once."""
    return _policy(((TENANT, settings.tenant_per_minute), (KEY, settings.key_per_minute)))


def address_policy_value(settings: RateLimitSettings) -> str:
    """Render `RateLimit-Policy` for a refusal before authentication, when no tenant is known."""
    return _policy(((ADDRESS, settings.address_per_minute),))


def limit_value(admission: Admission) -> str:
    """Render `RateLimit`; when refused, `t` is what `Retry-After` says, which should not be earlier than `t`."""
    seconds = admission.reset_seconds if admission.allowed else admission.retry_after_seconds
    return f'"{admission.limit}";r={admission.remaining};t={seconds}'


def allowed_limit_value(answer: Sequence[int]) -> str:
    """Render `RateLimit` straight from what `gcra_all` returned where it admitted; the limit with less left is told."""
    _, tenant_left, _, tenant_reset_us, key_left, _, key_reset_us = answer
    if tenant_left <= key_left:
        return f'"{TENANT}";r={tenant_left};t={-(-tenant_reset_us // SECOND_US)}'
    return f'"{KEY}";r={key_left};t={-(-key_reset_us // SECOND_US)}'


def headers(policy: str, admission: Admission) -> dict[str, str]:
    """Return the response headers for an admission under a rendered policy."""
    fields = {"RateLimit-Policy": policy, "RateLimit": limit_value(admission)}
    if not admission.allowed:
        fields["Retry-After"] = str(admission.retry_after_seconds)
    return fields


def _policy(quotas: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f'"{name}";q={quota};w={MINUTE_SECONDS}' for name, quota in quotas)
