"""Locations and stock: load, decide, save."""

from collections.abc import Sequence
from uuid import UUID

from shared_kernel.errors import FieldError
from shared_kernel.events.inventory import LocationOpened
from shared_kernel.money import Money
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory import model, repository
from write_side.inventory.checks import (
    Demanded,
    edition_faults,
    location_faults,
    money_faults,
    refuse_shortages,
    summed_demand,
)
from write_side.inventory.commands import (
    AdjustStock,
    CountStock,
    LocationDecided,
    MovementDecided,
    OpenLocation,
    ReceiveStock,
    StockDecided,
    TransferStock,
)
from write_side.inventory.errors import InvalidMovement
from write_side.inventory.holds.allocation import serve_waiting
from write_side.inventory.ledger import Ledger
from write_side.inventory.model import Stock
from write_side.inventory.repository import Loaded, Place

LOCATIONS_PATH = "/api/v1/locations"
STOCK_PATH = "/api/v1/stock"


async def open_location(command: OpenLocation, work: UnitOfWork) -> Outcome:
    """Open a place that holds stock."""
    location_id = work.new_id()
    await repository.add_location(
        work.connection, work.tenant.id, location_id=location_id, name=command.name, kind=command.kind, now=work.now
    )
    opened = LocationOpened(location_id=location_id, name=command.name, kind=command.kind)
    work.record(opened, stream_id=location_id, stream_version=1)
    data = LocationDecided(id=location_id, version=1, name=command.name, kind=command.kind)
    return Outcome(data=data, version=1, status=201, location=f"{LOCATIONS_PATH}/{location_id}")


async def receive_stock(command: ReceiveStock, work: UnitOfWork) -> Outcome:
    """Take a supplier's delivery in."""
    editions = [line.edition_id for line in command.lines]
    loaded = await load_accounts(work, {command.location_id}, editions)
    faults = [
        *location_faults("/location_id", command.location_id, loaded),
        *edition_faults("/lines/{}/edition_id", editions, loaded),
    ]
    for index, line in enumerate(command.lines):
        faults += money_faults(line.unit_cost, line.quantity, work.tenant.currency, f"/lines/{index}/unit_cost")
    _refuse(faults)
    ledger, receipt_id = Ledger(loaded.stocks), work.new_id()
    for line in command.lines:
        event = model.receive(
            ledger.account(command.location_id, line.edition_id),
            quantity=line.quantity,
            unit_cost_minor=line.unit_cost.amount_minor,
            receipt_id=receipt_id,
        )
        ledger.move(event, occurred_at=work.now)
    return await _moved_many(ledger, work, movement_id=receipt_id)


async def adjust_stock(command: AdjustStock, work: UnitOfWork) -> Outcome:
    """Correct a figure."""
    if command.delta == 0:
        fault = FieldError(pointer="/delta", code="out_of_range", detail="an adjustment changes something")
        raise InvalidMovement("the adjustment is not valid", errors=(fault,))
    ledger, stock = await _one_account(command.location_id, command.edition_id, work)
    ledger.move(model.adjust(stock, delta=command.delta, reason=command.reason), occurred_at=work.now)
    return await _moved_one(ledger, work)


async def count_stock(command: CountStock, work: UnitOfWork) -> Outcome:
    """Take the figure from the shelf."""
    ledger, stock = await _one_account(command.location_id, command.edition_id, work)
    ledger.move(model.count(stock, counted=command.counted), occurred_at=work.now)
    return await _moved_one(ledger, work)


