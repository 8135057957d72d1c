"""Orders in the write database. An order is locked before the stock it holds, and stock in its own order."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from shared_kernel.database.pool import Connection
from shared_kernel.events.catalog import Contributor
from shared_kernel.events.orders import OrderedLine
from write_side.command_execution.saving import Saving, alone
from write_side.command_execution.unlocked import Look
from write_side.inventory.ledger import SAVE_MOVEMENTS, Movement, movement_arguments
from write_side.inventory.model import Stock
from write_side.inventory.repository import HELD, SEEN, stock_of
from write_side.orders.model import OfferedEdition, Order, OrderLine
from write_side.tenants.repository import StoreSettings

_OFFERED = """
SELECT t.prices_include_tax, t.tax_rates::text AS tax_rates, l.name AS location_name, wanted.edition_id AS wanted_id,
       e.sku, e.title, e.contributors::text AS contributors, e.publisher, e.list_price_minor, e.tax_class,
       e.discontinued_at,
       held.stock_id, held.location_id, held.edition_id, held.version, held.on_hand, held.reserved, held.value_minor,
       held.waiting
FROM write.tenant t
CROSS JOIN unnest($3::uuid[]) AS wanted(edition_id)
LEFT JOIN write.location l ON l.tenant_id = $1 AND l.location_id = ANY($2)
LEFT JOIN write.edition e ON e.tenant_id = $1 AND e.edition_id = wanted.edition_id
LEFT JOIN held ON held.edition_id = wanted.edition_id
WHERE t.tenant_id = $1
"""
_LOAD_OFFER = f"WITH {HELD} {_OFFERED}"
_SEE_OFFER = f"WITH {SEEN} {_OFFERED}"
_LOCK_ORDER = """
SELECT o.order_id, o.version, o.number, o.location_id, l.name AS location_name, o.channel, o.status,
       o.fulfilment_status, o.currency, o.net_minor, o.tax_minor, o.total_minor, o.source, o.source_reference,
       o.held_for,
       (SELECT p.payment_id FROM write.payment p WHERE p.tenant_id = $1 AND p.order_id = $2) AS payment_id
FROM write.sales_order o JOIN write.location l USING (tenant_id, location_id)
WHERE o.tenant_id = $1 AND o.order_id = $2 FOR NO KEY UPDATE OF o
"""
# A statement of its own, begun once the order is locked: it sees the lines as the last holder of that lock left them.
_LOAD_LINES = """
WITH held AS MATERIALIZED (
    SELECT s.stock_id, s.location_id, s.edition_id, s.version, s.on_hand, s.reserved, s.value_minor,
           s.waiting
    FROM write.stock s
    WHERE s.tenant_id = $1 AND s.location_id = ANY($3::uuid[])
      AND s.edition_id = ANY(ARRAY(SELECT l.edition_id FROM write.order_line l
                                   WHERE l.tenant_id = $1 AND l.order_id = $2))
    ORDER BY s.location_id, s.edition_id FOR NO KEY UPDATE
)
SELECT l.line_id, l.edition_id AS line_edition_id, l.sku, l.title, l.authors::text AS authors, l.publisher, l.quantity,
       l.fulfilled_quantity, l.returned_quantity, l.unit_price_minor, l.discount_minor, l.net_minor, l.tax_minor,
       l.total_minor, l.cost_minor, l.tax_rate_basis_points,
       held.stock_id, held.location_id, held.edition_id, held.version, held.on_hand, held.reserved, held.value_minor,
       held.waiting
