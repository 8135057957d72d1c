"""UCI Online Retail II, 2009-2010: a year of a real shop's invoices.

The goods are not books; a store that replays them maps the k-th best-selling code (`sales_rank`) onto its k-th book.
Which lines are goods is the data's rule: the stock code is five digits and at most three letters, and the price is
above zero. Every other line is counted by kind, never dropped silently.

In the file a `C` before the invoice's number marks a cancellation: on goods it has negative quantities only, and no
other invoice has any. So the sign of a line's quantity alone decides: above zero is a sale, below zero a return without
a receipt, and an invoice that had both would be both.

Customers are personal data and are not read.
Source: archive.ics.uci.edu/dataset/502 (CC BY 4.0).
"""

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from operations.importing.readers.catalogue import RejectedRow
from operations.importing.readers.delimited import Record, open_csv
from operations.importing.readers.invoice_window import InvoiceWindow

REQUIRED_COLUMNS = ("Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price")
STORE_TIMEZONE = ZoneInfo("Europe/London")
CURRENCY = "GBP"

NotGoods = Literal[
    "no_price",
    "no_quantity",
    "postage",
    "manual",
    "adjustment",
    "fee",
    "discount",
    "bad_debt",
    "sample",
    "gift_voucher",
    "test",
    "other_code",
]

_GOODS_CODE = re.compile(r"[0-9]{5}[A-Za-z]{0,3}", re.ASCII)
_QUANTITY = re.compile(r"-?[0-9]{1,7}", re.ASCII)
_PRICE = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
_MAX_INVOICE_CHARACTERS = 32
_DISTINCT_PRICES = 16_384
_DISTINCT_TIMES = 1_024

_KIND_BY_CODE: dict[str, NotGoods] = {
    "POST": "postage",
    "DOT": "postage",
    "C2": "postage",
    "C3": "postage",
    "M": "manual",
    "ADJUST": "adjustment",
    "ADJUST2": "adjustment",
    "BANK CHARGES": "fee",
    "AMAZONFEE": "fee",
    "D": "discount",
    "B": "bad_debt",
    "S": "sample",
}
_KIND_BY_PREFIX: tuple[tuple[str, NotGoods], ...] = (("GIFT", "gift_voucher"), ("TEST", "test"))


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Goods. `line` is the file's; `stock_code` is in capitals; `quantity` is below zero for a return."""

    line: int
    stock_code: str
    description: str
    quantity: int
    unit_price_minor: int


class SkippedLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Not goods, and why."""

    line: int
    kind: NotGoods


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice with all its lines, those that are not goods too; it may have no goods at all.

    `occurred_at` is the time of its first line: in 41 invoices the last lines are a minute later.
    """

    number: str
    occurred_at: dt.datetime
    lines: tuple[InvoiceLine, ...]
    skipped: tuple[SkippedLine, ...]

    @property
    def sales(self) -> tuple[InvoiceLine, ...]:
        """The lines that were sold."""
        return tuple(line for line in self.lines if line.quantity > 0)

    @property
    def returns(self) -> tuple[InvoiceLine, ...]:
        """The lines that came back."""
        return tuple(line for line in self.lines if line.quantity < 0)

    @property
    def is_return(self) -> bool:
        """There are goods in it, and all of them came back."""
        return bool(self.lines) and not self.sales


class _FileLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    number: str
    occurred_at: dt.datetime
    entry: InvoiceLine | SkippedLine


def read_invoices(path: Path, *, limit: int | None = None) -> Iterator[Invoice | RejectedRow]:
    """Every invoice once, in the order in which they begin, each line of the file in exactly one of them.

    Args:
        path: the CSV, plain or gzipped.
        limit: stop after the first so many distinct invoices of the file, goods or none, with all their lines.

    An invoice whose lines resume after the window has closed on it cannot be told from a new one of the same number, so
    those late lines come out as rejected rows.
    """
    window: InvoiceWindow[_FileLine] = InvoiceWindow(limit=limit)
    for line in _file_lines(path):
        if isinstance(line, RejectedRow):
            yield line
            continue
        late = window.add(line.number, line)
        if late is not None:
            yield RejectedRow(line=line.entry.line, reason=late, field="Invoice")
        yield from map(_invoice, window.closed())
        if window.is_exhausted:
            return
    yield from map(_invoice, window.flush())


