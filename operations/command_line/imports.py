"""`shelfwise import`."""

from pathlib import Path

import click

from operations.command_line.invocation import EXIT_FAULT, Invocation, command, table
from operations.command_line.progress import progress
from operations.importing.catalogue import (
    CatalogueFormat,
    CatalogueImport,
    RowRefused,
    import_catalogue,
    price_in,
)
from operations.importing.orders import OrdersImport, import_order_history
from operations.importing.report import ImportReport, opened_account
from operations.in_house import in_house
from operations.servers.installation import Installation
from operations.stores import store_named

_CATALOGUE_FORMATS = ("goodbooks", "onix3", "csv")
_ORDER_FORMATS = ("online-retail",)
_SHOWN_REJECTIONS = 20
_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_REPORT = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.group("import")
def import_group() -> None:
    """Take in catalogues and order histories; running one again changes nothing."""


@import_group.command("catalogue")
@click.argument("file", type=_FILE)
@click.option("--tenant", "slug", required=True, metavar="SLUG", help="The store.")
@click.option("--format", "kind", type=click.Choice(_CATALOGUE_FORMATS), required=True)
@click.option("--default-price", metavar="9.99", help="For rows that have no price.")
@click.option("--dry-run", is_flag=True, help="Say what would become of each row, and keep nothing.")
@click.option("--on-error", type=click.Choice(("skip", "stop")), default="skip", show_default=True)
@click.option(
    "--report", "report_file", type=_REPORT, metavar="FILE", help="Every rejected row, one JSON object a line."
)
@command
def catalogue(  # noqa: PLR0913 - one parameter an option
    invocation: Invocation,
    *,
    file: Path,
    slug: str,
    kind: CatalogueFormat,
    default_price: str | None,
    dry_run: bool,
    on_error: str,
    report_file: Path | None,
) -> int:
    """Add a file's editions to a store."""
    _refuse_unusable(file, report_file)

    async def work(installation: Installation) -> tuple[ImportReport, bool]:
        stopped = False
        async with in_house(installation) as house:
            store = await store_named(house.operator_pool, slug)
            wanted = CatalogueImport(
                path=file,
                format=kind,
                default_price_minor=None if default_price is None else price_in(store, default_price),
                dry_run=dry_run,
                stop_on_error=on_error == "stop",
            )
            with opened_account(report_file) as account, progress(f"import {file.name}") as shown:
                try:
                    await import_catalogue(house.execution, store, wanted, account=account, on_rows=shown.at)
                except RowRefused:
                    stopped = True
                return account.report(), stopped

    report, stopped = invocation.on_servers(work)
    _show(invocation, report, dry_run=dry_run)
    if stopped:
        invocation.say("stopped at the first row that was refused; what stands before it is imported")
    return EXIT_FAULT if stopped else 0


@import_group.command("orders")
@click.argument("file", type=_FILE)
@click.option("--tenant", "slug", required=True, metavar="SLUG", help="The store.")
@click.option("--format", "kind", type=click.Choice(_ORDER_FORMATS), required=True)
@click.option("--receive-stock", is_flag=True, help="First receive what will be sold; the orders then take it.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N invoices, with all their lines.")
@click.option(
    "--report", "report_file", type=_REPORT, metavar="FILE", help="Every rejected row, one JSON object a line."
)
@command
def orders(
    invocation: Invocation,
    *,
    file: Path,
    slug: str,
    kind: str,
    receive_stock: bool,
    limit: int | None,
    report_file: Path | None,
) -> None:
    """Replay a shop's history: fulfilled orders and returns, at the time they happened."""
    _refuse_unusable(file, report_file)

    async def work(installation: Installation) -> ImportReport:
        async with in_house(installation) as house:
            store = await store_named(house.operator_pool, slug)
            wanted = OrdersImport(path=file, limit=limit, receive_stock=receive_stock)
            with opened_account(report_file) as account, progress(f"import {file.name}") as shown:
                await import_order_history(house, store, wanted, account=account, on_rows=shown.at)
                return account.report()

    assert kind in _ORDER_FORMATS
    report = invocation.on_servers(work)
    _show(invocation, report, dry_run=False)
    note = "the file's goods are not books: each stands for the edition of the same rank, by sales and by popularity"
    invocation.say(note)


def _refuse_unusable(file: Path, report_file: Path | None) -> None:
    if not file.is_file():
        raise click.UsageError(f"{file} is a pipe or a device: it is read more than once, so save it to a file first")
    if report_file is not None and report_file.exists() and report_file.samefile(file):
        raise click.UsageError("--report names the very file that is to be imported, and would empty it")


def _show(invocation: Invocation, report: ImportReport, *, dry_run: bool) -> None:
    verb = "would be accepted" if dry_run else "accepted"
    counts: list[tuple[str, int]] = [("rows", report.rows), (verb, report.accepted), ("rejected", report.rejected)]
    counts += [(f"skipped: {kind}", count) for kind, count in report.skipped.items()]
    shown = [table("", "rows", rows=counts)]
    if report.rejections:
        first = [(one.line, one.reason) for one in report.rejections[:_SHOWN_REJECTIONS]]
        shown.append(table("line", "why it was rejected", rows=first))
    invocation.answer(report, *shown)
    if report.rejected > _SHOWN_REJECTIONS and not invocation.as_json:
        invocation.say(f"{report.rejected - _SHOWN_REJECTIONS:,} more were rejected; --report FILE gets every one")
