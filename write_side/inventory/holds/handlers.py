"""Holds: load, decide, save."""

from datetime import datetime, timedelta
from uuid import UUID

from shared_kernel.errors import FieldError
from shared_kernel.events.holds import HoldKind, HoldStatus
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory import repository as accounts
from write_side.inventory.checks import edition_faults, location_faults, shortages, summed_demand
from write_side.inventory.errors import InsufficientStock
from write_side.inventory.handlers import load_accounts
from write_side.inventory.holds import model, repository
from write_side.inventory.holds.allocation import serve_waiting
from write_side.inventory.holds.commands import CancelHold, HoldDecided, PlaceHold, PlaceSpecialOrder
from write_side.inventory.holds.errors import HoldNotFound, InvalidHold
from write_side.inventory.holds.model import Hold
from write_side.inventory.ledger import Ledger
from write_side.inventory.model import Stock, set_aside, set_free

HOLDS_PATH = "/api/v1/holds"
_LONGEST = timedelta(days=366)


async def place_hold(command: PlaceHold, work: UnitOfWork) -> Outcome:
    """Put free copies aside, or say how many are free."""
    ledger = await _account(command, work)
    demand = summed_demand([(command.edition_id, command.quantity)])
    short = shortages(demand, command.location_id, ledger)
    if short:
        raise InsufficientStock(f"not enough free copies to put aside: {short[0].detail}")
    return await _place(command, ledger, work, kind="hold")


async def place_special_order(command: PlaceSpecialOrder, work: UnitOfWork) -> Outcome:
    """Put aside what is free, and wait for the rest."""
    ledger = await _account(command, work)
    return await _place(command, ledger, work, kind="special_order")


async def cancel_hold(hold_id: UUID, _command: CancelHold, work: UnitOfWork) -> Outcome:
    """Give the copies back: to whoever waits, or to the shelf."""
    hold, stock = await _lock(hold_id, work)
    work.check_version(hold.version)
    return await _end(hold, stock, "cancelled", work)


async def expire_hold(hold_id: UUID, work: UnitOfWork) -> Outcome:
    """The same, once its time has come; one that has ended meanwhile, or is not due, stays as it is."""
    hold, stock = await _lock(hold_id, work)
    if not model.is_due(hold, now=work.now):
        return Outcome(data=_decided(hold), version=hold.version)
    return await _end(hold, stock, "expired", work)


async def _lock(hold_id: UUID, work: UnitOfWork) -> tuple[Hold, Stock]:
    stock = await repository.lock_account(work.connection, work.tenant.id, hold_id)
    if stock is None:
        raise HoldNotFound("this store has no such hold")
    (hold,) = await repository.load(work.connection, work.tenant.id, [hold_id])
    return hold, stock


async def _end(hold: Hold, stock: Stock, status: HoldStatus, work: UnitOfWork) -> Outcome:
    ended, event = model.end(hold, status)
    ledger = Ledger([stock])
    if hold.allocated:
        ledger.move(set_free(stock, quantity=hold.allocated, hold_id=hold.hold_id), occurred_at=work.now)
    await repository.save(work.connection, work.tenant.id, [(hold, ended)])
    work.record(event, stream_id=hold.hold_id, stream_version=ended.version)
    await serve_waiting(ledger, work)
    await _save_movements(ledger, work)
    return Outcome(data=_decided(ended), version=ended.version)


async def _account(command: PlaceHold | PlaceSpecialOrder, work: UnitOfWork) -> Ledger:
    loaded = await load_accounts(work, {command.location_id}, [command.edition_id])
    faults = (
        *location_faults("/location_id", command.location_id, loaded),
        *edition_faults("/edition_id", [command.edition_id], loaded),
        *_expiry_faults(command.expires_at, work.now),
    )
    if faults:
        raise InvalidHold("the hold is not valid", errors=faults)
    return Ledger(loaded.stocks)


def _expiry_faults(expires_at: datetime | None, now: datetime) -> tuple[FieldError, ...]:
    if expires_at is None or now < expires_at <= now + _LONGEST:
        return ()
    return (FieldError(pointer="/expires_at", code="out_of_range", detail="must be ahead, and within a year"),)


async def _place(
    command: PlaceHold | PlaceSpecialOrder, ledger: Ledger, work: UnitOfWork, *, kind: HoldKind
) -> Outcome:
    hold_id = work.new_id()
    stock = ledger.account(command.location_id, command.edition_id)
    granted = min(stock.available, command.quantity)
    hold = Hold(
        hold_id=hold_id,
        version=1,
        kind=kind,
        status=model.status_of(quantity=command.quantity, allocated=granted),
        location_id=command.location_id,
        edition_id=command.edition_id,
        quantity=command.quantity,
        allocated=granted,
        expires_at=command.expires_at,
    )
    if granted:
        ledger.move(set_aside(stock, quantity=granted, hold_id=hold_id), occurred_at=work.now)
    await repository.add(work.connection, work.tenant.id, hold, placed_at=work.now)
    work.record(model.placed(hold), stream_id=hold_id, stream_version=hold.version)
    await _save_movements(ledger, work)
    return Outcome(data=_decided(hold), version=hold.version, status=201, location=f"{HOLDS_PATH}/{hold_id}")


async def _save_movements(ledger: Ledger, work: UnitOfWork) -> None:
    if ledger.movements:
        await accounts.save(work.connection, work.tenant.id, ledger.movements)
        ledger.record_all(work)


def _decided(hold: Hold) -> HoldDecided:
    return HoldDecided(
        id=hold.hold_id,
        version=hold.version,
        kind=hold.kind,
        status=hold.status,
        location_id=hold.location_id,
        edition_id=hold.edition_id,
        quantity=hold.quantity,
        allocated=hold.allocated,
        expires_at=hold.expires_at,
    )