FROM write.order_line l LEFT JOIN held USING (edition_id)
WHERE l.tenant_id = $1 AND l.order_id = $2
ORDER BY l.place
"""
# Rows come as JSON, whose members have names: thirty arrays of three values each take the driver longer to encode.
_ADDING = f"""
{SAVE_MOVEMENTS}, added AS (
    INSERT INTO write.sales_order (tenant_id, order_id, version, number, location_id, channel, status,
                                   fulfilment_status, currency, net_minor, tax_minor, total_minor, source,
                                   source_reference, placed_at, held_for)
    SELECT $1, o.*
    FROM json_to_recordset($12::json)
        AS o(order_id uuid, version int, number text, location_id uuid, channel text, status text,
             fulfilment_status text, currency text, net_minor bigint, tax_minor bigint, total_minor bigint, source text,
             source_reference text, placed_at timestamptz, held_for text)
), added_line AS (
    INSERT INTO write.order_line (tenant_id, order_id, line_id, place, edition_id, sku, title, authors, quantity,
                                  fulfilled_quantity, returned_quantity, unit_price_minor, discount_minor, net_minor,
                                  tax_minor, total_minor, cost_minor, tax_rate_basis_points, publisher)
    SELECT $1, l.*
    FROM json_to_recordset($13::json)
        AS l(order_id uuid, line_id uuid, place int, edition_id uuid, sku text, title text, authors jsonb, quantity int,
             fulfilled_quantity int, returned_quantity int, unit_price_minor bigint, discount_minor bigint,
             net_minor bigint, tax_minor bigint, total_minor bigint, cost_minor bigint, tax_rate_basis_points int,
             publisher text)
)
"""  # noqa: S608 - constants of this module, no input
_SAVE = f"""
WITH {SAVE_MOVEMENTS}, changed AS (
    UPDATE write.sales_order SET version = $13, status = $14, fulfilment_status = $15, held_for = $18
    WHERE tenant_id = $1 AND order_id = $12
)
UPDATE write.order_line l SET fulfilled_quantity = s.fulfilled
FROM unnest($16::uuid[], $17::int[]) AS s(line_id, fulfilled)
WHERE l.tenant_id = $1 AND l.order_id = $12 AND l.line_id = s.line_id AND l.fulfilled_quantity <> s.fulfilled
"""  # noqa: S608 - the same
_ORDER_COLUMNS = (
    "order_id",
    "version",
    "number",
    "location_id",
    "channel",
    "status",
    "fulfilment_status",
    "currency",
    "net_minor",
    "tax_minor",
    "total_minor",
    "source",
    "source_reference",
    "held_for",
)
"""What a row and an order call alike."""
_encoder = msgspec.json.Encoder()


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a location can sell of the editions asked for: those that exist, and their accounts where there are."""

    settings: StoreSettings
    location_name: str | None
    editions: dict[UUID, OfferedEdition]
    stocks: tuple[Stock, ...]


async def load_offer(connection: Connection, tenant_id: UUID, *, location_id: UUID, editions: set[UUID]) -> Offer:
    """Location, settings, editions and stock (locked), in one round trip."""
    return offer_of(await connection.fetch(_LOAD_OFFER, tenant_id, [location_id], sorted(editions)))


def seeing_offer(*, location_id: UUID, editions: set[UUID]) -> Look:
    """The same without locks, for whoever compares later."""
    return Look(statement=_SEE_OFFER, arguments=([location_id], sorted(editions)))


def offer_of(rows: Sequence[asyncpg.Record]) -> Offer:
    """What either way of asking has found."""
    return Offer(
        settings=StoreSettings.from_row(rows[0]),
        location_name=rows[0]["location_name"],
        editions={row["wanted_id"]: _offered(row) for row in rows if row["sku"] is not None},
        stocks=tuple(stock_of(row) for row in rows if row["stock_id"] is not None),
    )


async def lock_order(connection: Connection, tenant_id: UUID, order_id: UUID) -> Order | None:
    """The order without its lines, locked until the transaction ends."""
    row = await connection.fetchrow(_LOCK_ORDER, tenant_id, order_id)
    return Order(**dict(row), lines=()) if row else None


