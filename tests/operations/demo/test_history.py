"""The demo's past, taken in once."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

from operations.demo.history import fill_with_history
from operations.demo.keys import KEYS_FILE, key_of
from operations.demo.orders import demo_orders
from operations.store_facts import open_location
from shared_kernel.database.transactions import transaction
from shared_kernel.money import Money
from tests.operations.installed import events_of, head_of, opened_house
from tests.servers import Servers
from write_side.catalog.bulk import editions_by_popularity, import_editions
from write_side.catalog.commands import CreateEdition
from write_side.inventory.commands import OpenLocation
from write_side.tenants.administration import revoke_key

_TODAY = dt.date(2026, 3, 1)


async def test_the_same_history_is_taken_in_once(servers: Servers, tmp_path: Path) -> None:
    """As many orders as were handed over by then, none of them today; a second filling adds nothing."""
    async with opened_house(servers, tmp_path) as (house, tenant):
        book = CreateEdition(
            title="Emma",
            contributors=(),
            format="paperback",
            list_price=Money(amount_minor=799, currency="GBP"),
            sku="EMMA",
        )
        await import_editions(house.execution, tenant, [book], actor="test")
        (edition,) = await editions_by_popularity(house.write_pool, tenant, limit=1)
        shop = await open_location(house.execution, tenant, OpenLocation(name="Shop", kind="shop"), actor="test")
        await fill_with_history(house, tenant, shop, editions={edition: 799}, today=_TODAY, seed=7)
        free = "SELECT on_hand - reserved FROM write.stock WHERE tenant_id = $1"
        assert await house.write_pool.fetchval(free, tenant.id) is None, "nobody sees stock without naming a store"
        async with transaction(house.write_pool, tenant_id=tenant.id) as connection:
            assert await connection.fetchval(free, tenant.id) >= 12
        events, head = await events_of(house, tenant), await head_of(house, tenant)
        await fill_with_history(house, tenant, shop, editions={edition: 799}, today=_TODAY, seed=7)
        assert await head_of(house, tenant) == head
        expected = [
            order
            for order in demo_orders(editions=[str(edition)], today=_TODAY, timezone=ZoneInfo("Europe/London"), seed=7)
            if order.fulfilled_at is not None
        ]
        assert events["OrderPlaced"] == events["OrderFulfilled"] == len(expected) > 1_000
        assert events["GoodsReturned"] == sum(order.returned is not None for order in expected)
        last = await house.operator_pool.fetchval(
            "SELECT max(metadata->'store_time'->>'date') FROM log.event WHERE tenant_id = $1 AND type = 'OrderPlaced'",
            tenant.id,
        )
        assert last < _TODAY.isoformat()


async def test_a_key_is_kept_for_the_next_time(servers: Servers, tmp_path: Path) -> None:
    """The same key while it opens the store, another when it is revoked; in a file that only its owner reads."""
    async with opened_house(servers, tmp_path) as (house, tenant):
        first = await key_of(house, tenant, tmp_path)
        assert await key_of(house, tenant, tmp_path) == first
        assert (tmp_path / KEYS_FILE).stat().st_mode & 0o777 == 0o600
        key_id = await house.operator_pool.fetchval("SELECT key_id FROM access.api_key WHERE tenant_id = $1", tenant.id)
        await revoke_key(house.execution, tenant, key_id, revocations=house.revocations, actor="test")
        assert await key_of(house, tenant, tmp_path) != first
