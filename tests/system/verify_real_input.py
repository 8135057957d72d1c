"""A real shop's year through the whole product, held against an independent sum over the file.

`python -m tests.system.verify_real_input [--limit N]` does it in a new installation and prints what it found; the suite
does it with the first 2,000 invoices, `make verify-real-input` with all of them.
"""

import argparse
import csv
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from tests.command_line import CommandLine
from tests.operations.importing.independent_sums import Sums, independent_sums
from tests.operations.importing.real_input import real_input

CATALOGUE = "goodbooks-10k/books.csv"
ORDERS = "online-retail/online_retail_2009_2010.csv.gz"
FIRST_DAY, DAY_AFTER_LAST = "2009-12-01", "2011-01-01"
TOP = 100
STORE = ("Real Input", "--slug", "real-input", "--currency", "GBP", "--timezone", "Europe/London")
_CATCH_UP_SECONDS = 3_600.0
_LOOK_SECONDS = 3.0
_MAX_PAGES = 100
_MAX_SHOWN_CHARACTERS = 80


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison: what the product says, and what it should."""

    what: str
    found: object
    expected: object

    @property
    def agrees(self) -> bool:
        """Whether they are the same."""
        return self.found == self.expected


class _Api(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    key: str

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - a decoded envelope
        query = f"?{urlencode(parameters)}" if parameters else ""
        request = urllib.request.Request(  # noqa: S310 - http, to ourselves
            f"{self.url}/api/v1{path}{query}", headers={"Authorization": f"Bearer {self.key}"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - the same
            return msgspec.json.decode(response.read())


def verify_real_input(
    shelfwise: CommandLine, *, catalogue: Path, orders: Path, limit: int | None, say: Callable[[str], None] = print
) -> list[Finding]:
    """Import, project, ask, compare.

    Args:
        shelfwise: the command, in an installation without a store of this name.
        catalogue: goodbooks-10k's books.csv.
        orders: Online Retail II's first year.
        limit: the first so many invoices; None for all.
        say: is told what is going on.
    """
    shelfwise.answer("migrate")
    shelfwise.answer("tenants", "create", *STORE)
    key = shelfwise.answer("keys", "create", "--tenant", "real-input", "--role", "owner")["key"]
    to_store = ("--tenant", "real-input")
    began = time.monotonic()
    books = shelfwise.answer(
        "import", "catalogue", catalogue, *to_store, "--format", "goodbooks", "--default-price", "9.99"
    )
    say(f"catalogue: {books['accepted']:,} of {books['rows']:,} rows in {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    limited = () if limit is None else ("--limit", f"{limit}")
    invoices = ("import", "orders", orders, *to_store, "--format", "online-retail", *limited)
    imported = shelfwise.answer(*invoices)
    say(f"orders: {imported['accepted']:,} of {imported['rows']:,} lines in {time.monotonic() - began:.1f} s")
    again = shelfwise.answer(*invoices)
    began = time.monotonic()
    with shelfwise.up() as running:
        _wait_until_shown(shelfwise)
        say(f"projected after {time.monotonic() - began:.1f} s")
        api = _Api(url=running.url, key=key)
        sums = independent_sums(orders, first_invoices=limit)
        findings = [
            Finding(what="catalogue rows accounted for", found=_accounted(books), expected=10_000),
            Finding(what="lines of the file accounted for", found=_accounted(imported), expected=sums.lines),
            Finding(what="lines of goods", found=imported["accepted"], expected=sums.goods_lines),
            Finding(what="taken by a second import", found=again["accepted"], expected=0),
            *_by_day(api, sums),
            *_best_sellers(api, sums, _titles_by_code(catalogue, independent_sums(orders))),
        ]
        began = time.monotonic()
        verified = shelfwise.run("projections", "verify", "all", "--json").answer  # exit code 1 where rows differ
        say(f"verified in {time.monotonic() - began:.1f} s")
    findings += [
        Finding(what=f"{one['name']}: differences in {one['rows']:,} rows", found=one["differences"], expected=[])
        for one in verified["projections"]
    ]
    return findings


def _accounted(report: Mapping[str, Any]) -> int:
    return int(report["accepted"] + report["rejected"] + sum(report["skipped"].values()))


def _wait_until_shown(shelfwise: CommandLine) -> None:
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    while any(one["lag_events"] for one in shelfwise.answer("projections", "status")["projections"]):
        assert time.monotonic() < deadline, "the projections do not catch up"
        time.sleep(_LOOK_SECONDS)


def _by_day(api: _Api, sums: Sums) -> list[Finding]:
    """Every day's net, to the penny; days without sales are not in the file and have none here either."""
    rows = _every_page(api, "/sales", **{"by": "day", "from": FIRST_DAY, "to": DAY_AFTER_LAST})
    found = {row["bucket"]: Decimal(row["net"]["amount_minor"]) / 100 for row in rows if row["net"]["amount_minor"]}
    expected = {day: net for day, net in sums.net_by_day.items() if net}
    differing = sorted(day for day in found | expected if found.get(day) != expected.get(day))
    units = {row["bucket"]: row["units"] - row["returned_units"] for row in rows}
    units_expected = {day: count for day, count in sums.units_by_day.items() if count}
    return [
        Finding(what="days with sales", found=len(found), expected=len(expected)),
        Finding(what="days whose net differs", found=differing, expected=[]),
        Finding(what="net over all days (GBP)", found=str(sum(found.values())), expected=str(sum(expected.values()))),
        Finding(
            what="units over all days",
            found=sum(units.values()),
            expected=sum(units_expected.values()),
        ),
    ]


