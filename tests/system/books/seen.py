"""What stands in a store's tables and in the provider's ledger, read past row-level security."""

from collections import defaultdict
from collections.abc import Mapping
from uuid import UUID

import asyncpg
import msgspec

from shared_kernel.database.pool import Connection
from tests.builders.sandbox import ProviderIntent, Sandbox
from tests.system.books.model import Account
from tests.system.books.store import RealStore

_ORDERS = """
SELECT o.order_id, o.status, o.fulfilment_status, o.held_for, s.state AS saga, l.edition_id, l.fulfilled_quantity,
       l.returned_quantity
FROM write.sales_order o JOIN write.order_line l USING (tenant_id, order_id)
LEFT JOIN write.order_saga s USING (tenant_id, order_id)
WHERE tenant_id = $1
"""
_PAYMENTS = """
SELECT p.payment_id, p.order_id, p.status, p.amount_minor AS amount, p.authorized_minor AS authorized,
       p.captured_minor AS captured, p.released_minor AS released, p.refunded_minor AS refunded, p.fee_minor AS fee,
       (SELECT coalesce(jsonb_object_agg(e.account, e.total), '{}')::text FROM (
           SELECT account, sum(amount_minor)::bigint AS total FROM write.payment_entry
           WHERE tenant_id = p.tenant_id AND payment_id = p.payment_id GROUP BY account
       ) e) AS entries,
       ARRAY(SELECT o.kind FROM write.payment_operation o
             WHERE o.tenant_id = p.tenant_id AND o.payment_id = p.payment_id
                 AND o.status IN ('intended', 'stuck') AND o.attempts > 0) AS asked,
       ARRAY(SELECT o.kind FROM write.payment_operation o
             WHERE o.tenant_id = p.tenant_id AND o.payment_id = p.payment_id AND o.status = 'intended') AS doing,
       (SELECT coalesce(sum(o.amount_minor), 0)::bigint FROM write.payment_operation o
        WHERE o.tenant_id = p.tenant_id AND o.payment_id = p.payment_id AND o.kind = 'refund' AND o.status = 'settled'
            AND o.requested_by <> 'order-saga') AS refunded_by_hand
FROM write.payment p WHERE p.tenant_id = $1
"""
# What is there, and what every movement there ever was sums to.
_STOCK = """
SELECT s.location_id, s.edition_id, s.on_hand, s.reserved, m.on_hand AS moved, m.reserved AS moved_reserved
FROM write.stock s CROSS JOIN LATERAL (
    SELECT coalesce(sum(delta), 0) AS on_hand, coalesce(sum(reserved_delta), 0) AS reserved
    FROM write.stock_movement WHERE tenant_id = s.tenant_id AND stock_id = s.stock_id
) m
WHERE s.tenant_id = $1
"""
_HOLDS = "SELECT hold_id, status, allocated FROM write.hold WHERE tenant_id = $1"
_CALLBACKS = "SELECT count(*) FROM write.provider_callback WHERE tenant_id = $1"


class SeenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order and its saga."""

    status: str
    fulfilment: str
    held_for: str | None
    saga: str | None
    sent: Mapping[str, int]
    returned: Mapping[str, int]


class SeenPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment, its books and what the provider is being asked.

    Attributes:
        entries: the ledger's balances.
        asked: what the provider may have done without our knowing.
        doing: what is going to be asked.
        intents: what the provider's own ledger has of it.
    """

    status: str
    amount: int
    authorized: int
    captured: int
    released: int
    refunded: int
    fee: int
    entries: Mapping[str, int]
    asked: tuple[str, ...]
    doing: tuple[str, ...]
    refunded_by_hand: int
    intents: tuple[ProviderIntent, ...]

    @property
    def held(self) -> int:
        """By our books."""
        return self.authorized - self.captured - self.released


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All of a store, orders and holds by id."""

    orders: Mapping[UUID, SeenOrder]
    payments: Mapping[UUID, SeenPayment]
    on_hand: Mapping[Account, int]
    reserved: Mapping[Account, int]
    moved: Mapping[Account, int]
    moved_reserved: Mapping[Account, int]
    holds: Mapping[UUID, tuple[str, int]]
    callbacks: int


async def look(store: RealStore, admin: Connection, sandbox: Sandbox) -> Seen:
    """At this moment, in which nothing else happens."""
    tenant_id = store.paid.write_side.tenant.id
    stock = {
        (store.place_of(row["location_id"]), store.title_of(row["edition_id"])): row
        for row in await admin.fetch(_STOCK, tenant_id)
    }
    return Seen(
        orders=_orders(store, await admin.fetch(_ORDERS, tenant_id)),
        payments=_payments(await admin.fetch(_PAYMENTS, tenant_id), await sandbox.of_store(tenant_id)),
        on_hand={at: row["on_hand"] for at, row in stock.items()},
        reserved={at: row["reserved"] for at, row in stock.items()},
        moved={at: row["moved"] for at, row in stock.items()},
        moved_reserved={at: row["moved_reserved"] for at, row in stock.items()},
        holds={row["hold_id"]: (row["status"], row["allocated"]) for row in await admin.fetch(_HOLDS, tenant_id)},
        callbacks=await admin.fetchval(_CALLBACKS, tenant_id),
    )


def _orders(store: RealStore, rows: list[asyncpg.Record]) -> dict[UUID, SeenOrder]:
    lines: dict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        lines[row["order_id"]].append(row)
    return {
        order_id: SeenOrder(
            status=of_order[0]["status"],
            fulfilment=of_order[0]["fulfilment_status"],
            held_for=of_order[0]["held_for"],
            saga=of_order[0]["saga"],
            sent={store.title_of(row["edition_id"]): row["fulfilled_quantity"] for row in of_order},
            returned={store.title_of(row["edition_id"]): row["returned_quantity"] for row in of_order},
        )
        for order_id, of_order in lines.items()
    }


def _payments(rows: list[asyncpg.Record], intents: list[ProviderIntent]) -> dict[UUID, SeenPayment]:
    by_payment: dict[str, list[ProviderIntent]] = defaultdict(list)
    for intent in intents:
        by_payment[intent.payment_id].append(intent)
    seen = {}
    for row in rows:
        columns = dict(row)
        payment_id, order_id = columns.pop("payment_id"), columns.pop("order_id")
        entries = msgspec.json.decode(columns.pop("entries"), type=dict[str, int])
        of_payment = tuple(by_payment[str(payment_id)])
        asked, doing = tuple(columns.pop("asked")), tuple(columns.pop("doing"))
        seen[order_id] = SeenPayment(**columns, asked=asked, doing=doing, entries=entries, intents=of_payment)
    return seen
