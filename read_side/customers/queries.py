"""Customers as a list and one by one; their names come from the one table that erasing empties, and go to no cache."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from read_side.customers.view import VIEW, CustomerRow
from read_side.query_execution import Answer, Filter, ListQuery, ListSpecification, Record, Snapshot, list_page

Status: TypeAlias = Literal["active", "erased"]

_NAMES = """
SELECT customer_id, name, email, phone FROM personal.customer WHERE tenant_id = $1 AND customer_id = ANY($2::uuid[])
"""
_ONE = """
SELECT customer_id, customer_version, status, marketing_consent, details_version, registered_at
FROM read.customers__v1 WHERE tenant_id = $1 AND build = $2 AND customer_id = $3
"""


class CustomerItem(msgspec.Struct, frozen=True, kw_only=True):
    """A customer. `version` is what `If-Match` takes.

    `name`, `email` and `phone` are null once they were erased, and for a moment after they were registered.
    """

    id: UUID
    version: int
    status: Status
    marketing_consent: bool
    registered_at: datetime
    name: str | None
    email: str | None
    phone: str | None


class CustomerQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One customer."""

    customer_id: UUID


CUSTOMERS: Final = ListSpecification(
    view=VIEW,
    columns=CustomerRow.__struct_fields__,
    sorts={"registered_at": "registered_at"},
    default_sort="-registered_at",
    filters={"status": Filter(column="status", type=Status)},
)


async def customer_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """A page of customers, with their names."""
    records: list[Record] = []
    page = await list_page(snapshot, CUSTOMERS, query, item=records.append)
    data = msgspec.json.encode(await _named(snapshot, records))
    return msgspec.structs.replace(page, data=data, is_personal=True)


async def one_customer(snapshot: Snapshot, query: CustomerQuery) -> Answer | None:
    """One customer, with their name."""
    record = await snapshot.row(_ONE, query.customer_id)
    if record is None:
        return None
    (item,) = await _named(snapshot, [record])
    return Answer(data=msgspec.json.encode(item), row_keys=(str(query.customer_id),), is_personal=True)


async def _named(snapshot: Snapshot, records: Sequence[Record]) -> list[CustomerItem]:
    ids = [record["customer_id"] for record in records]
    named = {row["customer_id"]: row for row in await snapshot.rows_beside(_NAMES, ids)}
    return [_item(record, named.get(record["customer_id"])) for record in records]


def _item(record: Record, named: Record | None) -> CustomerItem:
    return CustomerItem(
        id=record["customer_id"],
        version=record["customer_version"],
        status=record["status"],
        marketing_consent=record["marketing_consent"],
        registered_at=record["registered_at"],
        name=None if named is None else named["name"],
        email=None if named is None else named["email"],
        phone=None if named is None else named["phone"],
    )
