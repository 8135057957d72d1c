"""Orders, sales, best sellers, KPIs and counts, over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec

from projections import best_sellers, fulfilments, kpis, order_detail, order_list, sales, store_counts
from read_side.best_sellers import endpoints as best_sellers_endpoints
from read_side.fulfilments import endpoints as fulfilments_endpoints
from read_side.kpis import endpoints as kpis_endpoints
from read_side.order_detail import endpoints as order_detail_endpoints
from read_side.order_list import endpoints as order_list_endpoints
from read_side.sales import endpoints as sales_endpoints
from read_side.store_counts import endpoints as store_counts_endpoints
from shared_kernel.access.roles import Role
from tests.builders.order_log import EMMA, LONDON, id_of, line
from tests.builders.read_api import OpenStore, bearer, open_read_api, opened_store
from tests.servers import Servers

PROJECTIONS = [
    module.PROJECTION for module in (order_list, order_detail, fulfilments, sales, best_sellers, kpis, store_counts)
]
ROUTES = [
    *order_list_endpoints.ROUTES,
    *order_detail_endpoints.ROUTES,
    *fulfilments_endpoints.ROUTES,
    *sales_endpoints.ROUTES,
    *best_sellers_endpoints.ROUTES,
    *kpis_endpoints.ROUTES,
    *store_counts_endpoints.ROUTES,
]
NOW = datetime(2010, 6, 1, 23, 30, tzinfo=UTC)
"""Half past midnight on the second of June in London."""
ORDER = id_of("first order")
PATHS = [
    "/orders",
    f"/orders/{ORDER}",
    f"/orders/{ORDER}/timeline",
    "/fulfilments",
    "/store-counts",
    "/sales",
    "/best-sellers",
    "/kpis",
]

POINTERS = {
    "/orders?status=lost": "status",
    "/orders?surprise=1": "surprise",
    f"/orders/{ORDER}?surprise=1": "surprise",
    f"/orders/{ORDER}/timeline?surprise=1": "surprise",
    "/fulfilments?method=drone": "method",
    "/store-counts?surprise=1": "surprise",
    "/sales?by=language": "by",
    "/sales?from=2010-02-30": "from",
    "/sales?to=9999-12-31": "to",
    "/sales?from=2010-06-03": "from",
    "/sales?by=hour&from=2010-01-01": "from",
    "/sales?limit=0": "limit",
    "/sales?cursor=AAAA": "cursor",
    "/best-sellers?window=1d": "window",
    "/best-sellers?limit=101": "limit",
    "/kpis?period=1d": "period",
    "/kpis?compare=never": "compare",
}


@asynccontextmanager
async def _api(servers: Servers) -> AsyncIterator[tuple[httpx.AsyncClient, OpenStore, OpenStore]]:
    """A store with two orders, one of them cancelled today by its calendar, and one that has none."""
    busy, idle = opened_store("busy", servers.secret_key), opened_store("idle", servers.secret_key)
    busy.log.place("first order", [line(EMMA, 2)], at=datetime(2010, 5, 4, 12, tzinfo=LONDON))
    second = busy.log.place("second order", [line(EMMA)], at=datetime(2010, 6, 2, 0, 10, tzinfo=LONDON))
    busy.log.cancel(second, at=datetime(2010, 6, 2, 0, 20, tzinfo=LONDON))
    async with open_read_api(servers, [busy, idle], projections=PROJECTIONS, routes=ROUTES, now=NOW) as client:
        yield client, busy, idle


async def _data(client: httpx.AsyncClient, path: str, one: OpenStore, **parameters: str) -> Any:  # noqa: ANN401 - JSON
    response = await client.get(path, params=parameters, headers=bearer(one))
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_every_view_answers_with_the_contract_s_shape(servers: Servers) -> None:
    """And says up to where it is."""
    async with _api(servers) as (client, busy, _):
        orders = await client.get("/orders", headers=bearer(busy))
        assert orders.headers["shelfwise-position"] == "6"
        assert orders.json()["meta"]["projection"] == "order_list@2"
        assert orders.json()["meta"]["exact_count"] == 2
        assert [row["number"] for row in orders.json()["data"]] == ["SW-second order", "SW-first order"]
        order = await _data(client, f"/orders/{ORDER}", busy)
        assert (order["id"], order["lines"][0]["quantity"], order["timeline"][0]["position"]) == (f"{ORDER}", 2, 4)
        assert await _data(client, f"/orders/{ORDER}/timeline", busy) == order["timeline"]
        counts = await _data(client, "/store-counts", busy)
        assert (counts["orders"]["total"], counts["orders"]["placed"], counts["orders"]["cancelled"]) == (2, 1, 1)


async def test_what_has_left_is_listed_with_its_order(servers: Servers) -> None:
    """By order, and by how it left."""
    store = opened_store("busy", servers.secret_key)
    placed = store.log.place("first order", [line(EMMA, 3)])
    store.log.fulfil(placed, [2])
    async with open_read_api(servers, [store], projections=PROJECTIONS, routes=ROUTES, now=NOW) as client:
        (left,) = await _data(client, "/fulfilments", store, order_id=f"{placed}")
        assert (left["order_number"], left["method"], left["item_count"]) == ("SW-first order", "collection", 2)
        assert [(one["edition_id"], one["quantity"]) for one in left["lines"]] == [(f"{EMMA.edition_id}", 2)]
        assert await _data(client, "/fulfilments", store, method="shipping") == []


async def test_today_is_the_store_s(servers: Servers) -> None:
    """In London it is the second of June already: thirty days end with it, and begin on the fourth of May."""
    async with _api(servers) as (client, busy, _):
        days = await _data(client, "/sales", busy)
        assert [(row["bucket"], row["orders"]) for row in days] == [("2010-05-04", 1), ("2010-06-02", 0)]
        assert set(days[0]) == {"bucket", "orders", "units", "returned_units", "net", "tax", "discounts", "cost"}
        (title,) = await _data(client, "/sales", busy, by="title")
        assert (title["id"], title["label"], title["net"]) == (
            f"{EMMA.edition_id}",
            "Emma",
            {"amount_minor": 1800, "currency": "GBP"},
        )
        figures = await _data(client, "/kpis", busy)
        assert figures["period"] == {"from": "2010-05-04", "to": "2010-06-03"}
        assert figures["revenue"]["current"] == {"amount_minor": 1800, "currency": "GBP"}
        assert figures["orders"] == {"current": 1, "previous": 0, "delta_percent": None}
        for window in ("30d", "all"):
            (best,) = await _data(client, "/best-sellers", busy, window=window)
            assert (best["rank"], best["previous_rank"], best["units"], best["isbn13"]) == (1, None, 2, None)


async def test_the_same_question_is_answered_from_the_store_of_answers_or_the_table_alike(servers: Servers) -> None:
    """Byte for byte, under one entity tag, which makes the third answer empty."""
    async with _api(servers) as (client, busy, _):
        for path in PATHS:
            first, again = [await client.get(path, headers=bearer(busy)) for _ in range(2)]
            assert first.status_code == again.status_code == 200, first.text
            assert msgspec.json.encode(first.json()["data"]) == msgspec.json.encode(again.json()["data"])
            assert first.headers["etag"] == again.headers["etag"]
            tagged = {**bearer(busy), "If-None-Match": first.headers["etag"]}
            assert (await client.get(path, headers=tagged)).status_code == 304


async def test_a_store_without_orders_sees_none_of_another_s(servers: Servers) -> None:
    """Its own views are there, and empty; another's order is not there at all."""
    async with _api(servers) as (client, _, idle):
        for path in ("/orders", "/fulfilments", "/sales", "/best-sellers"):
            assert await _data(client, path, idle) == []
        assert (await _data(client, "/store-counts", idle))["orders"]["total"] == 0
        assert (await _data(client, "/kpis", idle))["orders"]["current"] == 0
        for path in (f"/orders/{ORDER}", f"/orders/{ORDER}/timeline"):
            assert (await client.get(path, headers=bearer(idle))).status_code == 404


