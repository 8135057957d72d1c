"""Store, locations, catalogue, search and stock, over HTTP."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

import read_side
from projections import edition_catalogue, edition_search, locations, stock_levels, stock_movements
from read_side.routes import ROUTES
from shared_kernel.access.roles import Role
from shared_kernel.events.inventory import LocationOpened, StockAdjusted
from tests.builders.catalogue_events import (
    SHOP_ID,
    WAREHOUSE_ID,
    authors,
    edition_created,
    edition_discontinued,
    edition_priced,
    edition_revised,
    stock_received,
)
from tests.builders.order_log import NOON
from tests.builders.read_api import OpenStore, bearer, open_read_api, opened_store
from tests.servers import Servers

PROJECTIONS = [
    module.PROJECTION for module in (locations, edition_catalogue, edition_search, stock_levels, stock_movements)
]
PRIDE, EMMA, GONE = UUID(int=501), UUID(int=502), UUID(int=503)
PATHS = [
    "/locations",
    "/editions",
    "/editions?q=austen",
    f"/editions/{PRIDE}",
    "/stock",
    f"/stock/{PRIDE}",
    "/stock/low",
    "/stock/movements",
    "/stock/valuation",
    "/store",
]


def _fill(one: OpenStore) -> None:
    log = one.log
    log.append(LocationOpened(location_id=SHOP_ID, name="High Street", kind="shop"), SHOP_ID)
    log.append(LocationOpened(location_id=WAREHOUSE_ID, name="Barn", kind="warehouse"), WAREHOUSE_ID)
    log.append(edition_created(edition_id=PRIDE), PRIDE)
    emma = edition_created(
        edition_id=EMMA, title="Emmeline", isbn13=None, sku="AUS-002", list_price_minor=650, published_on="1815"
    )
    log.append(emma, EMMA)
    log.append(edition_revised(emma, title="Emma"), EMMA)
    log.append(edition_priced(700, edition_id=EMMA), EMMA)
    gone = edition_created(
        edition_id=GONE, title="Évelina", isbn13=None, sku="BUR-001", contributors=authors("Frances Burney")
    )
    log.append(gone, GONE)
    log.append(edition_discontinued(edition_id=GONE), GONE)
    received = stock_received(edition_id=PRIDE, location_id=WAREHOUSE_ID, on_hand=20, delta=20, value_minor=8000)
    log.append(received, UUID(int=601))
    log.append(stock_received(edition_id=PRIDE, on_hand=3, reserved=1, value_minor=1200), UUID(int=602))
    log.append(stock_received(edition_id=EMMA, on_hand=2, delta=2, value_minor=500), UUID(int=603))
    adjusted = StockAdjusted(
        edition_id=EMMA,
        location_id=SHOP_ID,
        delta=-1,
        reserved_delta=0,
        on_hand=1,
        reserved=0,
        value_minor=250,
        reason="water",
    )
    log.append(adjusted, UUID(int=603), at=NOON + timedelta(days=1))


@asynccontextmanager
async def _api(servers: Servers) -> AsyncIterator[tuple[httpx.AsyncClient, OpenStore, OpenStore]]:
    """A store with three editions and some stock, and one that has none."""
    busy, idle = opened_store("busy", servers.secret_key), opened_store("idle", servers.secret_key)
    _fill(busy)
    async with open_read_api(servers, [busy, idle], projections=PROJECTIONS, routes=ROUTES, now=NOON) as client:
        yield client, busy, idle


async def _data(client: httpx.AsyncClient, path: str, one: OpenStore, **parameters: Any) -> Any:  # noqa: ANN401 - JSON
    response = await client.get(path, params=parameters or None, headers=bearer(one))
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_the_store_tells_its_facts_and_the_asker_s_role(servers: Servers) -> None:
    """Each asker's own, also the second time, from the cache."""
    async with _api(servers) as (client, busy, _):
        for _again in range(2):
            for role in (Role.OWNER, Role.CLERK):
                answer = await client.get("/store", headers=bearer(busy, role))
                assert answer.json()["data"] == {
                    "id": f"{busy.log.tenant_id}",
                    "name": "busy",
                    "slug": "busy",
                    "currency": "GBP",
                    "timezone": "Europe/London",
                    "prices_include_tax": True,
                    "tax_rates": {"zero": 0},
                    "role": role,
                }


