"""A day in a store, command by command, beside a ledger of the test's own: what every view says adds up to the same."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.system.shops import Visitor, good, money, order, position

_PRICES = {"Emma": 1299, "Persuasion": 850, "Sanditon": 2400}
_COST_MINOR = 400
_TAX_BASIS_POINTS = {"Emma": 0, "Persuasion": 500, "Sanditon": 2000}
_TAX_CLASSES = {"Emma": "zero", "Persuasion": "reduced", "Sanditon": "standard"}


class Ledger:
    """What should have happened, kept by the plainest arithmetic there is."""

    def __init__(self) -> None:
        self.on_hand: Counter[tuple[str, str]] = Counter()
        self.reserved: Counter[tuple[str, str]] = Counter()
        self.units: Counter[str] = Counter()
        self.returned: Counter[str] = Counter()
        self.total_minor = 0
        self.tax_minor = 0
        self.returned_minor = 0
        self.returned_tax_minor = 0
        self.statuses: dict[str, str] = {}

    @property
    def net_minor(self) -> int:
        """After returns, without tax."""
        return self.total_minor - self.tax_minor - self.returned_minor + self.returned_tax_minor


def _tax_minor(title: str, total_minor: int) -> int:
    """Of a line whose price includes it, halves to even: what is left beside the net."""
    points = _TAX_BASIS_POINTS[title]
    net, rest = divmod(total_minor * 10_000, 10_000 + points)
    twice = 2 * rest
    rounds_up = twice > 10_000 + points or (twice == 10_000 + points and net % 2 == 1)
    return total_minor - (net + rounds_up)


async def test_a_day_adds_up(shop: Visitor) -> None:
    """Deliveries, transfers, counts, sales, cancellations, fulfilments and returns, in every view that shows them."""
    day = _Day(shop)
    await day.open()
    kept = await day.sell("high street", {"Emma": 3, "Persuasion": 2})
    part = await day.sell("high street", {"Sanditon": 4})
    gone = await day.sell("warehouse", {"Emma": 1, "Sanditon": 1})
    open_order = await day.sell("warehouse", {"Persuasion": 5})
    await day.cancel(gone)
    await day.fulfil(kept)
    await day.fulfil(part, {"Sanditon": 3})
    await day.give_back(kept, {"Persuasion": 1})
    await day.give_back(part, {"Sanditon": 2})
    await day.adjust("warehouse", "Emma", -2)
    await day.count("high street", "Persuasion", 12)
    await day.transfer("warehouse", "high street", {"Emma": 4})
    day.ledger.statuses |= {kept: "fulfilled", part: "placed", gone: "cancelled", open_order: "placed"}

    await _stock_agrees(day)
    await _movements_agree(day)
    await _orders_agree(day)
    await _figures_agree(day)


class _Day:
    """The commands, each noted in the ledger as it succeeds."""

    def __init__(self, shop: Visitor) -> None:
        self.shop = shop
        self.ledger = Ledger()
        self.places: dict[str, str] = {}
        self.editions: dict[str, str] = {}
        self.orders: dict[str, tuple[str, dict[str, Any]]] = {}
        self.at = 0

    async def open(self) -> None:
        """Two places, three titles, ten or twenty of each."""
        for name, kind in (("high street", "shop"), ("warehouse", "warehouse")):
            self.places[name] = await self.shop.location(name, kind)
        for title, price_minor in _PRICES.items():
            tax_class = _TAX_CLASSES[title]
            self.editions[title] = await self.shop.edition(price_minor=price_minor, tax_class=tax_class, title=title)
        for name, quantity in (("high street", 10), ("warehouse", 20)):
            for title in _PRICES:
                self.at = await self.shop.receive(
                    self.places[name], self.editions[title], quantity, unit_cost_minor=400
                )
                self.ledger.on_hand[name, title] += quantity

    async def sell(self, place: str, wanted: dict[str, int]) -> str:
        """An order; its id."""
        lines = [(self.editions[title], quantity) for title, quantity in wanted.items()]
        placed = await self._do("/orders", order(self.places[place], *lines))
        totals = {title: _PRICES[title] * quantity for title, quantity in wanted.items()}
        assert placed["total"] == money(sum(totals.values()))
        assert placed["tax"] == money(sum(_tax_minor(title, total) for title, total in totals.items()))
        assert placed["net"]["amount_minor"] + placed["tax"]["amount_minor"] == placed["total"]["amount_minor"]
        for title, quantity in wanted.items():
            self.ledger.reserved[place, title] += quantity
            self.ledger.units[title] += quantity
        self.ledger.total_minor += placed["total"]["amount_minor"]
        self.ledger.tax_minor += placed["tax"]["amount_minor"]
        self.orders[placed["id"]] = (place, placed)
        return str(placed["id"])

    async def cancel(self, order_id: str) -> None:
        """All of an order."""
        place, placed = self.orders[order_id]
        await self._do(f"/orders/{order_id}/cancellation", {"reason": "lost interest"})
        for title, line in self._lines(order_id).items():
            self.ledger.reserved[place, title] -= line["quantity"]
            self.ledger.units[title] -= line["quantity"]
        self.ledger.total_minor -= placed["total"]["amount_minor"]
        self.ledger.tax_minor -= placed["tax"]["amount_minor"]

    async def fulfil(self, order_id: str, some: dict[str, int] | None = None) -> None:
        """All of an order, or some copies."""
        place, _ = self.orders[order_id]
        await self._do(f"/orders/{order_id}/fulfilments", {"lines": self._some(order_id, some)} if some else {})
        for title, quantity in (some or self._quantities(order_id)).items():
            self.ledger.reserved[place, title] -= quantity
            self.ledger.on_hand[place, title] -= quantity

    async def give_back(self, order_id: str, some: dict[str, int]) -> None:
        """Copies that were handed over."""
        place, _ = self.orders[order_id]
        returned = await self._do(f"/orders/{order_id}/returns", {"lines": self._some(order_id, some)})
        for title, quantity in some.items():
            self.ledger.on_hand[place, title] += quantity
            self.ledger.returned[title] += quantity
        expected_minor = sum(_PRICES[title] * quantity for title, quantity in some.items())
        assert returned["total"] == money(expected_minor)
        self.ledger.returned_minor += expected_minor
        self.ledger.returned_tax_minor += returned["tax"]["amount_minor"]

    async def adjust(self, place: str, title: str, delta: int) -> None:
        """Fewer or more than the books say."""
        body = {"location_id": self.places[place], "edition_id": self.editions[title], "delta": delta, "reason": "torn"}
        await self._do("/stock/adjustments", body)
        self.ledger.on_hand[place, title] += delta

    async def count(self, place: str, title: str, counted: int) -> None:
        """What is on the shelf."""
        body = {"location_id": self.places[place], "edition_id": self.editions[title], "counted": counted}
        await self._do("/stock/counts", body)
        self.ledger.on_hand[place, title] = counted

    async def transfer(self, source: str, target: str, some: dict[str, int]) -> None:
        """From one place to the other."""
        lines = [{"edition_id": self.editions[title], "quantity": quantity} for title, quantity in some.items()]
        body = {"from_location_id": self.places[source], "to_location_id": self.places[target], "lines": lines}
        await self._do("/stock/transfers", body)
        for title, quantity in some.items():
            self.ledger.on_hand[source, title] -= quantity
            self.ledger.on_hand[target, title] += quantity

    async def _do(self, path: str, body: object) -> Any:  # noqa: ANN401  # JSON
        answer = await self.shop.post(path, body)
        self.at = position(answer)
        return good(answer)

    def _lines(self, order_id: str) -> dict[str, dict[str, Any]]:
        titles = {edition_id: title for title, edition_id in self.editions.items()}
        return {titles[line["edition_id"]]: line for line in self.orders[order_id][1]["lines"]}

    def _quantities(self, order_id: str) -> dict[str, int]:
        return {title: line["quantity"] for title, line in self._lines(order_id).items()}

    def _some(self, order_id: str, some: dict[str, int]) -> list[dict[str, Any]]:
        lines = self._lines(order_id)
        return [{"line_id": lines[title]["line_id"], "quantity": quantity} for title, quantity in some.items()]


async def _stock_agrees(day: _Day) -> None:
    names = {location_id: name for name, location_id in day.places.items()}
    for title, edition_id in day.editions.items():
        stock = await day.shop.ask(f"/stock/{edition_id}", at=day.at)
        for entry in stock["locations"]:
            name = names[entry["location_id"]]
            assert entry["on_hand"] == day.ledger.on_hand[name, title], (name, title)
            assert entry["reserved"] == day.ledger.reserved[name, title], (name, title)
            assert entry["available"] == entry["on_hand"] - entry["reserved"]
        assert stock["on_hand"] == sum(day.ledger.on_hand[name, title] for name in day.places)
    listed = {row["edition_id"]: row["on_hand"] for row in await day.shop.ask("/stock", at=day.at)}
    assert sum(listed.values()) == sum(day.ledger.on_hand.values())
    worth = await day.shop.ask("/stock/valuation", at=day.at)
    assert worth["value"] == money(_COST_MINOR * sum(listed.values()))


async def _movements_agree(day: _Day) -> None:
    """Each account's movements sum to what is there."""
    summed: Counter[tuple[str, str]] = Counter()
    rows = await day.shop.ask("/stock/movements?limit=100", at=day.at)
    for row in rows:
        summed[row["location_id"], row["edition_id"]] += row["delta"]
    expected = {
        (day.places[name], day.editions[title]): on_hand for (name, title), on_hand in day.ledger.on_hand.items()
    }
    assert dict(summed) == expected


