"""`customers`: one row a customer, without who they are."""

from collections.abc import Iterable
from typing import TypeAlias, assert_never, cast

import msgspec

from projections.fold import AnyRecorded, Projection
from read_side.customers.view import VIEW, CustomerRow
from shared_kernel.events.customers import (
    CustomerConsentChanged,
    CustomerDetailsShown,
    CustomerErased,
    CustomerRegistered,
    CustomerRevised,
)
from shared_kernel.views import Key

CustomerEvent: TypeAlias = (
    CustomerRegistered | CustomerRevised | CustomerConsentChanged | CustomerErased | CustomerDetailsShown
)


class CustomerNeverRegisteredError(LookupError):
    """A customer's event came without the one that registered them: the log is damaged or that event was skipped."""


def touches(recorded: AnyRecorded) -> Iterable[tuple[Key, CustomerEvent]]:
    """The customer's own row."""
    event = cast("CustomerEvent", recorded.event)  # the runtime hands over what PROJECTION.handles lists
    return [((event.customer_id,), event)]


def evolve(row: CustomerRow | None, event: CustomerEvent, recorded: AnyRecorded) -> CustomerRow:
    """The customer after the event."""
    if isinstance(event, CustomerRegistered):
        return _registered(event, recorded)
    if row is None:
        raise CustomerNeverRegisteredError(f"{type(event).__name__} at {recorded.position} is of nobody registered")
    version = recorded.stream_version
    match event:
        case CustomerRevised():
            return msgspec.structs.replace(row, customer_version=version)
        case CustomerConsentChanged():
            return msgspec.structs.replace(row, customer_version=version, marketing_consent=event.marketing_consent)
        case CustomerErased():
            return msgspec.structs.replace(row, customer_version=version, status="erased", marketing_consent=False)
        case CustomerDetailsShown():
            return msgspec.structs.replace(row, details_version=event.details_version)
        case _:
            assert_never(event)


def _registered(event: CustomerRegistered, recorded: AnyRecorded) -> CustomerRow:
    return CustomerRow(
        customer_id=event.customer_id,
        customer_version=recorded.stream_version,
        status="active",
        marketing_consent=event.marketing_consent,
        details_version=0,
        registered_at=recorded.occurred_at,
    )


PROJECTION = Projection(
    view=VIEW,
    handles=frozenset(
        {CustomerRegistered, CustomerRevised, CustomerConsentChanged, CustomerErased, CustomerDetailsShown}
    ),
    touches=touches,
    evolve=evolve,
)