async def transfer_stock(command: TransferStock, work: UnitOfWork) -> Outcome:
    """Move free copies to another location."""
    if command.from_location_id == command.to_location_id:
        fault = FieldError(pointer="/to_location_id", code="same_location", detail="must differ from from_location_id")
        raise InvalidMovement("the transfer is not valid", errors=(fault,))
    editions = [line.edition_id for line in command.lines]
    loaded = await load_accounts(work, {command.from_location_id, command.to_location_id}, editions)
    _refuse(
        [
            *location_faults("/from_location_id", command.from_location_id, loaded),
            *location_faults("/to_location_id", command.to_location_id, loaded),
            *edition_faults("/lines/{}/edition_id", editions, loaded),
        ]
    )
    ledger, transfer_id = Ledger(loaded.stocks), work.new_id()
    demand = summed_demand((line.edition_id, line.quantity) for line in command.lines)
    refuse_shortages(demand, command.from_location_id, ledger)
    for demanded in demand:
        _transfer(command, demanded, transfer_id=transfer_id, ledger=ledger, work=work)
    return await _moved_many(ledger, work, movement_id=transfer_id)


async def load_accounts(work: UnitOfWork, locations: set[UUID], editions: Sequence[UUID]) -> Loaded:
    """The accounts of all these editions at all these locations, locked, and begun where they were missing."""
    places = [Place(location_id=location, edition_id=edition) for location in locations for edition in editions]
    await repository.open_accounts(work.connection, work.tenant.id, places)
    return await repository.lock(work.connection, work.tenant.id, places)


def _transfer(
    command: TransferStock, demanded: Demanded, *, transfer_id: UUID, ledger: Ledger, work: UnitOfWork
) -> None:
    source = ledger.account(command.from_location_id, demanded.edition_id)
    leaving = model.transfer_out(
        source, quantity=demanded.quantity, transfer_id=transfer_id, to_location_id=command.to_location_id
    )
    arriving = model.transfer_in(
        ledger.account(command.to_location_id, demanded.edition_id),
        quantity=demanded.quantity,
        cost_minor=source.value_minor - leaving.value_minor,
        transfer_id=transfer_id,
        from_location_id=command.from_location_id,
    )
    ledger.move(leaving, occurred_at=work.now)
    ledger.move(arriving, occurred_at=work.now)


async def _one_account(location_id: UUID, edition_id: UUID, work: UnitOfWork) -> tuple[Ledger, Stock]:
    loaded = await load_accounts(work, {location_id}, [edition_id])
    _refuse(
        [
            *location_faults("/location_id", location_id, loaded),
            *edition_faults("/edition_id", [edition_id], loaded),
        ]
    )
    ledger = Ledger(loaded.stocks)
    stock = ledger.account(location_id, edition_id)
    work.check_version(stock.version)
    return ledger, stock


async def _moved_one(ledger: Ledger, work: UnitOfWork) -> Outcome:
    await _save(ledger, work)
    shown = _shown(ledger.movements[-1].stock, work.tenant.currency)
    return Outcome(data=shown, version=shown.version, status=201, location=f"{STOCK_PATH}/{shown.edition_id}")


async def _moved_many(ledger: Ledger, work: UnitOfWork, *, movement_id: UUID) -> Outcome:
    await _save(ledger, work)
    touched = {movement.stock.stock_id: movement.stock for movement in ledger.movements}
    stock = tuple(_shown(account, work.tenant.currency) for account in touched.values())
    data = MovementDecided(id=movement_id, version=1, stock=stock)
    return Outcome(data=data, version=1, status=201, location=f"{STOCK_PATH}/movements")


async def _save(ledger: Ledger, work: UnitOfWork) -> None:
    await serve_waiting(ledger, work)
    await repository.save(work.connection, work.tenant.id, ledger.movements)
    ledger.record_all(work)


def _shown(stock: Stock, currency: str) -> StockDecided:
    return StockDecided(
        id=stock.stock_id,
        version=stock.version,
        location_id=stock.location_id,
        edition_id=stock.edition_id,
        on_hand=stock.on_hand,
        reserved=stock.reserved,
        available=stock.available,
        value=Money(amount_minor=stock.value_minor, currency=currency),
    )


def _refuse(faults: Sequence[FieldError]) -> None:
    if faults:
        raise InvalidMovement("the movement is not valid", errors=tuple(faults))