async def _orders_agree(day: _Day) -> None:
    rows = {row["id"]: row for row in await day.shop.ask("/orders", at=day.at)}
    assert {order_id: row["status"] for order_id, row in rows.items()} == day.ledger.statuses
    for order_id, (place, placed) in day.orders.items():
        assert rows[order_id]["total"] == placed["total"]
        assert rows[order_id]["number"] == placed["number"]
        assert rows[order_id]["location_id"] == day.places[place]
        detail = await day.shop.ask(f"/orders/{order_id}", at=day.at)
        assert {line["line_id"] for line in detail["lines"]} == {line["line_id"] for line in placed["lines"]}
        assert [entry["position"] for entry in detail["timeline"]] == sorted(e["position"] for e in detail["timeline"])
    counts = (await day.shop.ask("/store-counts", at=day.at))["orders"]
    tally = Counter(day.ledger.statuses.values())
    assert {status: counts[status] for status in ("placed", "fulfilled", "cancelled", "returned")} == {
        status: tally[status] for status in ("placed", "fulfilled", "cancelled", "returned")
    }
    assert counts["total"] == len(day.orders)


async def _figures_agree(day: _Day) -> None:
    """Money and copies of the whole day, by day, by title, and as figures."""
    today = datetime.now(UTC).astimezone(ZoneInfo("Europe/London")).date()
    window = f"from={today - timedelta(days=1)}&to={today + timedelta(days=2)}"  # the day may change while we look
    by_day = await day.shop.ask(f"/sales?by=day&{window}", at=day.at)
    assert sum(row["net"]["amount_minor"] for row in by_day) == day.ledger.net_minor
    expected_tax = day.ledger.tax_minor - day.ledger.returned_tax_minor
    assert sum(row["tax"]["amount_minor"] for row in by_day) == expected_tax
    assert sum(row["returned_units"] for row in by_day) == sum(day.ledger.returned.values())
    by_title = await day.shop.ask(f"/sales?by=title&{window}", at=day.at)
    assert sum(row["net"]["amount_minor"] for row in by_title) == day.ledger.net_minor
    assert {row["label"]: row["units"] for row in by_title} == {
        title: day.ledger.units[title] for title in _PRICES if day.ledger.units[title]
    }
    kpis = await day.shop.ask("/kpis?period=7d", at=day.at)
    assert kpis["revenue"]["current"] == money(day.ledger.net_minor)
    assert kpis["orders"]["current"] == sum(status != "cancelled" for status in day.ledger.statuses.values())
    assert kpis["units"]["current"] == sum(day.ledger.units.values())