async def load_lines(
    connection: Connection, tenant_id: UUID, order: Order, *, at: Collection[UUID]
) -> tuple[Order, tuple[Stock, ...]]:
    """The locked order with its lines, and the accounts of their editions at these locations, locked too."""
    rows = await connection.fetch(_LOAD_LINES, tenant_id, order.order_id, sorted(at))
    stocks = {row["stock_id"]: stock_of(row) for row in rows if row["stock_id"] is not None}
    lines = {row["line_id"]: row for row in rows}  # once for each account of its edition, in the lines' order
    return msgspec.structs.replace(order, lines=tuple(_line(row) for row in lines.values())), tuple(stocks.values())


async def add(
    connection: Connection,
    tenant_id: UUID,
    orders: Sequence[Order],
    *,
    placed_at: Sequence[datetime],
    movements: Sequence[Movement],
) -> None:
    """Keep new orders with their lines, and move the stock they move."""
    saving = adding(tenant_id, orders, placed_at=placed_at, movements=movements)
    await connection.execute(alone(saving.parts), *saving.arguments)


def adding(
    tenant_id: UUID, orders: Sequence[Order], *, placed_at: Sequence[datetime], movements: Sequence[Movement]
) -> Saving:
    """The same rows, for whoever writes them together with others."""
    return Saving(
        parts=_ADDING,
        arguments=(
            *movement_arguments(tenant_id, movements),
            _encoder.encode([_order_row(order, at) for order, at in zip(orders, placed_at, strict=True)]).decode(),
            _encoder.encode(
                [_line_row(order, place, line) for order in orders for place, line in enumerate(order.lines)]
            ).decode(),
        ),
    )


async def save(connection: Connection, tenant_id: UUID, order: Order, movements: Sequence[Movement]) -> None:
    """Keep what fulfilling and cancelling change of an order that is locked, and move the stock it moves."""
    await connection.execute(
        _SAVE,
        *movement_arguments(tenant_id, movements),
        order.order_id,
        order.version,
        order.status,
        order.fulfilment_status,
        [line.ordered.line_id for line in order.lines],
        [line.fulfilled_quantity for line in order.lines],
        order.held_for,
    )


def _order_row(order: Order, placed_at: datetime) -> dict[str, object]:
    return {**{name: getattr(order, name) for name in _ORDER_COLUMNS}, "placed_at": placed_at}


def _line_row(order: Order, place: int, line: OrderLine) -> dict[str, object]:
    return {
        **msgspec.structs.asdict(line.ordered),
        "order_id": order.order_id,
        "place": place,
        "fulfilled_quantity": line.fulfilled_quantity,
        "returned_quantity": 0,
    }


def _offered(row: asyncpg.Record) -> OfferedEdition:
    contributors = msgspec.json.decode(row["contributors"], type=tuple[Contributor, ...])
    return OfferedEdition(
        edition_id=row["wanted_id"],
        sku=row["sku"],
        title=row["title"],
        authors=tuple(contributor.name for contributor in contributors if contributor.role == "author"),
        publisher=row["publisher"],
        list_price_minor=row["list_price_minor"],
        tax_class=row["tax_class"],
        is_discontinued=row["discontinued_at"] is not None,
    )


def _line(row: asyncpg.Record) -> OrderLine:
    ordered = OrderedLine(
        line_id=row["line_id"],
        edition_id=row["line_edition_id"],
        sku=row["sku"],
        title=row["title"],
        authors=msgspec.json.decode(row["authors"], type=tuple[str, ...]),
        publisher=row["publisher"],
        quantity=row["quantity"],
        unit_price_minor=row["unit_price_minor"],
        discount_minor=row["discount_minor"],
        net_minor=row["net_minor"],
        tax_minor=row["tax_minor"],
        total_minor=row["total_minor"],
        cost_minor=row["cost_minor"],
        tax_rate_basis_points=row["tax_rate_basis_points"],
    )
    return OrderLine(
        ordered=ordered, fulfilled_quantity=row["fulfilled_quantity"], returned_quantity=row["returned_quantity"]
    )