async def test_locations_are_listed_by_name(servers: Servers) -> None:
    """And by kind, if asked."""
    async with _api(servers) as (client, busy, _):
        assert await _data(client, "/locations", busy) == [
            {"id": f"{WAREHOUSE_ID}", "name": "Barn", "kind": "warehouse", "version": 1},
            {"id": f"{SHOP_ID}", "name": "High Street", "kind": "shop", "version": 1},
        ]
        assert [row["name"] for row in await _data(client, "/locations", busy, kind="shop")] == ["High Street"]


async def test_an_edition_is_the_same_alone_in_the_list_and_in_the_search(servers: Servers) -> None:
    """Its price is the last one, its title the revised one."""
    async with _api(servers) as (client, busy, _):
        alone = await _data(client, f"/editions/{EMMA}", busy)
        listed = await _data(client, "/editions", busy, sku="AUS-002")
        found = await _data(client, "/editions", busy, q="emma")

        assert listed == found == [alone]
        assert (alone["title"], alone["list_price"], alone["version"]) == (
            "Emma",
            {"amount_minor": 700, "currency": "GBP"},
            3,
        )
        assert await _data(client, "/editions", busy, q="emmeline") == []
        assert [one["title"] for one in await _data(client, "/editions", busy, q="Évelina")] == ["Évelina"]


@pytest.mark.parametrize(
    ("parameters", "titles"),
    [
        ({}, ["Emma", "Évelina", "Pride and Prejudice"]),
        ({"sort": "-title"}, ["Pride and Prejudice", "Évelina", "Emma"]),
        ({"sort": "published_on", "status": "active"}, ["Pride and Prejudice", "Emma"]),
        ({"sort": "list_price"}, ["Emma", "Pride and Prejudice", "Évelina"]),
        ({"status": "discontinued"}, ["Évelina"]),
        ({"list_price[lt]": "799"}, ["Emma"]),
        ({"isbn13": "9780141439518"}, ["Pride and Prejudice"]),
        ({"publisher": "Nobody"}, []),
    ],
)
async def test_the_catalogue_is_sorted_and_filtered(
    servers: Servers, parameters: dict[str, str], titles: list[str]
) -> None:
    """As the request says; by title unless it does."""
    async with _api(servers) as (client, busy, _):
        assert [row["title"] for row in await _data(client, "/editions", busy, **parameters)] == titles


async def test_the_catalogue_and_the_search_have_pages(servers: Servers) -> None:
    """A row at a time, the whole list comes by."""
    async with _api(servers) as (client, busy, _):
        for asked in ({"limit": "1"}, {"limit": "1", "q": "austen"}):
            titles, following = [], client.build_request("GET", "/editions", params=asked).url
            for _page in range(3):
                answer = await client.get(following, headers=bearer(busy))
                titles += [row["title"] for row in answer.json()["data"]]
                if not answer.json()["meta"]["has_more"]:
                    break
                following = following.copy_with(path=None, raw_path=answer.links["next"]["url"].encode())
            whole = await _data(client, "/editions", busy, **{**asked, "limit": "100"})
            assert titles == [row["title"] for row in whole]
            assert len(titles) == (2 if "q" in asked else 3)


async def test_stock_shows_each_location_and_never_its_cost(servers: Servers) -> None:
    """Alone and in the list alike."""
    async with _api(servers) as (client, busy, _):
        alone = await _data(client, f"/stock/{PRIDE}", busy)
        assert alone == {
            "edition_id": f"{PRIDE}",
            "sku": "AUS-001",
            "title": "Pride and Prejudice",
            "status": "active",
            "on_hand": 23,
            "reserved": 1,
            "available": 22,
            "locations": [
                {"location_id": f"{SHOP_ID}", "on_hand": 3, "reserved": 1, "available": 2},
                {"location_id": f"{WAREHOUSE_ID}", "on_hand": 20, "reserved": 0, "available": 20},
            ],
        }
        assert await _data(client, "/stock", busy, **{"available[gte]": "2"}) == [alone]
        scarcest = await _data(client, "/stock", busy, sort="available")
        assert [row["available"] for row in scarcest] == [0, 1, 22]


