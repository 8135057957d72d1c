"""Payments as a list, the latest first."""

from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from read_side.payments.view import VIEW
from read_side.query_execution import RANGE, Answer, Filter, ListQuery, ListSpecification, Record, Snapshot, list_page
from shared_kernel.money import Money

Status: TypeAlias = Literal["requested", "authorized", "declined", "abandoned", "captured", "voided", "refunded"]


class PaymentItem(msgspec.Struct, frozen=True, kw_only=True):
    """A payment: asked for, held, taken, given back, and what the provider kept. `version` is what `If-Match` takes."""

    id: UUID
    version: int
    order_id: UUID
    status: Status
    amount: Money
    authorized: Money
    captured: Money
    refunded: Money
    fee: Money
    reason: str | None
    requested_at: datetime
    changed_at: datetime


PAYMENTS: Final = ListSpecification(
    view=VIEW,
    columns=(
        "payment_id",
        "payment_version",
        "order_id",
        "status",
        "currency",
        "amount_minor",
        "authorized_minor",
        "captured_minor",
        "refunded_minor",
        "fee_minor",
        "reason",
        "requested_at",
        "changed_at",
    ),
    sorts={"requested_at": "requested_at", "amount": "amount_minor"},
    default_sort="-requested_at",
    filters={
        "status": Filter(column="status", type=Status),
        "order_id": Filter(column="order_id"),
        "requested_at": Filter(column="requested_at", operators=RANGE),
        "amount": Filter(column="amount_minor", operators=RANGE),
    },
)


async def payment_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """A page of payments."""
    return await list_page(snapshot, PAYMENTS, query, item=_item)


def _item(record: Record) -> PaymentItem:
    def money(column: str) -> Money:
        return Money(amount_minor=record[column], currency=record["currency"])

    return PaymentItem(
        id=record["payment_id"],
        version=record["payment_version"],
        order_id=record["order_id"],
        status=record["status"],
        amount=money("amount_minor"),
        authorized=money("authorized_minor"),
        captured=money("captured_minor"),
        refunded=money("refunded_minor"),
        fee=money("fee_minor"),
        reason=record["reason"],
        requested_at=record["requested_at"],
        changed_at=record["changed_at"],
    )
