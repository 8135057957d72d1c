"""A large delivery in one command: the same rules, rows and events, up to 10,000 lines. For imports and the demo."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

import msgspec

from shared_kernel.money import Money
from shared_kernel.tenancy import Tenant
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.idempotency import claim_of
from write_side.command_execution.requests import CommandRequest, Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory import handlers
from write_side.inventory.commands import MAX_COUNT, MovementDecided, ReceiptLine, ReceiveStock

MAX_RECEIPT_LINES = 10_000


class DeliveryLine(msgspec.Struct, frozen=True, kw_only=True):
    """Copies of one edition, and what each of them cost in the store's minor units."""

    edition_id: UUID
    quantity: int
    unit_cost_minor: int


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt that was written."""

    receipt_id: UUID
    lines: int


async def receive_stock(
    execution: CommandExecution,
    tenant: Tenant,
    *,
    location_id: UUID,
    lines: Sequence[DeliveryLine],
    actor: str,
    idempotency_key: str | None = None,
) -> Delivered:
    """Take a delivery in; with a key, only once.

    Raises:
        InvalidMovement: unknown location or editions.
        StockTooLarge: past an account's bounds.
        ValueError: no lines, too many, or a quantity or cost no account holds.
    """
    if not 1 <= len(lines) <= MAX_RECEIPT_LINES:
        raise ValueError(f"a delivery has 1 to {MAX_RECEIPT_LINES} lines")
    if any(not 1 <= line.quantity <= MAX_COUNT or line.unit_cost_minor < 0 for line in lines):
        raise ValueError(f"a line has 1 to {MAX_COUNT} copies and no negative cost")
    claim = None
    if idempotency_key is not None:
        content = (str(location_id).encode(), msgspec.json.encode(lines))
        claim = claim_of(actor=actor, operation="receive_stock", key=idempotency_key, request=content)
    request = CommandRequest(tenant=tenant, operation="receive_stock", actor=actor, idempotency=claim)
    command = ReceiveStock(location_id=location_id, lines=tuple(_line(line, tenant.currency) for line in lines))
    answer = await execution.execute(request, partial(_receive_stock, command))
    return answer.read(Delivered)


async def _receive_stock(command: ReceiveStock, work: UnitOfWork) -> Outcome:
    outcome = await handlers.receive_stock(command, work)
    assert isinstance(outcome.data, MovementDecided)
    data = Delivered(receipt_id=outcome.data.id, lines=len(command.lines))
    return msgspec.structs.replace(outcome, data=data)


def _line(line: DeliveryLine, currency: str) -> ReceiptLine:
    unit_cost = Money(amount_minor=line.unit_cost_minor, currency=currency)
    return ReceiptLine(edition_id=line.edition_id, quantity=line.quantity, unit_cost=unit_cost)