def _every_page(api: _Api, path: str, **parameters: str) -> list[Any]:
    rows: list[Any] = []
    cursor: dict[str, str] = {}
    for _ in range(_MAX_PAGES):
        envelope = api.get(path, **parameters, limit="100", **cursor)
        rows += envelope["data"]
        following = envelope["meta"].get("next_cursor")
        if not following:
            return rows
        cursor = {"cursor": following}
    message = f"{path} has no last page"
    raise AssertionError(message)


def _best_sellers(api: _Api, sums: Sums, titles: Mapping[str, str]) -> list[Finding]:
    """The first hundred in order, each the edition that stands for its code.

    Among equal units the product orders by SKU and the file by code: there the same titles stand in some order, and
    those that share the last place's units may be cut off at different ones.
    """
    rows = api.get("/best-sellers", window="all", limit=f"{TOP}")["data"]
    ranking = sums.best_sellers()[:TOP]
    last_units = sums.units_by_code[ranking[-1]]
    found = [(row["units"], _plain(row["title"]), row["net"]["amount_minor"]) for row in rows]
    expected = [(sums.units_by_code[code], titles[code], int(sums.net_by_code[code] * 100)) for code in ranking]
    return [
        Finding(
            what=f"units of the first {TOP}, in order",
            found=[one[0] for one in found],
            expected=[one[0] for one in expected],
        ),
        Finding(
            what=f"titles and net of the first {TOP}, in order",
            found=sorted((one for one in found if one[0] > last_units), reverse=True),
            expected=sorted((one for one in expected if one[0] > last_units), reverse=True),
        ),
    ]


def _titles_by_code(catalogue: Path, whole: Sums) -> dict[str, str]:
    """Which title stands for which code, from both files by the rule in the data's README."""
    with catalogue.open(encoding="utf-8", newline="") as stream:
        books = sorted(csv.DictReader(stream), key=lambda row: (-int(row["ratings_count"]), int(row["book_id"])))
    ranked = zip(whole.best_sellers(), books, strict=False)
    return {code: _plain(book["title"]) for code, book in ranked}


def _plain(title: str) -> str:
    return " ".join(title.split())


def table(findings: Sequence[Finding]) -> str:
    """The findings for a person to read."""
    lines = []
    for one in findings:
        verdict = "agrees " if one.agrees else "DIFFERS"
        lines.append(f"  {verdict}  {one.what:<52} {_short(one.found)}")
        if not one.agrees:
            lines.append(f"  {'':<7}  {'expected':>52} {_short(one.expected)}")
    return "\n".join(lines)


def _short(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[:_MAX_SHOWN_CHARACTERS]}…"


def main() -> int:
    """In a new installation, with everything that runs in one started and ended again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="the first so many invoices")
    limit = parser.parse_args().limit
    folder = Path(tempfile.mkdtemp(prefix="shelfwise-real-input-"))
    folder.chmod(0o711)  # the servers' account passes through
    try:
        findings = verify_real_input(
            CommandLine(folder / "data", {}), catalogue=real_input(CATALOGUE), orders=real_input(ORDERS), limit=limit
        )
    finally:
        shutil.rmtree(folder)
    sys.stdout.write(table(findings) + "\n")
    return 0 if all(one.agrees for one in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
