"""Copies that become free go to whoever has waited longest, before they reach the shelf."""

from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.holds import repository
from write_side.inventory.holds.model import allocate
from write_side.inventory.ledger import Ledger
from write_side.inventory.model import set_aside


async def serve_waiting(ledger: Ledger, work: UnitOfWork) -> None:
    """Set aside what is free of the accounts at hand and waited for.

    For every command that can free copies, once they have moved and before the movements are saved; it costs nothing
    where nobody waits.
    """
    sought = [stock for stock in ledger.accounts() if stock.waiting and stock.available]
    if not sought:
        return
    changes = []
    for hold in await repository.waiting_at(work.connection, work.tenant.id, sought):
        stock = ledger.account(hold.location_id, hold.edition_id)
        granted = min(stock.available, hold.missing)
        if granted == 0:
            continue
        ledger.move(set_aside(stock, quantity=granted, hold_id=hold.hold_id), occurred_at=work.now)
        after, event = allocate(hold, granted)
        work.record(event, stream_id=after.hold_id, stream_version=after.version)
        changes.append((hold, after))
    if changes:
        await repository.save(work.connection, work.tenant.id, changes)
