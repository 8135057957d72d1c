"""The online-retail reader: every line in exactly one place, and the sums to the penny."""

import csv
import datetime as dt
import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from operations.importing.readers.catalogue import RejectedRow, UnreadableFile
from operations.importing.readers.invoice_window import SPAN_LINES, WINDOW_LINES
from operations.importing.readers.online_retail import (
    REQUIRED_COLUMNS,
    Invoice,
    InvoiceLine,
    kind_of,
    read_invoices,
    sales_rank,
)
from tests.operations.importing.independent_sums import Sums, independent_sums
from tests.operations.importing.real_input import real_input

_FILE = "online-retail/online_retail_2009_2010.csv.gz"
_LINE = ("489434", "85048", "15CM GLASS BALL", "12", "2009-12-01 07:45:00", "6.95")


@pytest.fixture(scope="module")
def invoices() -> list[Invoice]:
    """The whole real file, in which no line is refused."""
    read = list(read_invoices(real_input(_FILE)))
    assert not [row for row in read if isinstance(row, RejectedRow)]
    return [row for row in read if isinstance(row, Invoice)]


@pytest.fixture(scope="module")
def sums() -> Sums:
    """The same file, added up a second way."""
    return independent_sums(real_input(_FILE))


def _write(folder: Path, *lines: tuple[str, ...]) -> Path:
    path = folder / "retail.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([REQUIRED_COLUMNS, *lines])
    return path


def _line(number: str, *, code: str = "85048", quantity: str = "1") -> tuple[str, ...]:
    return (number, code, "", quantity, "2009-12-01 07:45:00", "1.00")


def test_the_real_file_adds_up(invoices: list[Invoice], sums: Sums) -> None:
    """The totals that the data's README gives, by both computations."""
    goods = [line for invoice in invoices for line in invoice.lines]
    assert len(invoices) == len(sums.invoices) == 28_816
    assert len(goods) == sums.goods_lines == 518_732
    assert sum(bool(invoice.lines) for invoice in invoices) == len(sums.goods_invoices) == 24_678
    assert sum(line.quantity for line in goods) == sum(sums.units_by_day.values()) == 5_615_526
    assert sum(line.quantity * line.unit_price_minor for line in goods) == 959_014_945
    assert sum(sums.net_by_day.values()) == Decimal("9590149.45")
    assert len(sums.net_by_day) == 307


def test_every_day_agrees_to_the_penny(invoices: list[Invoice], sums: Sums) -> None:
    """Though an invoice's time is its first line's."""
    net_minor: Counter[str] = Counter()
    for invoice in invoices:
        day = invoice.occurred_at.date().isoformat()
        net_minor[day] += sum(line.quantity * line.unit_price_minor for line in invoice.lines)
    assert {day: Decimal(net_minor[day]).scaleb(-2) for day in sums.net_by_day} == sums.net_by_day


def test_every_line_is_in_exactly_one_place(invoices: list[Invoice]) -> None:
    """Goods or counted by kind; line numbers leave no gap."""
    goods = [line.line for invoice in invoices for line in invoice.lines]
    others = [line.line for invoice in invoices for line in invoice.skipped]
    assert sorted(goods + others) == list(range(2, 525_463))
    kinds = Counter(line.kind for invoice in invoices for line in invoice.skipped)
    assert kinds == {
        "no_price": 3_631,
        "postage": 1_740,
        "manual": 854,
        "other_code": 132,
        "discount": 100,
        "fee": 74,
        "adjustment": 70,
        "gift_voucher": 67,
        "sample": 41,
        "test": 17,
        "bad_debt": 3,
    }


def test_returns_are_the_cancellations_and_nothing_is_mixed(invoices: list[Invoice]) -> None:
    """On goods, a number with a C and a negative quantity are the same thing."""
    with_goods = [invoice for invoice in invoices if invoice.lines]
    assert Counter((invoice.number.startswith("C"), invoice.is_return) for invoice in with_goods) == {
        (False, False): 20_573,
        (True, True): 4_105,
    }
    assert not [invoice for invoice in with_goods if invoice.sales and invoice.returns]


def test_invoices_come_in_the_order_of_time(invoices: list[Invoice]) -> None:
    """In which they also begin in the file."""
    times = [invoice.occurred_at for invoice in invoices]
    assert times == sorted(times)
    assert times[0] == dt.datetime(2009, 12, 1, 7, 45, tzinfo=ZoneInfo("Europe/London"))


def test_the_rank_is_over_the_whole_file(sums: Sums) -> None:
    """4,078 codes, in an order that does not depend on how they are written."""
    rank = sales_rank(real_input(_FILE))
    assert rank == sums.best_sellers()
    assert len(rank) == 4_078


def test_a_limit_is_a_prefix_with_all_its_lines(invoices: list[Invoice]) -> None:
    """The first 2,000 distinct invoices of the file are the same whether or not one reads on."""
    limited = list(read_invoices(real_input(_FILE), limit=2_000))
    assert limited == invoices[:2_000]
    sums = independent_sums(real_input(_FILE), first_invoices=2_000)
    assert sum(len(i.lines) + len(i.skipped) for i in limited if isinstance(i, Invoice)) == sums.lines