async def test_figures_are_not_for_the_till(servers: Servers) -> None:
    """A clerk sees orders and counts, and no revenue."""
    async with _api(servers) as (client, busy, _):
        statuses = {path: (await client.get(path, headers=bearer(busy, Role.CLERK))).status_code for path in PATHS}
        assert statuses == {path: 403 if path in {"/sales", "/best-sellers", "/kpis"} else 200 for path in PATHS}
        assert (await client.get("/orders")).status_code == 401


async def test_what_is_not_a_question_is_told_where_it_is_wrong(servers: Servers) -> None:
    """With the parameter's own name."""
    async with _api(servers) as (client, busy, _):
        pointers = {}
        for path in POINTERS:
            response = await client.get(path, headers=bearer(busy))
            assert response.status_code == 422, response.text
            pointers[path] = [error["pointer"] for error in response.json()["errors"]]
        assert pointers == {path: [pointer] for path, pointer in POINTERS.items()}


async def test_pages_are_linked_to_the_end(servers: Servers) -> None:
    """Of lists and of sums."""
    async with _api(servers) as (client, busy, _):
        for path in ("/orders?limit=1", "/sales?limit=1"):
            response = await client.get(path, headers=bearer(busy))
            assert response.json()["meta"]["has_more"] is True
            assert 'rel="next"' in response.headers["link"]
            cursor = response.json()["meta"]["next_cursor"]
            last = await client.get(f"{path}&cursor={cursor}", headers=bearer(busy))
            assert (last.json()["meta"]["has_more"], len(last.json()["data"])) == (False, 1)
