"""Signatures of Standard Webhooks 1.0, by secrets that are derived and therefore stored nowhere."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

ROTATION_OVERLAP = timedelta(hours=24)
"""How long messages carry the signature of the secret before, too."""
_PREFIX = "whsec_"


class WebhookRules(msgspec.Struct, frozen=True, kw_only=True):
    """What an installation says about its webhooks.

    Attributes:
        secret_key: the installation's, which endpoints' secrets are derived from.
        allows_loopback: whether receivers on this machine, without TLS, are accepted: for development and tests.
    """

    secret_key: str
    allows_loopback: bool = False


def secret_of(rules: WebhookRules, tenant_id: UUID, webhook_id: UUID, number: int) -> str:
    """The n-th secret of an endpoint, as its owner keeps it: `whsec_` and 32 bytes in base 64."""
    return _PREFIX + base64.b64encode(_raw(rules, tenant_id, webhook_id, number)).decode()


def signatures(
    rules: WebhookRules, tenant_id: UUID, webhook_id: UUID, *, numbers: tuple[int, ...], signed: bytes
) -> str:
    """`webhook-signature`: one for each secret in force, the newest first.

    Args:
        signed: id, timestamp and body, joined by full stops.

    Source: Standard Webhooks 1.0, "Signature scheme".
    """
    digests = (hmac.digest(_raw(rules, tenant_id, webhook_id, number), signed, "sha256") for number in numbers)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def secrets_in_force(number: int, rotated_at: datetime | None, now: datetime) -> tuple[int, ...]:
    """The newest secret's number, and the one before while the rotation overlaps."""
    if rotated_at is not None and now < rotated_at + ROTATION_OVERLAP:
        return number, number - 1
    return (number,)


def _raw(rules: WebhookRules, tenant_id: UUID, webhook_id: UUID, number: int) -> bytes:
    context = b"webhook secret" + tenant_id.bytes + webhook_id.bytes + number.to_bytes(4, "big")
    return hmac.digest(rules.secret_key.encode(), context, hashlib.sha256)
