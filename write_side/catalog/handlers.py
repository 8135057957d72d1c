"""Editions: load, decide, save."""

from uuid import UUID

from shared_kernel.events.envelope import Event
from write_side.catalog import model, repository
from write_side.catalog.commands import CreateEdition, DiscontinueEdition, PriceEdition, ReviseEdition
from write_side.catalog.errors import EditionNotFound
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.tenants.repository import StoreSettings, settings_of

PATH = "/api/v1/editions"


async def create_edition(command: CreateEdition, work: UnitOfWork) -> Outcome:
    """Begin to sell an edition."""
    settings = await settings_of(work.connection, work.tenant.id)
    edition, created = model.create(
        command, edition_id=work.new_id(), currency=work.tenant.currency, tax_classes=settings.tax_rates
    )
    await repository.add(work.connection, work.tenant.id, edition, work.now)
    work.record(created, stream_id=edition.edition_id, stream_version=edition.version)
    location = f"{PATH}/{edition.edition_id}"
    return Outcome(data=model.decided(edition), version=edition.version, status=201, location=location)


async def revise_edition(edition_id: UUID, command: ReviseEdition, work: UnitOfWork) -> Outcome:
    """Change the facts a merge patch names."""
    edition, settings = await _lock(edition_id, work)
    revised, event = model.revise(edition, command, tax_classes=settings.tax_rates)
    return await _save(revised, event, work)


async def price_edition(edition_id: UUID, command: PriceEdition, work: UnitOfWork) -> Outcome:
    """Set the list price."""
    edition, _ = await _lock(edition_id, work)
    priced, event = model.price(edition, command)
    return await _save(priced, event, work)


async def discontinue_edition(edition_id: UUID, command: DiscontinueEdition, work: UnitOfWork) -> Outcome:
    """Stop selling the edition."""
    edition, _ = await _lock(edition_id, work)
    ended, event = model.discontinue(edition, command, now=work.now)
    return await _save(ended, event, work)


async def _lock(edition_id: UUID, work: UnitOfWork) -> tuple[model.Edition, StoreSettings]:
    found = await repository.lock(work.connection, work.tenant.id, edition_id)
    if found is None:
        raise EditionNotFound("this store has no such edition")
    work.check_version(found[0].version)
    return found


async def _save(edition: model.Edition, event: Event | None, work: UnitOfWork) -> Outcome:
    if event is not None:
        await repository.save(work.connection, work.tenant.id, edition)
        work.record(event, stream_id=edition.edition_id, stream_version=edition.version)
    return Outcome(data=model.decided(edition), version=edition.version)
