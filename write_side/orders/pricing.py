"""What a line costs: pure sums over integers."""

from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

import msgspec

from shared_kernel.errors import FieldError
from shared_kernel.events.orders import OrderedLine
from shared_kernel.money import MAX_MINOR
from write_side.inventory.model import Stock
from write_side.orders.errors import InvalidOrder
from write_side.orders.model import OfferedEdition
from write_side.tenants.repository import StoreSettings

_WHOLE = 10_000
"""Basis points in one."""


_TOO_MUCH = FieldError(pointer="/lines", code="out_of_range", detail=f"in total at most {MAX_MINOR} minor units")


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """`net + tax = total`, always."""

    net_minor: int
    tax_minor: int
    total_minor: int


class HasAmounts(Protocol):
    """Anything with the three."""

    @property
    def net_minor(self) -> int: ...  # noqa: D102
    @property
    def tax_minor(self) -> int: ...  # noqa: D102
    @property
    def total_minor(self) -> int: ...  # noqa: D102


def line_amounts(*, price_minor: int, rate_basis_points: int, includes_tax: bool) -> Amounts:
    """Split a line's price into net and tax, or add the tax to it, rounding halves to even.

    Args:
        price_minor: of all copies of the line.
    """
    if includes_tax:
        net_minor = divide_half_even(price_minor * _WHOLE, _WHOLE + rate_basis_points)
        return Amounts(net_minor=net_minor, tax_minor=price_minor - net_minor, total_minor=price_minor)
    tax_minor = divide_half_even(price_minor * rate_basis_points, _WHOLE)
    return Amounts(net_minor=price_minor, tax_minor=tax_minor, total_minor=price_minor + tax_minor)


def rate_of(settings: StoreSettings, tax_class: str) -> int:
    """The basis points of a tax class; one the store has since dropped is taxed at the highest rate, never at none."""
    return settings.tax_rates.get(tax_class, max(settings.tax_rates.values()))


def total_of(lines: Iterable[HasAmounts]) -> Amounts:
    """The sums over lines.

    Raises:
        InvalidOrder: they are past what any account holds.
    """
    net_minor = tax_minor = total_minor = 0
    for line in lines:
        net_minor += line.net_minor
        tax_minor += line.tax_minor
        total_minor += line.total_minor
    if total_minor > MAX_MINOR:
        raise InvalidOrder("the lines are worth more than any account holds", errors=(_TOO_MUCH,))
    return Amounts(net_minor=net_minor, tax_minor=tax_minor, total_minor=total_minor)


def priced_line(
    edition: OfferedEdition,
    *,
    line_id: UUID,
    quantity: int,
    unit_price_minor: int,
    rate_basis_points: int,
    includes_tax: bool,
    cost_minor: int,
) -> OrderedLine:
    """A line at a unit price, fixed for good."""
    amounts = line_amounts(
        price_minor=unit_price_minor * quantity, rate_basis_points=rate_basis_points, includes_tax=includes_tax
    )
    return OrderedLine(
        line_id=line_id,
        edition_id=edition.edition_id,
        sku=edition.sku,
        title=edition.title,
        authors=edition.authors,
        publisher=edition.publisher,
        quantity=quantity,
        unit_price_minor=unit_price_minor,
        discount_minor=0,
        net_minor=amounts.net_minor,
        tax_minor=amounts.tax_minor,
        total_minor=amounts.total_minor,
        cost_minor=cost_minor,
        tax_rate_basis_points=rate_basis_points,
    )


def returned_part(line: OrderedLine, *, line_id: UUID, before: int, quantity: int) -> OrderedLine:
    """So many copies of a line, after so many before them: the parts of a line sum to the line, to the penny."""

    def part(amount_minor: int) -> int:
        upto = divide_half_even(amount_minor * (before + quantity), line.quantity)
        return upto - divide_half_even(amount_minor * before, line.quantity)

    net_minor, total_minor = part(line.net_minor), part(line.total_minor)
    return msgspec.structs.replace(
        line,
        line_id=line_id,
        quantity=quantity,
        discount_minor=part(line.discount_minor),
        net_minor=net_minor,
        tax_minor=total_minor - net_minor,
        total_minor=total_minor,
        cost_minor=part(line.cost_minor),
    )


class CostOfSale:
    """Spreads what copies cost over the lines that want them: lines of one edition sum to the edition's cost."""

    def __init__(self) -> None:
        self._taken: dict[UUID, int] = {}

    def of(self, stock: Stock | None, quantity: int) -> int:
        """The cost of the next copies of an account, by its moving average."""
        if stock is None:
            return 0
        before = self._taken.get(stock.stock_id, 0)
        self._taken[stock.stock_id] = before + quantity
        return stock.share_of(before + quantity) - stock.share_of(before)


def divide_half_even(numerator: int, denominator: int) -> int:
    """The nearest integer, halves to the even one. Both non-negative."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient % 2 == 1):
        return quotient + 1
    return quotient
