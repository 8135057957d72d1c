"""What lines cost: sums that hold whatever the numbers."""

from fractions import Fraction
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared_kernel.events.orders import OrderedLine
from shared_kernel.identifiers import new_id
from write_side.inventory.model import Stock
from write_side.orders.model import order_number
from write_side.orders.pricing import CostOfSale, divide_half_even, line_amounts, returned_part

ID = UUID(int=1)
_prices = st.integers(0, 10**12)
_rates = st.integers(0, 10_000)


@given(_prices, _rates, st.booleans())
def test_net_and_tax_are_the_total(price_minor: int, rate: int, includes_tax: bool) -> None:  # noqa: FBT001 - hypothesis'
    """And the tax is within half a penny of the rate's share."""
    amounts = line_amounts(price_minor=price_minor, rate_basis_points=rate, includes_tax=includes_tax)
    assert amounts.net_minor + amounts.tax_minor == amounts.total_minor
    assert (amounts.total_minor if includes_tax else amounts.net_minor) == price_minor
    base = Fraction(price_minor * 10_000, 10_000 + rate) if includes_tax else Fraction(price_minor)
    assert abs(amounts.tax_minor - base * rate / 10_000) <= Fraction(1, 2)


@given(st.integers(0, 10**15), st.integers(1, 10**6))
def test_halves_go_to_the_even_neighbour(numerator: int, denominator: int) -> None:
    """As Python's own rounding of fractions has it."""
    assert divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(0, 10**6))
def test_the_costs_of_lines_of_one_edition_sum_to_its_cost(quantities: list[int], value_minor: int) -> None:
    """Selling all copies on three lines costs what they cost."""
    on_hand = sum(quantities)
    stock = Stock(
        stock_id=ID, location_id=ID, edition_id=ID, version=1, on_hand=on_hand, reserved=0, value_minor=value_minor
    )
    costs = CostOfSale()
    assert sum(costs.of(stock, quantity) for quantity in quantities) == value_minor


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), _prices, _rates)
def test_parts_of_a_line_sum_to_the_line(parts: list[int], unit_price_minor: int, rate: int) -> None:
    """A line that comes back in pieces is paid back whole, and no more."""
    line = _line(sum(parts), unit_price_minor, rate)
    returned, before = [], 0
    for part in parts:
        returned.append(returned_part(line, line_id=ID, before=before, quantity=part))
        before += part
    for name in ("quantity", "net_minor", "tax_minor", "total_minor", "cost_minor"):
        assert sum(getattr(part, name) for part in returned) == getattr(line, name)
    assert all(part.net_minor + part.tax_minor == part.total_minor for part in returned)


def test_numbers_are_ten_characters_that_people_can_read_out() -> None:
    """No I, L, O or U, and hardly ever the same twice."""
    numbers = {order_number(new_id()) for _ in range(2000)}
    assert len(numbers) == 2000
    assert all(len(number) == 14 and not set(number[3:]) & set("ILOU") for number in numbers)


def _line(quantity: int, unit_price_minor: int, rate: int) -> OrderedLine:
    amounts = line_amounts(price_minor=quantity * unit_price_minor, rate_basis_points=rate, includes_tax=True)
    return OrderedLine(
        line_id=ID,
        edition_id=ID,
        sku="SKU",
        title="Emma",
        authors=(),
        quantity=quantity,
        unit_price_minor=unit_price_minor,
        discount_minor=0,
        net_minor=amounts.net_minor,
        tax_minor=amounts.tax_minor,
        total_minor=amounts.total_minor,
        cost_minor=unit_price_minor // 2,
        tax_rate_basis_points=rate,
    )
