"""The duty that tells the read database who customers are, and when nobody knows any more.

Events carry ids only, so no fold can show a name. Whoever changes a customer leaves a row here in the same transaction;
it goes once the read database has what it asks for, and a last event says so, so that stored answers end.
"""

from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection, Pool
from shared_kernel.events.customers import CustomerDetailsShown
from write_side.reactions.post import Post
from write_side.reactions.reaction import Duty

_SWEEP_SECONDS: Final = 1.0
_AT_A_TIME: Final = 200

_WAITING = """
SELECT w.tenant_id, w.customer_id, c.version, p.name, p.email, p.phone
FROM write.person_to_show w
JOIN log.tenant_head h ON h.tenant_id = w.tenant_id
JOIN write.customer c ON (c.tenant_id, c.customer_id) = (w.tenant_id, w.customer_id)
LEFT JOIN write.customer_person p ON (p.tenant_id, p.customer_id) = (w.tenant_id, w.customer_id)
WHERE h.shard = $1 LIMIT $2
"""
_SHOW = """
INSERT INTO personal.customer (tenant_id, customer_id, version, name, email, phone)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[])
ON CONFLICT (tenant_id, customer_id) DO UPDATE
SET version = excluded.version, name = excluded.name, email = excluded.email, phone = excluded.phone
WHERE customer.version < excluded.version
"""
_SHOWN = """
DELETE FROM write.person_to_show WHERE tenant_id = $1 AND customer_id = $2 AND version <= $3 RETURNING customer_id
"""


class ShowingPoint(StrEnum):
    """The places between two steps of showing somebody where a worker may die."""

    SHOWN = "customer_shown"
    FORGOTTEN = "customer_forgotten"


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """Who a customer is at a version; nobody, once erased."""

    tenant_id: UUID
    customer_id: UUID
    version: int
    name: str | None
    email: str | None
    phone: str | None


class Showing:
    """Shows customers of every shard of a worker."""

    def __init__(self, read_pool: Pool) -> None:
        self._read_pool = read_pool

    @property
    def duty(self) -> Duty:
        """For a worker to perform."""
        return Duty(name="customer_details", run=self.run)

    async def run(self, post: Post) -> None:
        """Show whoever waits, until cancelled."""
        while True:
            async with post.crossing() as connection:
                waiting = await _waiting(connection, post.shard)
            if waiting:
                await self._show(waiting)
                post.reach(ShowingPoint.SHOWN)
                for one in waiting:
                    await _forget(post, one)
                    post.reach(ShowingPoint.FORGOTTEN)
            if len(waiting) < _AT_A_TIME:
                await post.news(within_seconds=_SWEEP_SECONDS)

    async def _show(self, waiting: list[Details]) -> None:
        # One statement, so a transaction of its own; a version that is there already is left alone.
        columns = zip(*(msgspec.structs.astuple(one) for one in waiting), strict=True)
        await self._read_pool.execute(_SHOW, *(list(column) for column in columns))


async def _waiting(connection: Connection, shard: int) -> list[Details]:
    return [Details(**dict(row)) for row in await connection.fetch(_WAITING, shard, _AT_A_TIME)]


async def _forget(post: Post, one: Details) -> None:
    async with post.working(one.tenant_id) as work:
        if await work.connection.fetchval(_SHOWN, one.tenant_id, one.customer_id, one.version) is not None:
            event = CustomerDetailsShown(customer_id=one.customer_id, details_version=one.version)
            work.record(event, stream_id=work.new_id(), stream_version=1)
