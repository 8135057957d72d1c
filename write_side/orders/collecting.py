"""An order that collects holds: their copies are freed for it and for nobody else, in its own transaction."""

from collections.abc import Sequence
from uuid import UUID

from shared_kernel.errors import FieldError
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.holds import repository
from write_side.inventory.holds.allocation import serve_waiting
from write_side.inventory.holds.errors import HoldAlreadyEnded, HoldNotReady
from write_side.inventory.holds.model import Hold, end
from write_side.inventory.ledger import Ledger
from write_side.inventory.model import set_free
from write_side.orders.commands import PlaceOrder
from write_side.orders.errors import InvalidOrder


async def free_held_copies(command: PlaceOrder, ledger: Ledger, work: UnitOfWork) -> Sequence[Hold]:
    """Free what is set aside for the holds that the order collects; its lines can then promise it to the order.

    Raises:
        InvalidOrder: a hold the store does not have, or of another place or edition than the order's.
        HoldAlreadyEnded, HoldNotReady: its copies are not all set aside.
    """
    if not command.hold_ids:
        return ()
    found = {hold.hold_id: hold for hold in await _load(command, work)}
    held = {hold_id: found.get(hold_id) for hold_id in command.hold_ids}
    faults = [
        FieldError(pointer=f"/hold_ids/{index}", code="unknown_hold", detail="no such hold at this order's location")
        for index, hold_id in enumerate(held)
        if not _fits(held[hold_id], command)
    ]
    if faults:
        raise InvalidOrder("the order collects what is not held for it", errors=tuple(faults))
    holds = [hold for hold in held.values() if hold is not None]
    for hold in holds:
        _refuse_unready(hold)
        stock = ledger.account(hold.location_id, hold.edition_id)
        ledger.move(set_free(stock, quantity=hold.allocated, hold_id=hold.hold_id), occurred_at=work.now)
    return holds


async def end_holds(holds: Sequence[Hold], *, order_id: UUID, ledger: Ledger, work: UnitOfWork) -> None:
    """They are collected; copies that the order did not want go to whoever waits next."""
    if not holds:
        return
    changes = []
    for hold in holds:
        after, event = end(hold, "collected", order_id=order_id)
        work.record(event, stream_id=hold.hold_id, stream_version=after.version)
        changes.append((hold, after))
    await repository.save(work.connection, work.tenant.id, changes)
    await serve_waiting(ledger, work)


async def _load(command: PlaceOrder, work: UnitOfWork) -> list[Hold]:
    # The accounts of the order's editions at its location are locked by now, and with them these holds.
    return await repository.load(work.connection, work.tenant.id, command.hold_ids)


def _fits(hold: Hold | None, command: PlaceOrder) -> bool:
    if hold is None or hold.location_id != command.location_id:
        return False
    return any(line.edition_id == hold.edition_id for line in command.lines)


def _refuse_unready(hold: Hold) -> None:
    if hold.status == "waiting":
        raise HoldNotReady(f"{hold.allocated} of {hold.quantity} copies have come in so far")
    if hold.status != "ready":
        raise HoldAlreadyEnded(f"this hold is {hold.status}")
