"""Orders as they come in while somebody watches, through the HTTP API like everybody's."""

import asyncio
import random
from collections import deque
from collections.abc import Mapping
from uuid import UUID

import msgspec
import structlog

from operations.demo.keys import DemoStore
from operations.demo.orders import LIVE_ORDERS_PER_SECOND, Basket, live_orders
from operations.up.http import HttpAnswer, LocalClient
from shared_kernel.identifiers import new_id

_PAGE = 100
_MAX_EDITIONS = 1_000
_DELIVERY_COPIES = 200
_DELIVERY_COST_PERCENT = 60
_OUTAGE_PAUSE_SECONDS = 5.0
_PARCELS_WAITING = 12
_SHARE_CANCELLED = 0.08
_STORES = 2
"""They share the few orders a second."""
_CUSTOMERS = ("Emma Woodhouse", "Jane Eyre", "Dorothea Brooke", "Philip Pirrip", "Catherine Morland", "Edmond Dantès")
_CARD = "pm_card_visa"
"""Whoever buys on the web has an account and pays first, at the sandbox provider; at the counter they pay the till."""

log = structlog.get_logger()


class _Price(msgspec.Struct, frozen=True, kw_only=True):
    amount_minor: int
    currency: str


class _Listed(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    list_price: _Price


class _Meta(msgspec.Struct, frozen=True, kw_only=True):
    next_cursor: str | None = None


class _EditionPage(msgspec.Struct, frozen=True, kw_only=True):
    data: tuple[_Listed, ...]
    meta: _Meta


class _Placed(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID


class _Customer(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str | None


class _Registered(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID


async def place_live_orders(client: LocalClient, store: DemoStore, *, seed: int) -> None:
    """Place orders until cancelled; what runs out is delivered.

    Over the counter they are handed over at once; on the web they wait for the parcel, and a few are cancelled by then.
    """
    shop = _Shop(client, store)
    prices = await shop.prices()
    editions = [str(edition) for edition in prices]
    if not editions:
        log.warning("demo_without_editions", store=store.slug)
        return
    customers = await shop.customers()
    rate = LIVE_ORDERS_PER_SECOND / _STORES
    waiting: deque[UUID] = deque()
    chance = random.Random(seed)  # noqa: S311 - to be repeatable, not to be secret
    for order in live_orders(editions=editions, seed=seed, orders_per_second=rate):
        await asyncio.sleep(order.pause_seconds)
        customer_id = chance.choice(customers) if customers and order.basket.channel == "web" else None
        answer = await shop.place(order.basket, customer_id)
        if answer.code == "insufficient_stock":
            await shop.deliver(order.basket, prices)
            answer = await shop.place(order.basket, customer_id)
        if not answer.ok:
            log.warning("live_order_failed", store=store.slug, status=answer.status, code=answer.code)
            await asyncio.sleep(_OUTAGE_PAUSE_SECONDS)
            continue
        order_id = answer.data(_Placed).id
        if order.basket.channel == "pos":
            await shop.hand_over(order_id)
            continue
        waiting.append(order_id)
        if len(waiting) > _PARCELS_WAITING:
            is_cancelled = chance.random() < _SHARE_CANCELLED
            await (shop.cancel if is_cancelled else shop.hand_over)(waiting.popleft())


class _Shop:
    def __init__(self, client: LocalClient, store: DemoStore) -> None:
        self._client = client
        self._store = store
        self._key = {"Authorization": f"Bearer {store.key}"}

    async def prices(self) -> dict[UUID, _Price]:
        """Every edition's price, most popular first."""
        prices: dict[UUID, _Price] = {}
        path = f"/api/v1/editions?sort=-popularity&limit={_PAGE}"
        cursor: str | None = ""
        while cursor is not None and len(prices) < _MAX_EDITIONS:
            answer = await self._client.get(path + (f"&cursor={cursor}" if cursor else ""), self._key)
            if not answer.ok:
                log.warning("demo_catalogue_unread", store=self._store.slug, status=answer.status, code=answer.code)
                break
            page = msgspec.json.decode(answer.body, type=_EditionPage)
            prices |= {listed.id: listed.list_price for listed in page.data}
            cursor = page.meta.next_cursor
        return prices

    async def customers(self) -> list[UUID]:
        """Registered once: found again when `up` is, and until they are shown their keys answer with the same."""
        listed = await self._client.get(f"/api/v1/customers?sort=registered_at&limit={_PAGE}", self._key)
        known = {one.name: one.id for one in listed.data(tuple[_Customer, ...])} if listed.ok else {}
        found = [known[name] for name in _CUSTOMERS if name in known]
        for number, name in enumerate(_CUSTOMERS):
            if name in known:
                continue
            body = {"name": name, "email": f"customer-{number}@example.org"}
            answer = await self._post("/customers", body, key=f"demo-customer-{number}")
            if answer.ok:
                found.append(answer.data(_Registered).id)
            else:
                log.warning("demo_customer_failed", store=self._store.slug, status=answer.status, code=answer.code)
        return found

    async def place(self, basket: Basket, customer_id: UUID | None) -> HttpAnswer:
        lines = [{"edition_id": line.edition, "quantity": line.quantity} for line in basket.lines]
        body: dict[str, object] = {"location_id": self._store.location_id, "channel": basket.channel, "lines": lines}
        if customer_id is not None:
            body |= {"customer_id": customer_id, "payment_token": _CARD}
        return await self._post("/orders", body)

    async def hand_over(self, order_id: UUID) -> HttpAnswer:
        return await self._post(f"/orders/{order_id}/fulfilments", {})

    async def cancel(self, order_id: UUID) -> HttpAnswer:
        return await self._post(f"/orders/{order_id}/cancellation", {"reason": "customer_changed_mind"})

    async def deliver(self, basket: Basket, prices: Mapping[UUID, _Price]) -> HttpAnswer:
        lines = []
        for line in basket.lines:
            price = prices[UUID(line.edition)]
            cost = {"amount_minor": price.amount_minor * _DELIVERY_COST_PERCENT // 100, "currency": price.currency}
            lines.append({"edition_id": line.edition, "quantity": _DELIVERY_COPIES, "unit_cost": cost})
        return await self._post("/stock/receipts", {"location_id": self._store.location_id, "lines": lines})

    async def _post(self, path: str, body: object, *, key: str | None = None) -> HttpAnswer:
        return await self._client.post(f"/api/v1{path}", body, {**self._key, "Idempotency-Key": key or f"{new_id()}"})
