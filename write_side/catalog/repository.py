"""Editions in the write database."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.events.catalog import Contributor
from write_side.catalog.errors import IsbnTaken, SkuTaken
from write_side.catalog.model import Edition
from write_side.tenants.repository import StoreSettings

_COLUMNS = """e.edition_id, e.version, e.sku, e.isbn13, e.title, e.contributors::text AS contributors, e.format,
    e.publisher, e.published_on, e.language, e.subjects::text AS subjects, e.tax_class, e.currency,
    e.list_price_minor, e.popularity, e.discontinued_at"""
_LOCK = f"""
SELECT {_COLUMNS}, t.tax_rates::text AS tax_rates, t.prices_include_tax
FROM write.edition e JOIN write.tenant t USING (tenant_id)
WHERE e.tenant_id = $1 AND e.edition_id = $2 FOR NO KEY UPDATE OF e
"""  # noqa: S608 - a constant of this module, no input
_ADD = """
INSERT INTO write.edition (tenant_id, edition_id, version, sku, isbn13, title, contributors, format, publisher,
                           published_on, language, subjects, tax_class, currency, list_price_minor, popularity,
                           discontinued_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10, $11, $12::jsonb, $13, $14, $15, $16, $17, $18)
ON CONFLICT DO NOTHING RETURNING edition_id
"""
# Where both are taken PostgreSQL names the older index, so the ISBN is asked for: it is what the client sent.
_IS_ISBN_TAKEN = "SELECT EXISTS (SELECT FROM write.edition WHERE tenant_id = $1 AND isbn13 = $2)"
_ADD_MANY = """
INSERT INTO write.edition (tenant_id, edition_id, version, sku, isbn13, title, contributors, format, publisher,
                           published_on, language, subjects, tax_class, currency, list_price_minor, popularity,
                           discontinued_at, created_at)
SELECT $1, e.edition_id, e.version, e.sku, e.isbn13, e.title, e.contributors::jsonb, e.format, e.publisher,
       e.published_on, e.language, e.subjects::jsonb, e.tax_class, e.currency, e.list_price_minor, e.popularity,
       e.discontinued_at, $18
FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::bigint[],
            $17::timestamptz[])
    AS e(edition_id, version, sku, isbn13, title, contributors, format, publisher, published_on, language, subjects,
         tax_class, currency, list_price_minor, popularity, discontinued_at)
"""
_SAVE = """
UPDATE write.edition
SET version = $3, title = $4, contributors = $5::jsonb, format = $6, publisher = $7, published_on = $8, language = $9,
    subjects = $10::jsonb, tax_class = $11, list_price_minor = $12, discontinued_at = $13
WHERE tenant_id = $1 AND edition_id = $2
"""
_encoder = msgspec.json.Encoder()


async def lock(connection: Connection, tenant_id: UUID, edition_id: UUID) -> tuple[Edition, StoreSettings] | None:
    """The edition, locked until the transaction ends, and the settings it is judged by."""
    row = await connection.fetchrow(_LOCK, tenant_id, edition_id)
    return (edition_of(row), StoreSettings.from_row(row)) if row else None


async def add(connection: Connection, tenant_id: UUID, edition: Edition, now: datetime) -> None:
    """Keep a new edition.

    Raises:
        IsbnTaken, SkuTaken: another edition of the store has it.
    """
    if await connection.fetchval(_ADD, tenant_id, *_row(edition), now) is not None:
        return
    if await connection.fetchval(_IS_ISBN_TAKEN, tenant_id, edition.isbn13):
        raise IsbnTaken(f"an edition with the ISBN {edition.isbn13} exists")
    raise SkuTaken(f"an edition with the SKU {edition.sku} exists")


async def add_many(connection: Connection, tenant_id: UUID, editions: Sequence[Edition], now: datetime) -> None:
    """Keep new editions, whose SKUs and ISBNs the caller has seen to be free."""
    if editions:
        columns = zip(*(_row(edition) for edition in editions), strict=True)
        await connection.execute(_ADD_MANY, tenant_id, *(list(column) for column in columns), now)


async def save(connection: Connection, tenant_id: UUID, edition: Edition) -> None:
    """Keep what can change of an edition that is locked."""
    await connection.execute(
        _SAVE,
        tenant_id,
        edition.edition_id,
        edition.version,
        edition.title,
        json_text(edition.contributors),
        edition.format,
        edition.publisher,
        edition.published_on,
        edition.language,
        json_text(edition.subjects),
        edition.tax_class,
        edition.list_price_minor,
        edition.discontinued_at,
    )


def json_text(value: object) -> str:
    """A value as a jsonb column takes it."""
    return _encoder.encode(value).decode()


def edition_of(row: asyncpg.Record) -> Edition:
    """The edition of a row with this module's columns."""
    return Edition(
        edition_id=row["edition_id"],
        version=row["version"],
        sku=row["sku"],
        isbn13=row["isbn13"],
        title=row["title"],
        contributors=msgspec.json.decode(row["contributors"], type=tuple[Contributor, ...]),
        format=row["format"],
        publisher=row["publisher"],
        published_on=row["published_on"],
        language=row["language"],
        subjects=msgspec.json.decode(row["subjects"], type=tuple[str, ...]),
        tax_class=row["tax_class"],
        currency=row["currency"],
        list_price_minor=row["list_price_minor"],
        popularity=row["popularity"],
        discontinued_at=row["discontinued_at"],
    )


def _row(edition: Edition) -> tuple[object, ...]:
    return (
        edition.edition_id,
        edition.version,
        edition.sku,
        edition.isbn13,
        edition.title,
        json_text(edition.contributors),
        edition.format,
        edition.publisher,
        edition.published_on,
        edition.language,
        json_text(edition.subjects),
        edition.tax_class,
        edition.currency,
        edition.list_price_minor,
        edition.popularity,
        edition.discontinued_at,
    )
