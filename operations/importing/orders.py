"""Takes a shop's history into a store: invoices become fulfilled orders and returns without a receipt, exactly once.

The goods of Online Retail II are not books: the k-th best-selling stock code of the whole file stands for the store's
k-th edition by popularity. Say so wherever the result is shown.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from operations.errors import CommandFailed
from operations.importing.readers.catalogue import RejectedRow
from operations.importing.readers.online_retail import (
    CURRENCY,
    STORE_TIMEZONE,
    Invoice,
    InvoiceLine,
    read_invoices,
    sales_rank,
)
from operations.importing.report import Account
from operations.importing.stock_for_orders import receive_what_is_missing
from operations.in_house import InHouse
from operations.store_facts import Location, locations_of, open_location
from shared_kernel.tenancy import Tenant
from write_side.catalog.bulk import editions_by_popularity
from write_side.inventory.commands import OpenLocation
from write_side.orders.commands import Channel
from write_side.orders.history import (
    HistoricInvoice,
    HistoricLine,
    ImportedOrders,
    ImportOrders,
    import_orders,
)

ACTOR = "import"
SOURCE = "online-retail"
CHANNEL: Channel = "web"
LOCATION = "Imported"
ALREADY_IMPORTED = "already_imported"
BATCH_INVOICES = 200
BATCH_LINES = 2_500
"""Whichever comes first: a transaction far below a second."""


class OrdersImport(msgspec.Struct, frozen=True, kw_only=True):
    """What to import: the first `limit` distinct invoices of the file, or all.

    Attributes:
        receive_stock: first receive what will be sold, and let the orders take it.
    """

    path: Path
    limit: int | None = None
    receive_stock: bool = False


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """One invoice of ours, and the file's lines it came from."""

    invoice: HistoricInvoice
    lines: tuple[int, ...]


async def import_order_history(
    house: InHouse,
    tenant: Tenant,
    wanted: OrdersImport,
    *,
    account: Account,
    on_rows: Callable[[int], None] = lambda _rows: None,
) -> None:
    """Replay the file's invoices; running it again, or resuming it, changes nothing.

    Args:
        house: the write side's ways in.
        tenant: the store.
        wanted: what to import.
        account: is told of every line of the file.
        on_rows: is told how many lines are decided.

    Raises:
        UnreadableFile: the file is not of the format.
        CommandFailed: the store is not one this file can be replayed into.
    """
    refuse_other_store(tenant)
    editions = await editions_by_code(house, tenant, wanted.path)
    location = await _location(house, tenant)
    if wanted.receive_stock:
        parts = _parts_only(read_invoices(wanted.path, limit=wanted.limit), editions)
        await receive_what_is_missing(house, tenant, location.id, (part.invoice for part in parts), source=SOURCE)
    taking = _Taking(house, tenant, location, account, take_stock=wanted.receive_stock)
    for entry in read_invoices(wanted.path, limit=wanted.limit):
        if isinstance(entry, RejectedRow):
            account.reject(entry.line, entry.reason if entry.field is None else f"{entry.field}: {entry.reason}")
            continue
        for line in entry.skipped:
            account.skip(line.kind)
        for part in invoice_parts(entry, editions):
            await taking.add(part)
        on_rows(account.rows)
    await taking.flush()
    on_rows(account.rows)


def refuse_other_store(tenant: Tenant) -> None:
    """Hold the store against the shop whose history this is.

    Raises:
        CommandFailed: another currency or calendar, in which the file's prices and days would mean something else.
    """
    if (tenant.currency, tenant.timezone) != (CURRENCY, STORE_TIMEZONE.key):
        message = (
            f"this file is in {CURRENCY} and {STORE_TIMEZONE.key} time, the store {tenant.slug!r} in {tenant.currency}"
            f" and {tenant.timezone}: create a store for it with `shelfwise tenants create`"
        )
        raise CommandFailed(message)


