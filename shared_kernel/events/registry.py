"""Every event there is, in one list, and the way from the log's columns to a typed event and back."""

from typing import TypeAlias

import msgspec

from shared_kernel.events import (
    catalog,
    customers,
    holds,
    inventory,
    orders,
    payments,
    snapshots,
    tenants,
    webhooks,
)
from shared_kernel.events.envelope import Event
from shared_kernel.events.upcasters import UPCASTERS

AnyEvent: TypeAlias = (
    tenants.StoreOpened
    | tenants.ApiKeyIssued
    | tenants.ApiKeyRevoked
    | catalog.EditionCreated
    | catalog.EditionRevised
    | catalog.EditionPriced
    | catalog.EditionDiscontinued
    | inventory.LocationOpened
    | inventory.StockReceived
    | inventory.StockAdjusted
    | inventory.StockCounted
    | inventory.StockTransferred
    | inventory.StockReserved
    | inventory.StockReleased
    | inventory.StockShipped
    | inventory.StockReturned
    | inventory.StockWrittenOff
    | inventory.StockSetAside
    | inventory.StockSetFree
    | holds.HoldPlaced
    | holds.HoldAllocated
    | holds.HoldEnded
    | orders.OrderPlaced
    | orders.OrderFulfilled
    | orders.OrderCancelled
    | orders.OrderConfirmed
    | orders.OrderUndoBegun
    | orders.OrderNeedsAttention
    | orders.GoodsReturned
    | payments.PaymentRequested
    | payments.PaymentAuthorized
    | payments.PaymentDeclined
    | payments.PaymentAbandoned
    | payments.PaymentCaptured
    | payments.PaymentVoided
    | payments.PaymentRefunded
    | payments.RefundRefused
    | customers.CustomerRegistered
    | customers.CustomerRevised
    | customers.CustomerConsentChanged
    | customers.CustomerErased
    | customers.CustomerDetailsShown
    | webhooks.WebhookCreated
    | webhooks.WebhookSecretRotated
    | webhooks.WebhookDisabled
    | webhooks.WebhookEnabled
    | webhooks.WebhookDeleted
    | webhooks.WebhookDeliveryTried
    | snapshots.SnapshotRequested
)

EVENT_TYPES: dict[str, type[Event]] = {kind.__name__: kind for kind in AnyEvent.__args__}

_encoder = msgspec.json.Encoder()
_decoders = {name: msgspec.json.Decoder(kind) for name, kind in EVENT_TYPES.items()}


class UnknownEventError(Exception):
    """The log holds an event this release does not know: it was written by a newer one, or is damaged."""


def encode_payload(event: Event) -> str:
    """The payload as the log's jsonb column takes it."""
    return _encoder.encode(event).decode()


def decode_payload(event_type: str, schema_version: int, payload: str) -> Event:
    """The typed event of a stored payload, lifted to today's schema version first.

    Raises:
        UnknownEventError: the type, or a version above today's, is not in this release.
        msgspec.ValidationError: the payload does not have its type's shape.
    """
    kind = EVENT_TYPES.get(event_type)
    if kind is None or schema_version > kind.schema_version:
        message = f"event {event_type} of schema version {schema_version} is not known to this release"
        raise UnknownEventError(message)
    if schema_version == kind.schema_version:
        return _decoders[event_type].decode(payload)
    lifted = msgspec.json.decode(payload)
    for version in range(schema_version, kind.schema_version):
        lifted = UPCASTERS[event_type, version](lifted)
    return msgspec.convert(lifted, kind)