def test_one_invoice_from_scattered_lines(tmp_path: Path) -> None:
    """Lines of another invoice in between part nothing."""
    path = _write(tmp_path, _line("1"), _line("2"), _line("1", quantity="-3"), _line("1", code="post"))
    first, second = read_invoices(path)
    assert isinstance(first, Invoice)
    assert isinstance(second, Invoice)
    assert [line.line for line in first.lines] == [2, 4]
    assert [(line.line, line.kind) for line in first.skipped] == [(5, "postage")]
    assert (len(first.sales), len(first.returns), first.is_return) == (1, 1, False)
    assert second.number == "2"


def test_a_line_as_it_comes(tmp_path: Path) -> None:
    """Pence, capitals, the store's own time; plain and gzipped alike."""
    path = _write(tmp_path, ("C1", "85048abc", " BALL ", "-12", "2010-06-01 09:00:00", "6.9"))
    zipped = tmp_path / "retail.csv.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    (invoice,) = read_invoices(path)
    assert list(read_invoices(zipped)) == [invoice]
    assert isinstance(invoice, Invoice)
    assert invoice.lines == (
        InvoiceLine(line=2, stock_code="85048ABC", description="BALL", quantity=-12, unit_price_minor=690),
    )
    assert invoice.occurred_at.astimezone(dt.UTC) == dt.datetime(2010, 6, 1, 8, tzinfo=dt.UTC)
    assert invoice.is_return


def test_limit_counts_invoices_without_goods(tmp_path: Path) -> None:
    """They are invoices of the file."""
    path = _write(tmp_path, _line("1", code="POST"), _line("2"), _line("3"), _line("1"))
    assert [row.number for row in read_invoices(path, limit=2) if isinstance(row, Invoice)] == ["1", "2"]
    assert list(read_invoices(path, limit=0)) == []


def test_an_invoice_stays_open_for_the_window(tmp_path: Path) -> None:
    """One line short of the window it still resumes; at the window it is too late, and said so."""
    between = [_line(str(10_000 + n)) for n in range(WINDOW_LINES - 1)]
    in_time = list(read_invoices(_write(tmp_path, _line("1"), *between, _line("1"))))
    assert [len(row.lines) for row in in_time if isinstance(row, Invoice) and row.number == "1"] == [2]
    too_late = list(read_invoices(_write(tmp_path, _line("1"), *between, _line("2"), _line("1"))))
    assert [row for row in too_late if isinstance(row, RejectedRow)] == [
        RejectedRow(line=WINDOW_LINES + 3, reason="resumed_too_late", field="Invoice")
    ]


def test_an_endless_invoice_is_closed(tmp_path: Path) -> None:
    """So memory has a bound whatever the file holds."""
    read = list(read_invoices(_write(tmp_path, *[_line("1")] * (SPAN_LINES + 5))))
    assert [len(row.lines) for row in read if isinstance(row, Invoice)] == [SPAN_LINES + 1]
    assert [row.reason for row in read if isinstance(row, RejectedRow)] == ["resumed_too_late"] * 4


@pytest.mark.parametrize(
    ("at", "cell", "reason"),
    [
        (0, "", "invalid_invoice"),
        (3, "1.5", "invalid_quantity"),
        (3, "99999999", "invalid_quantity"),
        (4, "2010-02-30 10:00:00", "invalid_time"),
        (4, "01/12/2009 07:45", "invalid_time"),
        (5, "NaN", "invalid_price"),
        (5, "1e400", "invalid_price"),
        (5, "0.001", "price_too_precise"),
    ],
)
def test_a_bad_line_is_told_and_the_next_one_read(tmp_path: Path, at: int, cell: str, reason: str) -> None:
    """It belongs to no invoice and is dropped from none silently."""
    bad = (*_LINE[:at], cell, *_LINE[at + 1 :])
    refused, taken = read_invoices(_write(tmp_path, bad, _LINE))
    assert refused == RejectedRow(line=2, reason=reason, field=REQUIRED_COLUMNS[at])
    assert isinstance(taken, Invoice)


@pytest.mark.parametrize(
    ("code", "price", "kind"),
    [
        ("85048", "0.01", None),
        ("15056BL", "1", None),
        ("85048", "0", "no_price"),
        ("85048", "-1", "no_price"),
        ("85048ABCD", "1", "other_code"),
        ("47503J ", "1", "other_code"),
        ("POST", "0", "postage"),
        ("m", "1", "manual"),
        ("BANK CHARGES", "15", "fee"),
        ("gift_0001_10", "8.69", "gift_voucher"),
        ("TEST001", "4.5", "test"),
        ("B", "-53594.36", "bad_debt"),
    ],
)
def test_what_is_goods(code: str, price: str, kind: str | None) -> None:
    """The data's rule, and names for the rest."""
    assert kind_of(code, Decimal(price)) == kind


def test_nothing_sold_is_no_sale(tmp_path: Path) -> None:
    """A line of no units is neither a sale nor a return."""
    (invoice,) = read_invoices(_write(tmp_path, _line("1", quantity="0")))
    assert isinstance(invoice, Invoice)
    assert [line.kind for line in invoice.skipped] == ["no_quantity"]
    assert not invoice.is_return


def test_another_file_is_refused(tmp_path: Path) -> None:
    """Naming the columns."""
    path = tmp_path / "other.csv"
    path.write_text("Invoice,Price\n", encoding="utf-8")
    with pytest.raises(UnreadableFile, match="missing 'StockCode'"):
        next(read_invoices(path))
