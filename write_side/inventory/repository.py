"""Locations and stock in the write database. Accounts are always locked in the order of location, then edition."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.identifiers import new_id
from write_side.command_execution.saving import Saving
from write_side.inventory.ledger import SAVE_MOVEMENTS, Movement, movement_arguments
from write_side.inventory.model import Stock

_ADD_LOCATION = """
INSERT INTO write.location (tenant_id, location_id, version, name, kind, created_at) VALUES ($1, $2, 1, $3, $4, $5)
"""
_IS_LOCATION = "SELECT EXISTS (SELECT FROM write.location WHERE tenant_id = $1 AND location_id = $2)"
# An account begins when something first happens to it. Two commands that both find it missing meet on the unique key:
# the second waits for the first and then takes its row, in the same order as everybody locks.
_OPEN_ACCOUNTS = """
INSERT INTO write.stock (tenant_id, stock_id, location_id, edition_id, version, on_hand, reserved, value_minor)
SELECT $1, wanted.stock_id, wanted.location_id, wanted.edition_id, 0, 0, 0, 0
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS wanted(stock_id, location_id, edition_id)
JOIN write.location l ON l.tenant_id = $1 AND l.location_id = wanted.location_id
JOIN write.edition e ON e.tenant_id = $1 AND e.edition_id = wanted.edition_id
WHERE NOT EXISTS (
    SELECT FROM write.stock s
    WHERE s.tenant_id = $1 AND s.location_id = wanted.location_id AND s.edition_id = wanted.edition_id
)
ORDER BY wanted.location_id, wanted.edition_id
ON CONFLICT (tenant_id, location_id, edition_id) DO NOTHING
"""
# Locks leave the keys alone, so that whoever only refers to a row waits for nobody.
HELD = """
held AS MATERIALIZED (
    SELECT s.stock_id, s.location_id, s.edition_id, s.version, s.on_hand, s.reserved, s.value_minor,
           s.waiting
    FROM write.stock s
    WHERE s.tenant_id = $1 AND s.location_id = ANY($2::uuid[]) AND s.edition_id = ANY($3::uuid[])
    ORDER BY s.location_id, s.edition_id FOR NO KEY UPDATE
)
"""
"""The accounts of the editions $3 at the locations $2, locked; the statement's own parameters begin at $4."""
SEEN = """
held AS MATERIALIZED (
    SELECT s.stock_id, s.location_id, s.edition_id, s.version, s.on_hand, s.reserved, s.value_minor,
           s.waiting
    FROM write.stock s
    WHERE s.tenant_id = $1 AND s.location_id = ANY($2::uuid[]) AND s.edition_id = ANY($3::uuid[])
)
"""
"""The same accounts as they are, locked by nobody."""
# A lock that was waited for shows the row as its holder left it.
_AS_SEEN = """
held AS MATERIALIZED (
    SELECT s.stock_id, s.version
    FROM claimed LEFT JOIN LATERAL (
        SELECT s.stock_id, s.version FROM write.stock s
        WHERE s.tenant_id = $1 AND s.stock_id = ANY($2::uuid[])
        ORDER BY s.location_id, s.edition_id FOR NO KEY UPDATE
    ) AS s ON true
), agreement AS MATERIALIZED (
    SELECT count(*) = cardinality($2::uuid[]) AS is_so
    FROM held JOIN unnest($2::uuid[], $3::int[]) AS seen(stock_id, version) USING (stock_id, version)
)
"""
# What is known comes in a row of its own: beside each account it would grow with the square of the lines.
_LOCK = f"""
WITH {HELD}
SELECT held.stock_id, held.location_id, held.edition_id, held.version, held.on_hand, held.reserved, held.value_minor,
       held.waiting, NULL AS known_locations, NULL AS known_editions
FROM held
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       ARRAY(SELECT l.location_id FROM write.location l WHERE l.tenant_id = $1 AND l.location_id = ANY($2)),
       ARRAY(SELECT e.edition_id FROM write.edition e WHERE e.tenant_id = $1 AND e.edition_id = ANY($3))
"""  # noqa: S608 - constants of this module, no input
_SAVE = f"WITH {SAVE_MOVEMENTS} SELECT"


class Place(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One edition at one location; sorts in the order in which accounts are locked."""

    location_id: UUID
    edition_id: UUID


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """The accounts there are, and which of the asked locations and editions exist."""

    stocks: tuple[Stock, ...]
    locations: frozenset[UUID]
    editions: frozenset[UUID]


async def add_location(
    connection: Connection, tenant_id: UUID, *, location_id: UUID, name: str, kind: str, now: datetime
) -> None:
    """Keep a new location."""
    await connection.execute(_ADD_LOCATION, tenant_id, location_id, name, kind, now)


async def is_location(connection: Connection, tenant_id: UUID, location_id: UUID) -> bool:
    """Whether the store has it."""
    known: bool = await connection.fetchval(_IS_LOCATION, tenant_id, location_id)
    return known


async def open_accounts(connection: Connection, tenant_id: UUID, places: Sequence[Place]) -> None:
    """Begin the accounts that are missing; unknown locations and editions get none."""
    ordered = sorted(set(places))
    await connection.execute(
        _OPEN_ACCOUNTS,
        tenant_id,
        [new_id() for _ in ordered],
        [place.location_id for place in ordered],
        [place.edition_id for place in ordered],
    )


async def lock(connection: Connection, tenant_id: UUID, places: Sequence[Place]) -> Loaded:
    """The accounts of these places, locked until the transaction ends."""
    locations = {place.location_id for place in places}
    editions = {place.edition_id for place in places}
    rows = await connection.fetch(_LOCK, tenant_id, sorted(locations), sorted(editions))
    known = next(row for row in rows if row["stock_id"] is None)
    return Loaded(
        stocks=tuple(stock_of(row) for row in rows if row is not known),
        locations=frozenset(known["known_locations"]),
        editions=frozenset(known["known_editions"]),
    )


def as_seen(tenant_id: UUID, stocks: Sequence[Stock]) -> Saving:
    """Agreement that nobody has moved these accounts since; locks them, in their order."""
    return Saving(
        parts=_AS_SEEN,
        arguments=(tenant_id, [stock.stock_id for stock in stocks], [stock.version for stock in stocks]),
    )


async def save(connection: Connection, tenant_id: UUID, movements: Sequence[Movement]) -> None:
    """Write the accounts as they stand, and how they came to."""
    await connection.execute(_SAVE, *movement_arguments(tenant_id, movements))


def stock_of(row: asyncpg.Record) -> Stock:
    """The account of a row with the columns of `held`."""
    return Stock(
        stock_id=row["stock_id"],
        location_id=row["location_id"],
        edition_id=row["edition_id"],
        version=row["version"],
        on_hand=row["on_hand"],
        reserved=row["reserved"],
        value_minor=row["value_minor"],
        waiting=row["waiting"],
    )
