"""A shop's history into a store: orders, returns, what is neither, and each exactly once."""

import csv
from pathlib import Path

import pytest

from operations.errors import CommandFailed
from operations.importing.orders import OrdersImport, import_order_history
from operations.importing.readers.online_retail import REQUIRED_COLUMNS
from operations.importing.report import Account, ImportReport
from operations.in_house import InHouse
from shared_kernel.money import Money
from shared_kernel.tenancy import Tenant
from tests.operations.installed import events_of, head_of, opened_house
from tests.servers import Servers
from write_side.catalog.bulk import editions_by_popularity, import_editions
from write_side.catalog.commands import CreateEdition

# 85048 sells 12 - 2 = 10, 22041 sells 4, 21232 sells 3: three goods, in this order; and a line of postage.
_LINES = (
    ("489434", "85048", "12", "2009-12-01 07:45:00", "6.95"),
    ("489434", "POST", "1", "2009-12-01 07:45:00", "18.00"),
    ("489435", "22041", "4", "2009-12-01 09:06:00", "2.10"),
    ("489435", "21232", "3", "2009-12-01 09:06:00", "1.25"),
    ("C489449", "85048", "-2", "2009-12-02 10:33:00", "6.95"),
)


def _file(folder: Path) -> Path:
    path = folder / "retail.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [(number, code, "", quantity, at, price) for number, code, quantity, at, price in _LINES]
        csv.writer(file).writerows([REQUIRED_COLUMNS, *rows])
    return path


async def _stock_catalogue(house: InHouse, tenant: Tenant, *, editions: int) -> None:
    books = [
        CreateEdition(
            title=f"Book {number}",
            contributors=(),
            format="paperback",
            list_price=Money(amount_minor=500, currency="GBP"),
            sku=f"BOOK-{number}",
            popularity=100 - number,
        )
        for number in range(editions)
    ]
    await import_editions(house.execution, tenant, books, actor="test")


async def _import(house: InHouse, tenant: Tenant, wanted: OrdersImport) -> ImportReport:
    account = Account()
    await import_order_history(house, tenant, wanted, account=account)
    return account.report()


async def test_goods_become_orders_and_returns_on_their_own_dates(servers: Servers, tmp_path: Path) -> None:
    """What is not goods is counted by kind; the k-th seller is the k-th best known edition; days are the store's."""
    async with opened_house(servers, tmp_path) as (house, tenant):
        await _stock_catalogue(house, tenant, editions=3)
        report = await _import(house, tenant, OrdersImport(path=_file(tmp_path)))
        assert (report.rows, report.accepted, report.rejected, report.skipped) == (5, 4, 0, {"postage": 1})
        rows = await house.operator_pool.fetch(
            "SELECT type, payload->'lines'->0->>'edition_id' AS edition, payload->>'total_minor' AS total,"
            " metadata->'store_time'->>'date' AS day FROM log.event"
            " WHERE tenant_id = $1 AND type IN ('OrderPlaced', 'GoodsReturned') ORDER BY position",
            tenant.id,
        )
        best, second, _ = map(str, await editions_by_popularity(house.write_pool, tenant, limit=3))
        assert [tuple(row) for row in rows] == [
            ("OrderPlaced", best, "8340", "2009-12-01"),
            ("OrderPlaced", second, "1215", "2009-12-01"),
            ("GoodsReturned", best, "1390", "2009-12-02"),
        ]
        assert (await events_of(house, tenant))["OrderFulfilled"] == 2


async def test_resuming_and_repeating_change_nothing(servers: Servers, tmp_path: Path) -> None:
    """A first part, then all, then all again: every invoice once."""
    path = _file(tmp_path)
    async with opened_house(servers, tmp_path) as (house, tenant):
        await _stock_catalogue(house, tenant, editions=3)
        part = await _import(house, tenant, OrdersImport(path=path, limit=1))
        assert (part.rows, part.accepted) == (2, 1)
        rest = await _import(house, tenant, OrdersImport(path=path))
        assert (rest.rows, rest.accepted, rest.skipped) == (5, 3, {"already_imported": 1, "postage": 1})
        head = await head_of(house, tenant)
        again = await _import(house, tenant, OrdersImport(path=path))
        assert (again.accepted, again.skipped) == (0, {"already_imported": 4, "postage": 1})
        assert await head_of(house, tenant) == head


async def test_stock_is_received_once_and_taken(servers: Servers, tmp_path: Path) -> None:
    """What is sold is received first, left by the orders, and comes back with returns; no more is received again."""
    path = _file(tmp_path)
    async with opened_house(servers, tmp_path) as (house, tenant):
        await _stock_catalogue(house, tenant, editions=3)
        await _import(house, tenant, OrdersImport(path=path, limit=1, receive_stock=True))
        await _import(house, tenant, OrdersImport(path=path, receive_stock=True))
        head = await head_of(house, tenant)
        await _import(house, tenant, OrdersImport(path=path, receive_stock=True))
        assert await head_of(house, tenant) == head
        received = await house.operator_pool.fetchval(
            "SELECT sum((payload->>'delta')::int) FROM log.event WHERE tenant_id = $1 AND type = 'StockReceived'",
            tenant.id,
        )
        assert received == 12 + 4 + 3
        on_hand = await house.operator_pool.fetch(
            "SELECT DISTINCT ON (stream_id) (payload->>'on_hand')::int AS on_hand FROM log.event"
            " WHERE tenant_id = $1 AND stream_type = 'stock' ORDER BY stream_id, stream_version DESC",
            tenant.id,
        )
        assert sorted(row["on_hand"] for row in on_hand) == [0, 0, 2]


async def test_too_small_a_catalogue_is_refused_before_anything(servers: Servers, tmp_path: Path) -> None:
    """A good without an edition to stand for it would be dropped silently."""
    async with opened_house(servers, tmp_path) as (house, tenant):
        await _stock_catalogue(house, tenant, editions=2)
        head = await head_of(house, tenant)
        with pytest.raises(CommandFailed, match="3 goods and the store 'harbour' only 2 editions"):
            await _import(house, tenant, OrdersImport(path=_file(tmp_path)))
        assert await head_of(house, tenant) == head
