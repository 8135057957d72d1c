"""Returns in the write database; they are history and never change."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared_kernel.database.pool import Connection
from shared_kernel.events.orders import GoodsReturned
from write_side.inventory.ledger import SAVE_MOVEMENTS, Movement, movement_arguments
from write_side.orders.model import Order

_ADD = f"""
WITH {SAVE_MOVEMENTS}, added AS (
    INSERT INTO write.goods_return (tenant_id, return_id, order_id, location_id, channel, currency, net_minor,
                                    tax_minor, total_minor, source, source_reference, returned_at)
    SELECT $1, r.*
    FROM unnest($12::uuid[], $13::uuid[], $14::uuid[], $15::text[], $16::text[], $17::bigint[], $18::bigint[],
                $19::bigint[], $20::text[], $21::text[], $22::timestamptz[]) AS r
), changed_order AS (
    UPDATE write.sales_order SET status = $36 WHERE tenant_id = $1 AND order_id = $35
), changed_line AS (
    UPDATE write.order_line l SET returned_quantity = c.returned
    FROM unnest($37::uuid[], $38::int[]) AS c(line_id, returned)
    WHERE l.tenant_id = $1 AND l.order_id = $35 AND l.line_id = c.line_id AND l.returned_quantity <> c.returned
)
INSERT INTO write.return_line (tenant_id, return_id, line_id, place, edition_id, quantity, unit_price_minor, net_minor,
                               tax_minor, total_minor, cost_minor, tax_rate_basis_points, disposition)
SELECT $1, l.*
FROM unnest($23::uuid[], $24::uuid[], $25::int[], $26::uuid[], $27::int[], $28::bigint[], $29::bigint[], $30::bigint[],
            $31::bigint[], $32::bigint[], $33::int[], $34::text[]) AS l
"""  # noqa: S608 - constants of this module, no input
# Two imports of one source would meet on the unique keys of its references, and only after all their work.
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text || $2::text, 1))"
_IMPORTED = """
SELECT 'order' AS kind, source_reference FROM write.sales_order
WHERE tenant_id = $1 AND source = $2 AND source_reference = ANY($3::text[])
UNION ALL
SELECT 'return', source_reference FROM write.goods_return
WHERE tenant_id = $1 AND source = $2 AND source_reference = ANY($3::text[])
"""


async def take_turns(connection: Connection, tenant_id: UUID, source: str) -> None:
    """Wait until no other command imports from this source, and keep others waiting until the transaction ends."""
    await connection.execute(_TAKE_TURNS, tenant_id, source)


async def imported_references(
    connection: Connection, tenant_id: UUID, source: str, references: Sequence[str]
) -> set[tuple[str, str]]:
    """Which of a source's orders and returns are there already, as kind and reference."""
    rows = await connection.fetch(_IMPORTED, tenant_id, source, list(references))
    return {(row["kind"], row["source_reference"]) for row in rows}


async def add(
    connection: Connection,
    tenant_id: UUID,
    returns: Sequence[GoodsReturned],
    *,
    references: Sequence[str | None],
    returned_at: Sequence[datetime],
    movements: Sequence[Movement],
    order: Order | None = None,
) -> None:
    """Keep returns with their lines, and move the stock they move.

    Args:
        references: what their source calls them; None where there is no source.
        order: the locked one they are of, as they leave it.
    """
    lines = order.lines if order else ()
    await connection.execute(
        _ADD,
        *movement_arguments(tenant_id, movements),
        [event.return_id for event in returns],
        [event.order_id for event in returns],
        [event.location_id for event in returns],
        [event.channel for event in returns],
        [event.currency for event in returns],
        [event.net_minor for event in returns],
        [event.tax_minor for event in returns],
        [event.total_minor for event in returns],
        [event.source for event in returns],
        list(references),
        list(returned_at),
        *_line_columns(returns),
        order and order.order_id,
        order and order.status,
        [line.ordered.line_id for line in lines],
        [line.returned_quantity for line in lines],
    )


def _line_columns(returns: Sequence[GoodsReturned]) -> tuple[object, ...]:
    lines = [(event.return_id, place, line) for event in returns for place, line in enumerate(event.lines)]
    return (
        [return_id for return_id, _, _ in lines],
        [line.line_id for _, _, line in lines],
        [place for _, place, _ in lines],
        [line.edition_id for _, _, line in lines],
        [line.quantity for _, _, line in lines],
        [line.unit_price_minor for _, _, line in lines],
        [line.net_minor for _, _, line in lines],
        [line.tax_minor for _, _, line in lines],
        [line.total_minor for _, _, line in lines],
        [line.cost_minor for _, _, line in lines],
        [line.tax_rate_basis_points for _, _, line in lines],
        [line.disposition for _, _, line in lines],
    )
