"""Many editions in one command: the same rules, rows and events as one by one, set-based. For imports and the demo."""

from collections.abc import Iterator, Sequence
from functools import partial
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection, Pool
from shared_kernel.database.transactions import BEGIN_SNAPSHOT, transaction
from shared_kernel.errors import FieldError
from shared_kernel.events.catalog import EditionCreated
from shared_kernel.tenancy import Tenant
from write_side.catalog.commands import CreateEdition
from write_side.catalog.errors import InvalidEdition
from write_side.catalog.model import Edition, create
from write_side.catalog.repository import add_many
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.requests import CommandRequest, Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.tenants.repository import settings_of

MAX_EDITIONS = 500
"""Keeps a batch's transaction, and with it the lock on the log's head, well below a second."""

_TAKEN = """
SELECT edition_id, sku, isbn13 FROM write.edition
WHERE tenant_id = $1 AND sku = ANY($2::text[])
UNION
SELECT edition_id, sku, isbn13 FROM write.edition
WHERE tenant_id = $1 AND isbn13 = ANY($3::text[])
"""
_BY_POPULARITY = """
SELECT edition_id FROM write.edition WHERE tenant_id = $1
ORDER BY popularity DESC NULLS LAST, edition_id LIMIT $2
"""


class EditionTaken(msgspec.Struct, frozen=True, kw_only=True):
    """An edition that was there before, by its index in the batch; `code` says by what: `isbn_taken` or `sku_taken`."""

    index: int
    edition_id: UUID
    code: str


class EditionRefused(msgspec.Struct, frozen=True, kw_only=True):
    """An edition that breaks rules, by its index in the batch."""

    index: int
    errors: tuple[FieldError, ...]


class EditionAdded(msgspec.Struct, frozen=True, kw_only=True):
    """An edition that is new, by its index in the batch."""

    index: int
    edition_id: UUID


class ImportedEditions(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch: every index is in exactly one of the three."""

    added: tuple[EditionAdded, ...]
    taken: tuple[EditionTaken, ...]
    refused: tuple[EditionRefused, ...]


class _Candidate(msgspec.Struct, frozen=True, kw_only=True):
    index: int
    edition: Edition
    created: EditionCreated


async def import_editions(
    execution: CommandExecution, tenant: Tenant, editions: Sequence[CreateEdition], *, actor: str, dry_run: bool = False
) -> ImportedEditions:
    """Add those of at most 500 editions that are valid and new. Doing it again adds nothing.

    Args:
        actor: such as `import`.
        dry_run: say what would become of them.
    """
    if len(editions) > MAX_EDITIONS:
        raise ValueError(f"at most {MAX_EDITIONS} editions in one batch")
    request = CommandRequest(tenant=tenant, operation="import_editions", actor=actor, dry_run=dry_run)
    answer = await execution.execute(request, partial(_import_editions, tuple(editions)))
    return answer.read(ImportedEditions)


async def editions_by_popularity(pool: Pool, tenant: Tenant, *, limit: int) -> list[UUID]:
    """The store's best known editions first, ties in the order in which they were imported."""
    async with transaction(pool, begin=BEGIN_SNAPSHOT, tenant_id=tenant.id) as connection:
        return [row["edition_id"] for row in await connection.fetch(_BY_POPULARITY, tenant.id, limit)]


async def _import_editions(editions: tuple[CreateEdition, ...], work: UnitOfWork) -> Outcome:
    candidates, refused = await _judge(editions, work)
    known = await _known(work.connection, work.tenant.id, candidates)
    taken = list(_taken(candidates, known))
    passed_over = {item.index for item in taken}
    fresh = [candidate for candidate in candidates if candidate.index not in passed_over]
    await add_many(work.connection, work.tenant.id, [candidate.edition for candidate in fresh], work.now)
    for candidate in fresh:
        work.record(candidate.created, stream_id=candidate.edition.edition_id, stream_version=1)
    added = tuple(EditionAdded(index=item.index, edition_id=item.edition.edition_id) for item in fresh)
    return Outcome(data=ImportedEditions(added=added, taken=tuple(taken), refused=tuple(refused)), version=None)


async def _judge(
    editions: tuple[CreateEdition, ...], work: UnitOfWork
) -> tuple[list[_Candidate], list[EditionRefused]]:
    settings = await settings_of(work.connection, work.tenant.id)
    # Ids in the order of the batch, so that ties in popularity fall as the file had them.
    edition_ids = sorted(work.new_id() for _ in editions)
    candidates, refused = [], []
    for index, command in enumerate(editions):
        try:
            checked = msgspec.convert(msgspec.to_builtins(command), CreateEdition)
            edition, created = create(
                checked,
                edition_id=edition_ids[index],
                currency=work.tenant.currency,
                tax_classes=settings.tax_rates,
            )
        except InvalidEdition as error:
            refused.append(EditionRefused(index=index, errors=error.errors))
        except msgspec.ValidationError as error:
            fault = FieldError(pointer="", code="wrong_format", detail=str(error))
            refused.append(EditionRefused(index=index, errors=(fault,)))
        else:
            candidates.append(_Candidate(index=index, edition=edition, created=created))
    return candidates, refused


async def _known(
    connection: Connection, tenant_id: UUID, candidates: Sequence[_Candidate]
) -> dict[tuple[str, str], UUID]:
    """Editions that were there before, by `("sku", …)` and `("isbn13", …)`."""
    rows = await connection.fetch(
        _TAKEN,
        tenant_id,
        [candidate.edition.sku for candidate in candidates],
        [candidate.edition.isbn13 for candidate in candidates if candidate.edition.isbn13],
    )
    known = {("sku", row["sku"]): row["edition_id"] for row in rows}
    return known | {("isbn13", row["isbn13"]): row["edition_id"] for row in rows if row["isbn13"]}


def _taken(candidates: Sequence[_Candidate], known: dict[tuple[str, str], UUID]) -> Iterator[EditionTaken]:
    """Those that meet one known before, or one earlier in the batch."""
    for candidate in candidates:
        edition = candidate.edition
        by_isbn = known.get(("isbn13", edition.isbn13)) if edition.isbn13 else None
        existing = by_isbn or known.get(("sku", edition.sku))
        if existing is not None:
            code = "isbn_taken" if by_isbn else "sku_taken"
            yield EditionTaken(index=candidate.index, edition_id=existing, code=code)
            continue
        known["sku", edition.sku] = edition.edition_id
        if edition.isbn13:
            known["isbn13", edition.isbn13] = edition.edition_id
