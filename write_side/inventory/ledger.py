"""Accounts of stock as one command sees and moves them: loaded once, moved in memory, written by one statement."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.events import inventory
from shared_kernel.events.inventory import StockEvent
from write_side.command_execution.recording import Recording
from write_side.inventory.model import Stock, after


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """An event of an account, at its version and time."""

    stock: Stock
    event: StockEvent
    occurred_at: datetime


class Ledger:
    """The locked accounts of one command, by location and edition, and what happened to them."""

    def __init__(self, stocks: Iterable[Stock]) -> None:
        self._stocks = {(stock.location_id, stock.edition_id): stock for stock in stocks}
        self.movements: list[Movement] = []
        self._recorded = 0

    def find(self, location_id: UUID, edition_id: UUID) -> Stock | None:
        """The account as it stands after the movements so far; None where there is none."""
        return self._stocks.get((location_id, edition_id))

    def account(self, location_id: UUID, edition_id: UUID) -> Stock:
        """The same, where the caller knows that it exists."""
        return self._stocks[location_id, edition_id]

    def accounts(self) -> tuple[Stock, ...]:
        """All of them, as they stand after the movements so far."""
        return tuple(self._stocks.values())

    def move(self, event: StockEvent, *, occurred_at: datetime) -> Stock:
        """Let an event happen to its account."""
        moved = after(self.account(event.location_id, event.edition_id), event)
        self._stocks[event.location_id, event.edition_id] = moved
        self.movements.append(Movement(stock=moved, event=event, occurred_at=occurred_at))
        return moved

    def record_all(self, work: Recording) -> None:
        """Put the events of the movements since the last call behind those recorded so far."""
        for movement in self.movements[self._recorded :]:
            work.record(
                movement.event,
                stream_id=movement.stock.stock_id,
                stream_version=movement.stock.version,
                occurred_at=movement.occurred_at,
            )
        self._recorded = len(self.movements)


# What a repository's statement needs to write movements: the accounts' last state and every movement, as CTEs that take
# $1 to $11; the statement's own parameters begin at $12.
SAVE_MOVEMENTS = """
moved AS (
    SELECT * FROM unnest($2::uuid[], $3::int[], $4::text[], $5::int[], $6::int[], $7::int[], $8::int[], $9::bigint[],
                         $10::uuid[], $11::timestamptz[])
        AS m(stock_id, version, kind, delta, reserved_delta, on_hand, reserved, value_minor, reference_id, occurred_at)
), last AS (
    SELECT DISTINCT ON (stock_id) stock_id, version, on_hand, reserved, value_minor
    FROM moved ORDER BY stock_id, version DESC
), saved_stock AS (
    UPDATE write.stock s
    SET version = last.version, on_hand = last.on_hand, reserved = last.reserved, value_minor = last.value_minor
    FROM last WHERE s.tenant_id = $1 AND s.stock_id = last.stock_id
), saved_movement AS (
    INSERT INTO write.stock_movement (tenant_id, stock_id, stock_version, kind, delta, reserved_delta, on_hand,
                                      reserved, value_minor, reference_id, occurred_at)
    SELECT $1, stock_id, version, kind, delta, reserved_delta, on_hand, reserved, value_minor, reference_id, occurred_at
    FROM moved
)
"""


def movement_arguments(tenant_id: UUID, movements: Sequence[Movement]) -> tuple[object, ...]:
    """$1 to $11 of a statement with `SAVE_MOVEMENTS`."""
    return (
        tenant_id,
        [movement.stock.stock_id for movement in movements],
        [movement.stock.version for movement in movements],
        [movement.event.movement for movement in movements],
        [movement.event.delta for movement in movements],
        [movement.event.reserved_delta for movement in movements],
        [movement.event.on_hand for movement in movements],
        [movement.event.reserved for movement in movements],
        [movement.event.value_minor for movement in movements],
        [_reference(movement.event) for movement in movements],
        [movement.occurred_at for movement in movements],
    )


def _reference(event: StockEvent) -> UUID | None:
    """What the movement was for, where that has an id."""
    match event:
        case inventory.StockReceived():
            return event.receipt_id
        case inventory.StockTransferred():
            return event.transfer_id
        case inventory.StockReserved() | inventory.StockReleased() | inventory.StockShipped():
            return event.order_id
        case inventory.StockSetAside() | inventory.StockSetFree():
            return event.hold_id
        case inventory.StockReturned() | inventory.StockWrittenOff():
            return event.return_id
        case _:
            return None
