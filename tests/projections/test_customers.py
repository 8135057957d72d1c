"""Given customers' events, then their rows: what is known of them without knowing who they are."""

import pytest

from projections.customers import PROJECTION, CustomerNeverRegisteredError
from shared_kernel.events.customers import (
    CustomerConsentChanged,
    CustomerDetailsShown,
    CustomerErased,
    CustomerRegistered,
    CustomerRevised,
)
from tests.builders.folding import fold
from tests.builders.order_log import NOON, OrderLog, id_of

WHO = id_of("customer")
SHOWN = id_of("shown")


def test_a_row_follows_its_customer() -> None:
    """Its version is the aggregate's; what views show has a version of its own, and an end."""
    log = OrderLog()
    seen = []
    for event, stream in (
        (CustomerRegistered(customer_id=WHO, marketing_consent=False), WHO),
        (CustomerDetailsShown(customer_id=WHO, details_version=1), SHOWN),
        (CustomerRevised(customer_id=WHO, changed=("email",)), WHO),
        (CustomerConsentChanged(customer_id=WHO, marketing_consent=True), WHO),
        (CustomerErased(customer_id=WHO), WHO),
    ):
        log.append(event, stream)
        (row,) = fold(PROJECTION, log.events).values()
        assert (row.customer_id, row.registered_at) == (WHO, NOON)
        seen.append((row.customer_version, row.status, row.marketing_consent, row.details_version))
    assert seen == [
        (1, "active", False, 0),
        (1, "active", False, 1),
        (2, "active", False, 1),
        (3, "active", True, 1),
        (4, "erased", False, 1),
    ]


def test_a_customer_who_was_never_registered_is_told() -> None:
    """The fold names what is wrong and where."""
    log = OrderLog()
    log.append(CustomerErased(customer_id=WHO), WHO)
    with pytest.raises(CustomerNeverRegisteredError, match="CustomerErased at 1"):
        fold(PROJECTION, log.events)
