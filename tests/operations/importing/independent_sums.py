"""The sums of Online Retail II computed a second way, to hold the product against.

Deliberately plain and apart: `csv` and `Decimal`, the rule as the data's README words it, and no line of code shared
with the reader.
"""

import csv
import gzip
import re
from decimal import Decimal
from pathlib import Path

import msgspec


class Sums(msgspec.Struct, kw_only=True):
    """What the goods lines of a file add up to; days and times are the store's own."""

    lines: int = 0
    goods_lines: int = 0
    invoices: set[str] = msgspec.field(default_factory=set)
    goods_invoices: set[str] = msgspec.field(default_factory=set)
    net_by_day: dict[str, Decimal] = msgspec.field(default_factory=dict)
    units_by_day: dict[str, int] = msgspec.field(default_factory=dict)
    net_by_code: dict[str, Decimal] = msgspec.field(default_factory=dict)
    units_by_code: dict[str, int] = msgspec.field(default_factory=dict)

    def best_sellers(self) -> list[str]:
        """Codes by units net, most first, ties by code."""
        return sorted(self.units_by_code, key=lambda code: (-self.units_by_code[code], code))


def independent_sums(path: Path, *, first_invoices: int | None = None) -> Sums:
    """The sums over the whole gzipped file, or over the lines of its first so many distinct invoices."""
    sums = Sums()
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            number = row["Invoice"]
            if number not in sums.invoices and len(sums.invoices) == first_invoices:
                continue
            sums.invoices.add(number)
            sums.lines += 1
            if re.fullmatch("[0-9]{5}[A-Za-z]{0,3}", row["StockCode"]) and Decimal(row["Price"]) > 0:
                _add_goods(sums, row)
    return sums


def _add_goods(sums: Sums, row: dict[str, str]) -> None:
    day, code = row["InvoiceDate"][:10], row["StockCode"].upper()
    quantity = int(row["Quantity"])
    net = quantity * Decimal(row["Price"])
    sums.goods_lines += 1
    sums.goods_invoices.add(row["Invoice"])
    sums.net_by_day[day] = sums.net_by_day.get(day, Decimal(0)) + net
    sums.units_by_day[day] = sums.units_by_day.get(day, 0) + quantity
    sums.net_by_code[code] = sums.net_by_code.get(code, Decimal(0)) + net
    sums.units_by_code[code] = sums.units_by_code.get(code, 0) + quantity
