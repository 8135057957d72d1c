"""What must add up when the dying is over: each order, the stock with its movements, all money, and every view."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import asyncpg

from projections.registry import projection_named
from tests.builders.paying import PRICE_MINOR, PaidStore
from tests.builders.projecting import assert_identical, projected, running_projector
from tests.builders.sandbox import ProviderIntent
from tests.system.sagas import WAYS, Round

_GONE = ("kept", "refused")
"""What has left and stayed away."""
_STOCK = """
SELECT s.on_hand, s.reserved, sum(m.delta)::bigint AS moved, sum(m.reserved_delta)::bigint AS moved_reserved
FROM write.stock s JOIN write.stock_movement m USING (tenant_id, stock_id)
WHERE s.edition_id = $1 GROUP BY s.on_hand, s.reserved
"""
_MONEY = """
SELECT (SELECT sum(captured_minor - refunded_minor)::bigint FROM write.payment) AS net,
       (SELECT sum(amount_minor)::bigint FROM write.payment_entry WHERE account IN ('received', 'fees')) AS booked,
       (SELECT sum(fee_minor)::bigint FROM write.payment) AS fees
"""
_FIGURES = {
    "stock_levels": "on_hand, reserved",
    "payments": "captured_minor - refunded_minor, fee_minor",
    "kpis": "orders, net_minor",
    "order_list": "(status = 'cancelled')::int, (status = 'fulfilled')::int, (status = 'returned')::int",
}


async def check(store: PaidStore, rounds: Sequence[Round], *, on_shelf: int) -> None:
    """All of it, of a store that had so many copies and has seen these rounds."""
    count = len(rounds)
    left, net = on_shelf - len(_GONE) * count, PRICE_MINOR * count
    intents = await store.sandbox.ledger()
    await _check_orders(store, rounds, intents)
    [stock] = await store.write_side.as_administrator(_STOCK, store.edition_id)
    assert tuple(stock) == (left, 0, left, 0)
    [money] = await store.write_side.as_administrator(_MONEY)
    assert (money["net"], money["booked"], sum(intent.net for intent in intents)) == (net, net, net)
    assert money["fees"] == sum(intent.fee for intent in intents)
    async with running_projector(store.write_side.servers):
        await projected(store.write_side.servers, within_seconds=120)
    await assert_identical(store.write_side.servers)
    shown = {name: await _shown(store, name) for name in _FIGURES}
    cancelled = (len(WAYS) - len(_GONE) - 1) * count
    assert shown == {
        "stock_levels": (left, 0),
        "payments": (net, money["fees"]),
        "kpis": ((len(WAYS) * count - cancelled), len(_GONE) * net),
        "order_list": (cancelled, len(_GONE) * count, count),
    }


async def _check_orders(store: PaidStore, rounds: Sequence[Round], intents: Sequence[ProviderIntent]) -> None:
    """Against the provider's own books: one net charge for what was kept, none for what was not."""
    of_payment: dict[str, list[ProviderIntent]] = defaultdict(list)
    for intent in intents:
        of_payment[intent.payment_id].append(intent)
    ways = [(way, order) for one in rounds for way, order in one.orders.items()]
    found = await store.standings([order for _, order in ways])
    for (way, order), at in zip(ways, found, strict=True):
        theirs = of_payment[str(order.payment_id)]
        assert len(theirs) <= 1, (way, theirs)
        net, held = sum(intent.net for intent in theirs), sum(intent.held for intent in theirs)
        assert (net, held) == (PRICE_MINOR if way == "kept" else 0, 0), (way, at, theirs)
        assert at.captured - at.refunded == net, (way, at, theirs)


async def _shown(store: PaidStore, name: str) -> tuple[Any, ...]:  # Any: sums of a table's columns
    """The sums of some figures over all rows that a view shows."""
    table = projection_named(name).view.table.fullname
    sums = ", ".join(f"sum({figure.strip()})::bigint" for figure in _FIGURES[name].split(","))
    connection = await asyncpg.connect(store.write_side.servers.read_admin_url)
    try:
        return tuple(await connection.fetchrow(f"SELECT {sums} FROM {table}"))  # noqa: S608 - constants of this module
    finally:
        await connection.close()
