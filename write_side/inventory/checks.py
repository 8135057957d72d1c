"""What commands that move stock have in common to refuse."""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

import msgspec

from shared_kernel.errors import FieldError
from shared_kernel.money import MAX_MINOR, Money
from write_side.inventory.errors import InsufficientStock
from write_side.inventory.ledger import Ledger
from write_side.inventory.repository import Loaded


class Demanded(msgspec.Struct, frozen=True, kw_only=True):
    """What all lines of a command want of one edition, and the first of them."""

    edition_id: UUID
    quantity: int
    first_line: int


def summed_demand(lines: Iterable[tuple[UUID, int]]) -> tuple[Demanded, ...]:
    """The demand for each edition over all lines, in the order of editions: two lines may want the same one."""
    summed: dict[UUID, Demanded] = {}
    for index, (edition_id, quantity) in enumerate(lines):
        known = summed.get(edition_id)
        summed[edition_id] = Demanded(
            edition_id=edition_id,
            quantity=quantity + (known.quantity if known else 0),
            first_line=known.first_line if known else index,
        )
    return tuple(summed[edition_id] for edition_id in sorted(summed))


def refuse_shortages(demand: Sequence[Demanded], location_id: UUID, ledger: Ledger) -> None:
    """Hold the demand against what is free at a location.

    Raises:
        InsufficientStock: naming every edition that is short, at the first line that wants it.
    """
    errors = shortages(demand, location_id, ledger)
    if errors:
        raise InsufficientStock("there are not enough free copies at this location", errors=errors)


def shortages(demand: Sequence[Demanded], location_id: UUID, ledger: Ledger) -> tuple[FieldError, ...]:
    """Every edition of which fewer copies are free than are demanded."""
    short = []
    for demanded in demand:
        stock = ledger.find(location_id, demanded.edition_id)
        available = stock.available if stock else 0
        if available < demanded.quantity:
            detail = f"edition {demanded.edition_id}: {demanded.quantity} wanted, {available} available"
            short.append((demanded.first_line, detail))
    return tuple(
        FieldError(pointer=f"/lines/{line}/quantity", code="insufficient_stock", detail=detail)
        for line, detail in sorted(short)
    )


def location_faults(pointer: str, location_id: UUID, loaded: Loaded) -> Iterator[FieldError]:
    """A location the store does not have."""
    if location_id not in loaded.locations:
        yield FieldError(pointer=pointer, code="unknown_location", detail="this store has no such location")


def edition_faults(pointer: str, editions: Sequence[UUID], loaded: Loaded) -> Iterator[FieldError]:
    """Editions the store does not have; `{}` in the pointer stands for the line."""
    for index, edition_id in enumerate(editions):
        if edition_id not in loaded.editions:
            detail = "this store has no such edition"
            yield FieldError(pointer=pointer.format(index), code="unknown_edition", detail=detail)


def money_faults(unit: Money, quantity: int, currency: str, pointer: str) -> Iterator[FieldError]:
    """Another currency than the store's, or more than any account holds."""
    if unit.currency != currency:
        detail = f"this store's currency is {currency}"
        yield FieldError(pointer=f"{pointer}/currency", code="currency_mismatch", detail=detail)
    if unit.amount_minor * quantity > MAX_MINOR:
        detail = "the line's value is larger than any account holds"
        yield FieldError(pointer=f"{pointer}/amount_minor", code="out_of_range", detail=detail)