async def test_low_stock_is_what_is_for_sale_and_running_out(servers: Servers) -> None:
    """Down to the threshold, the discontinued left out; its pages keep the threshold."""
    async with _api(servers) as (client, busy, _):
        assert [row["title"] for row in await _data(client, "/stock/low", busy)] == ["Emma"]
        assert await _data(client, "/stock/low", busy, threshold="0") == []
        first = await client.get("/stock/low", params={"threshold": "50", "limit": "1"}, headers=bearer(busy))
        cursor = first.json()["meta"]["next_cursor"]
        second = await _data(client, "/stock/low", busy, threshold="50", limit="1", cursor=cursor)
        titles = [row["title"] for row in [*first.json()["data"], *second]]
        assert titles == ["Emma", "Pride and Prejudice"]
        refused = await client.get("/stock/low", params={"threshold": "-1"}, headers=bearer(busy))
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "threshold")


async def test_movements_come_latest_first_and_can_be_narrowed(servers: Servers) -> None:
    """By edition, location, kind and time."""
    async with _api(servers) as (client, busy, _):
        rows = await _data(client, "/stock/movements", busy)
        last = rows[0]
        assert (last["kind"], last["delta"], last["on_hand"]) == ("adjustment", -1, 1)
        assert (last["reason"], last["actor"], last["reference_id"]) == ("water", "till", None)
        assert len(rows) == 4
        narrowed = {
            "edition_id": (f"{EMMA}", 2),
            "location_id": (f"{WAREHOUSE_ID}", 1),
            "kind": ("receipt", 3),
            "at[gt]": (NOON.isoformat(), 1),
        }
        for name, (value, count) in narrowed.items():
            assert len(await _data(client, "/stock/movements", busy, **{name: value})) == count


async def test_the_valuation_is_for_those_who_see_figures(servers: Servers) -> None:
    """The till does not."""
    async with _api(servers) as (client, busy, _):
        assert await _data(client, "/stock/valuation", busy) == {
            "editions": 2,
            "units": 24,
            "value": {"amount_minor": 9450, "currency": "GBP"},
        }
        assert (await client.get("/stock/valuation", headers=bearer(busy, Role.CLERK))).status_code == 403


async def test_another_store_sees_nothing(servers: Servers) -> None:
    """Lists are empty, sums are zero, ids are not found, and the store is its own."""
    async with _api(servers) as (client, busy, idle):
        for path in PATHS:
            theirs = await client.get(path, headers=bearer(busy))
            answer = await client.get(path, headers=bearer(idle))
            assert theirs.status_code == 200
            if path.endswith(f"{PRIDE}"):
                assert answer.status_code == 404
            elif path == "/store":
                assert answer.json()["data"]["slug"] == "idle"
            elif path == "/stock/valuation":
                assert answer.json()["data"]["units"] == 0
            else:
                assert answer.json()["data"] == []


async def test_nothing_unknown_is_taken(servers: Servers) -> None:
    """Not a parameter, a value, a sort beside a search, nor a cursor of something else."""
    async with _api(servers) as (client, busy, _):
        cursor = (await client.get("/editions?limit=1", headers=bearer(busy))).json()["meta"]["next_cursor"]
        faults = {f"{path}{'&' if '?' in path else '?'}colour=red": "colour" for path in PATHS}
        faults |= {
            "/editions?status=lost": "status",
            "/editions?q=emma&sort=title": "sort",
            f"/editions?q=emma&cursor={cursor}": "cursor",
            f"/editions?q={'a' * 201}": "q",
            "/stock/movements?at[gt]=yesterday": "at[gt]",
            "/locations?kind=shed": "kind",
        }
        for path, pointer in faults.items():
            answer = await client.get(path, headers=bearer(busy))
            assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, [pointer])


def test_every_view_s_routes_are_listed() -> None:
    """What is not in `read_side.routes` is not served."""
    folder = Path(read_side.__file__).parent
    modules = [
        importlib.import_module(f"read_side.{path.parent.name}.endpoints") for path in folder.glob("*/endpoints.py")
    ]

    assert {route for module in modules for route in module.ROUTES} == set(ROUTES)