async def editions_by_code(house: InHouse, tenant: Tenant, path: Path) -> dict[str, UUID]:
    """Which edition stands for which stock code: k-th by sales over the whole file, k-th by popularity.

    Raises:
        CommandFailed: the store has fewer editions than the file has goods.
    """
    codes = sales_rank(path)
    editions = await editions_by_popularity(house.write_pool, tenant, limit=len(codes))
    if len(editions) < len(codes):
        message = (
            f"the file has {len(codes):,} goods and the store {tenant.slug!r} only {len(editions):,} editions to stand"
            " for them: import a larger catalogue first (`shelfwise import catalogue`)"
        )
        raise CommandFailed(message)
    return dict(zip(codes, editions, strict=True))


def invoice_parts(invoice: Invoice, editions: Mapping[str, UUID]) -> Iterator[_Part]:
    """An invoice's sales as an order and its returns as a return; both, where it has both."""
    if invoice.sales:
        yield _part(invoice, "order", invoice.sales, editions)
    if invoice.returns:
        yield _part(invoice, "return", invoice.returns, editions)


def _part(invoice: Invoice, kind: str, lines: Sequence[InvoiceLine], editions: Mapping[str, UUID]) -> _Part:
    historic = HistoricInvoice(
        reference=invoice.number,
        kind="order" if kind == "order" else "return",
        occurred_at=invoice.occurred_at,
        lines=tuple(
            HistoricLine(
                edition_id=editions[line.stock_code],
                quantity=abs(line.quantity),
                unit_price_minor=line.unit_price_minor,
            )
            for line in lines
        ),
    )
    return _Part(invoice=historic, lines=tuple(line.line for line in lines))


def _parts_only(entries: Iterator[Invoice | RejectedRow], editions: Mapping[str, UUID]) -> Iterator[_Part]:
    for entry in entries:
        if isinstance(entry, Invoice):
            yield from invoice_parts(entry, editions)


async def _location(house: InHouse, tenant: Tenant) -> Location:
    known = await locations_of(house.operator_pool, tenant)
    named = [one for one in known if one.name == LOCATION]
    if named or known:
        return (named or known)[0]
    return await open_location(house.execution, tenant, OpenLocation(name=LOCATION, kind="warehouse"), actor=ACTOR)


class _Taking:
    """Gathers invoices into batches, and accounts for what became of each."""

    def __init__(
        self, house: InHouse, tenant: Tenant, location: Location, account: Account, *, take_stock: bool
    ) -> None:
        self._house = house
        self._tenant = tenant
        self._location = location
        self._account = account
        self._take_stock = take_stock
        self._parts: list[_Part] = []
        self._lines = 0

    async def add(self, part: _Part) -> None:
        """Take one in, and the batch when it is full."""
        self._parts.append(part)
        self._lines += len(part.lines)
        if len(self._parts) >= BATCH_INVOICES or self._lines >= BATCH_LINES:
            await self.flush()

    async def flush(self) -> None:
        """Take the batch in."""
        if not self._parts:
            return
        command = ImportOrders(
            source=SOURCE,
            location_id=self._location.id,
            channel=CHANNEL,
            take_stock=self._take_stock,
            invoices=tuple(part.invoice for part in self._parts),
        )
        imported = await import_orders(self._house.execution, self._tenant, command, actor=ACTOR)
        self._settle(imported)
        self._parts, self._lines = [], 0

    def _settle(self, imported: ImportedOrders) -> None:
        reasons = {(one.kind, one.reference): one.reason for one in imported.rejected}
        rejected_lines = 0
        for part in self._parts:
            reason = reasons.get((part.invoice.kind, part.invoice.reference))
            if reason is not None:
                rejected_lines += len(part.lines)
                for line in part.lines:
                    self._account.reject(line, f"invoice {part.invoice.reference}: {reason}")
        self._account.accepted += imported.imported_lines
        self._account.skip(ALREADY_IMPORTED, self._lines - imported.imported_lines - rejected_lines)
