"""Customers: load, decide, save."""

from collections.abc import Sequence
from uuid import UUID

from shared_kernel.events.envelope import Event
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.customers import model, repository
from write_side.customers.commands import RegisterCustomer, ReviseCustomer
from write_side.customers.errors import CustomerNotFound
from write_side.customers.model import Customer

PATH = "/api/v1/customers"


async def register_customer(command: RegisterCustomer, work: UnitOfWork) -> Outcome:
    """Make somebody known."""
    customer, registered = model.register(command, customer_id=work.new_id())
    await repository.add(work.connection, work.tenant.id, customer, work.now)
    work.record(registered, stream_id=customer.customer_id, stream_version=customer.version)
    location = f"{PATH}/{customer.customer_id}"
    return Outcome(data=model.decided(customer), version=customer.version, status=201, location=location)


async def revise_customer(customer_id: UUID, command: ReviseCustomer, work: UnitOfWork) -> Outcome:
    """Change what a merge patch names."""
    return await _save(*model.revise(await _lock(customer_id, work), command), work)


async def erase_customer(customer_id: UUID, work: UnitOfWork) -> Outcome:
    """Forget who somebody is."""
    erased, event = model.erase(await _lock(customer_id, work))
    return await _save(erased, (event,), work)


async def _lock(customer_id: UUID, work: UnitOfWork) -> Customer:
    customer = await repository.lock(work.connection, work.tenant.id, customer_id)
    if customer is None:
        raise CustomerNotFound("this store has no such customer")
    work.check_version(customer.version)
    return customer


async def _save(customer: Customer, events: Sequence[Event], work: UnitOfWork) -> Outcome:
    if events:
        await repository.save(work.connection, work.tenant.id, customer)
    first = customer.version - len(events) + 1
    for version, event in enumerate(events, start=first):
        work.record(event, stream_id=customer.customer_id, stream_version=version)
    return Outcome(data=model.decided(customer), version=customer.version)