def sales_rank(path: Path) -> list[str]:
    """Stock codes by units sold net of returns over the whole file, most first, ties by code: a first pass."""
    units: Counter[str] = Counter()
    for line in _file_lines(path):
        if isinstance(line, _FileLine) and isinstance(line.entry, InvoiceLine):
            units[line.entry.stock_code] += line.entry.quantity
    return sorted(units, key=lambda code: (-units[code], code))


def kind_of(stock_code: str, price: Decimal) -> NotGoods | None:
    """What a line is that is not goods; None for goods.

    A code that is postage stays postage where it cost nothing: the code says more than the price.
    """
    if _GOODS_CODE.fullmatch(stock_code):
        return None if price > 0 else "no_price"
    code = stock_code.upper()
    for prefix, kind in _KIND_BY_PREFIX:
        if code.startswith(prefix):
            return kind
    return _KIND_BY_CODE.get(code, "other_code")


def _file_lines(path: Path) -> Iterator[_FileLine | RejectedRow]:
    with open_csv(path, required=REQUIRED_COLUMNS) as table:
        positions = tuple(table.columns.index(column) for column in REQUIRED_COLUMNS)
        for record in table.records():
            yield record if isinstance(record, RejectedRow) else _file_line(record, positions)


def _file_line(record: Record, positions: tuple[int, ...]) -> _FileLine | RejectedRow:
    number, code, description, quantity_text, time_text, price_text = [record.cells[at] for at in positions]
    if not 0 < len(number) <= _MAX_INVOICE_CHARACTERS:
        return RejectedRow(line=record.line, reason="invalid_invoice", field="Invoice")
    if not _QUANTITY.fullmatch(quantity_text):
        return RejectedRow(line=record.line, reason="invalid_quantity", field="Quantity")
    price, occurred_at, quantity = _price(price_text), _local_time(time_text), int(quantity_text)
    if price is None:
        return RejectedRow(line=record.line, reason="invalid_price", field="Price")
    if occurred_at is None:
        return RejectedRow(line=record.line, reason="invalid_time", field="InvoiceDate")
    kind = kind_of(code, price) or (None if quantity else "no_quantity")
    if kind is not None:
        entry: InvoiceLine | SkippedLine = SkippedLine(line=record.line, kind=kind)
    else:
        pence = price.scaleb(2)
        if pence != pence.to_integral_value():
            return RejectedRow(line=record.line, reason="price_too_precise", field="Price")
        entry = InvoiceLine(
            line=record.line,
            stock_code=code.upper(),
            description=description.strip(),
            quantity=quantity,
            unit_price_minor=int(pence),
        )
    return _FileLine(number=number, occurred_at=occurred_at, entry=entry)


@lru_cache(maxsize=_DISTINCT_PRICES)
def _price(text: str) -> Decimal | None:
    return Decimal(text) if _PRICE.fullmatch(text) else None


@lru_cache(maxsize=_DISTINCT_TIMES)
def _local_time(text: str) -> dt.datetime | None:
    """The store's wall clock as the file writes it; in the hour that autumn repeats, the first of the two."""
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=STORE_TIMEZONE)
    except ValueError:
        return None


def _invoice(group: tuple[str, list[_FileLine]]) -> Invoice:
    number, lines = group
    entries = [line.entry for line in lines]
    return Invoice(
        number=number,
        occurred_at=lines[0].occurred_at,
        lines=tuple(entry for entry in entries if isinstance(entry, InvoiceLine)),
        skipped=tuple(entry for entry in entries if isinstance(entry, SkippedLine)),
    )
