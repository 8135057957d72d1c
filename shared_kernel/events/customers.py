"""Stream `customer` (id: the customer's). Ids only: who they are is in a table that erasing empties."""

from uuid import UUID

from shared_kernel.events.envelope import Event


class CustomerRegistered(Event, frozen=True, kw_only=True):
    """Somebody is known to the store."""

    stream_type = "customer"

    customer_id: UUID
    marketing_consent: bool


class CustomerRevised(Event, frozen=True, kw_only=True):
    """What is known of them changed: the names of what differs, never what it was or is."""

    stream_type = "customer"

    customer_id: UUID
    changed: tuple[str, ...]


class CustomerConsentChanged(Event, frozen=True, kw_only=True):
    """They may, or may no longer, be written to for other reasons than their orders."""

    stream_type = "customer"

    customer_id: UUID
    marketing_consent: bool


class CustomerErased(Event, frozen=True, kw_only=True):
    """Nothing personal is known of them any more; their orders stay, without a name."""

    stream_type = "customer"

    customer_id: UUID


class CustomerDetailsShown(Event, frozen=True, kw_only=True):
    """Views show who they are (or that nobody knows any more) as it stood at this version of the customer."""

    stream_type = "customer_details"

    customer_id: UUID
    details_version: int
