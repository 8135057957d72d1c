"""Takes a catalogue file into a store: rows to commands, batch by batch, in constant memory."""

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from operations.errors import CommandFailed
from operations.importing.readers import field_rules
from operations.importing.readers.catalogue import CatalogueRow, FieldProblem, RejectedRow
from operations.importing.readers.csv_catalogue import read_csv_catalogue
from operations.importing.readers.goodbooks import read_goodbooks
from operations.importing.readers.onix3 import read_onix3
from operations.importing.report import Account
from shared_kernel.money import Money
from shared_kernel.tenancy import Tenant
from write_side.catalog.bulk import ImportedEditions, import_editions
from write_side.catalog.commands import ContributorEntry, CreateEdition
from write_side.command_execution.execution import CommandExecution

CatalogueFormat: TypeAlias = Literal["goodbooks", "onix3", "csv"]
Rows: TypeAlias = Iterator[CatalogueRow | RejectedRow]

ACTOR = "import"
BATCH_ROWS = 250
"""Some 50 ms of the log's head; larger ones are not faster."""
ALREADY_THERE = "already_there"
TAKEN_MEANWHILE = "by an earlier row of this file, or by somebody else since this import began"


class RowRefused(Exception):
    """A row was refused, and the import was asked to stop at the first; what was before it is imported."""


class CatalogueImport(msgspec.Struct, frozen=True, kw_only=True):
    """What to import, and how.

    Attributes:
        default_price_minor: of rows that have none; None refuses them.
        dry_run: say what would become of each row, and keep nothing.
        stop_on_error: end at the first row that is refused.
    """

    path: Path
    format: CatalogueFormat
    default_price_minor: int | None
    dry_run: bool = False
    stop_on_error: bool = False


def price_in(tenant: Tenant, text: str) -> int:
    """A price as a person writes it, in the store's minor units.

    Raises:
        CommandFailed: it is none.
    """
    try:
        return field_rules.price_minor(text, code=tenant.currency)
    except FieldProblem as problem:
        raise CommandFailed(f"{text!r} is not a price in {tenant.currency}: {problem.reason}") from problem


def read_rows(path: Path, kind: CatalogueFormat, *, currency: str) -> Rows:
    """Every row of the file, as its reader yields it."""
    match kind:
        case "goodbooks":
            return read_goodbooks(path)
        case "onix3":
            return read_onix3(path, currency=currency)
        case "csv":
            return read_csv_catalogue(path)


async def import_catalogue(
    execution: CommandExecution,
    tenant: Tenant,
    wanted: CatalogueImport,
    *,
    account: Account,
    on_rows: Callable[[int], None] = lambda _rows: None,
) -> None:
    """Add what is valid and new; running it again adds nothing.

    Args:
        execution: the write side's.
        tenant: the store.
        wanted: what to import.
        account: is told of every row.
        on_rows: is told how many rows are decided.

    Raises:
        UnreadableFile: the file is not of the format.
        RowRefused: a row was refused, with `stop_on_error`.
    """
    began_ms = time.time_ns() // 1_000_000
    rows = read_rows(wanted.path, wanted.format, currency=tenant.currency)
    while batch := list(islice(rows, BATCH_ROWS)):
        taken = _Batch(wanted, tenant, account)
        for row in batch:
            if not taken.take(row):
                break
        if taken.commands:
            imported = await import_editions(execution, tenant, taken.commands, actor=ACTOR, dry_run=wanted.dry_run)
            taken.settle(imported, began_ms=began_ms)
        on_rows(account.rows)
        if wanted.stop_on_error and account.rejected:
            raise RowRefused


class _Batch:
    """The commands of some rows, and where each came from."""

    def __init__(self, wanted: CatalogueImport, tenant: Tenant, account: Account) -> None:
        self._wanted = wanted
        self._tenant = tenant
        self._account = account
        self._lines: list[int] = []
        self.commands: list[CreateEdition] = []

    def take(self, row: CatalogueRow | RejectedRow) -> bool:
        """Take one row in; False where the import must stop at it."""
        if isinstance(row, RejectedRow):
            reason = row.reason if row.field is None else f"{row.field}: {row.reason}"
            self._account.reject(row.line, reason)
            return not self._wanted.stop_on_error
        price = row.list_price_minor if row.list_price_minor is not None else self._wanted.default_price_minor
        if price is None:
            self._account.reject(row.line, "list_price: missing; --default-price gives one to rows without")
            return not self._wanted.stop_on_error
        currency = self._tenant.currency if row.list_price_minor is None else row.currency or ""
        self._lines.append(row.line)
        self.commands.append(_command(row, Money(amount_minor=price, currency=currency)))
        return True

    def settle(self, imported: ImportedEditions, *, began_ms: int) -> None:
        """Account for what became of the commands."""
        self._account.accepted += len(imported.added)
        for refused in imported.refused:
            reasons = "; ".join(f"{one.pointer.lstrip('/') or 'row'}: {one.detail}" for one in refused.errors)
            self._account.reject(self._lines[refused.index], reasons)
        for taken in imported.taken:
            if _made_at_ms(taken.edition_id) >= began_ms:
                self._account.reject(self._lines[taken.index], f"{taken.code}: {TAKEN_MEANWHILE}")
            else:
                self._account.skip(ALREADY_THERE)


def _made_at_ms(edition_id: UUID) -> int:
    """When a UUIDv7 was made: its first 48 bits (RFC 9562)."""
    return edition_id.int >> 80


def _command(row: CatalogueRow, price: Money) -> CreateEdition:
    # Not validated here: the write side holds every field against its rules, and names what breaks one.
    contributors = tuple(
        ContributorEntry(name=one.name, role=one.role)  # type: ignore[arg-type]  # see above
        for one in row.contributors
    )
    return CreateEdition(
        title=row.title,
        contributors=contributors,
        format=row.format,
        list_price=price,
        isbn13=row.isbn13,
        sku=row.sku,
        publisher=row.publisher,
        published_on=row.published_on,
        language=row.language,
        subjects=row.subjects,
        popularity=row.popularity,
    )
