"""Customers: pure decisions."""

from uuid import UUID

import msgspec
from msgspec import UNSET

from shared_kernel.events.customers import CustomerConsentChanged, CustomerErased, CustomerRegistered, CustomerRevised
from shared_kernel.events.envelope import Event
from write_side.customers.commands import CustomerDecided, RegisterCustomer, ReviseCustomer
from write_side.customers.errors import CustomerAlreadyErased


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who a customer is. It is in no event, no log line and no stored answer."""

    name: str
    email: str | None
    phone: str | None


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """A customer; `person` is None once they were erased."""

    customer_id: UUID
    version: int
    marketing_consent: bool
    person: Person | None

    @property
    def status(self) -> str:
        """`active` or `erased`."""
        return "erased" if self.person is None else "active"


def register(command: RegisterCustomer, *, customer_id: UUID) -> tuple[Customer, CustomerRegistered]:
    """Somebody new."""
    customer = Customer(
        customer_id=customer_id,
        version=1,
        marketing_consent=command.marketing_consent,
        person=Person(name=command.name, email=command.email, phone=command.phone),
    )
    return customer, CustomerRegistered(customer_id=customer_id, marketing_consent=command.marketing_consent)


def revise(customer: Customer, command: ReviseCustomer) -> tuple[Customer, tuple[Event, ...]]:
    """What a merge patch changes; an event for who they are and one for their consent, none where nothing differs.

    Raises:
        CustomerAlreadyErased: there is nothing to change.
    """
    person = _person(customer)
    patch = {name: value for name in Person.__struct_fields__ if (value := getattr(command, name)) is not UNSET}
    revised = msgspec.structs.replace(person, **patch)
    events: list[Event] = []
    changed = tuple(name for name in patch if getattr(person, name) != getattr(revised, name))
    if changed:
        events.append(CustomerRevised(customer_id=customer.customer_id, changed=changed))
    consent = customer.marketing_consent if command.marketing_consent is UNSET else command.marketing_consent
    if consent != customer.marketing_consent:
        events.append(CustomerConsentChanged(customer_id=customer.customer_id, marketing_consent=consent))
    version = customer.version + len(events)
    after = msgspec.structs.replace(customer, version=version, marketing_consent=consent, person=revised)
    return after, tuple(events)


def erase(customer: Customer) -> tuple[Customer, CustomerErased]:
    """Nothing personal is known any more.

    Raises:
        CustomerAlreadyErased: nothing is.
    """
    _person(customer)
    erased = msgspec.structs.replace(customer, version=customer.version + 1, marketing_consent=False, person=None)
    return erased, CustomerErased(customer_id=customer.customer_id)


def decided(customer: Customer) -> CustomerDecided:
    """The customer as commands answer it."""
    return CustomerDecided(
        id=customer.customer_id,
        version=customer.version,
        status=customer.status,
        marketing_consent=customer.marketing_consent,
    )


def _person(customer: Customer) -> Person:
    if customer.person is None:
        raise CustomerAlreadyErased("this customer was erased: nothing is known of them any more")
    return customer.person
