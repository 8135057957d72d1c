"""The store, with the asker's role."""

from typing import Final
from uuid import UUID

import msgspec

from read_side.query_execution import Answer, Snapshot
from read_side.store.view import VIEW
from shared_kernel.access.roles import Role
from shared_kernel.views import encode_key

_STORE: Final = f"""
SELECT store_id, name, slug, currency, timezone, prices_include_tax, tax_rates
FROM {VIEW.table.schema}.{VIEW.table.name} WHERE tenant_id = $1 AND build = $2 AND store_id = $1
"""  # noqa: S608 - the name of a Table
_tax_rates = msgspec.json.Decoder(dict[str, int])


class StoreQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The role is part of the question: each has its own stored answer, and nobody is told another's."""

    role: Role


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """The store as every front-end needs it first; tax rates are basis points by tax class."""

    id: UUID
    name: str
    slug: str
    currency: str
    timezone: str
    prices_include_tax: bool
    tax_rates: dict[str, int]
    role: Role


async def own_store(snapshot: Snapshot, query: StoreQuery) -> Answer | None:
    """The tenant's one row, and who asks."""
    record = await snapshot.row_by_index(_STORE)
    if record is None:
        return None
    store = Store(
        id=record["store_id"],
        name=record["name"],
        slug=record["slug"],
        currency=record["currency"],
        timezone=record["timezone"],
        prices_include_tax=record["prices_include_tax"],
        tax_rates=_tax_rates.decode(record["tax_rates"]),
        role=query.role,
    )
    return Answer(data=msgspec.json.encode(store), row_keys=(encode_key((record["store_id"],)),))
