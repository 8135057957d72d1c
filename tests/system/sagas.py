"""Stores whose orders take every way a saga can, and the books of both sides compared when all has settled."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from tests.builders.paying import PaidStore
from tests.builders.reacting import reactions_settings
from tests.builders.sandbox import DECLINED, KEY, VISA
from tests.eventually import eventually
from tests.servers import Servers
from write_side.orders.commands import OrderDecided, ReturnedQuantity, ReturnFromOrder
from write_side.orders.returning import return_from_order
from write_side.payments.commands import CapturePayment
from write_side.payments.handlers import plan_capture

WAYS = ("kept", "declined", "cancelled", "abandoned", "returned", "captured_and_cancelled", "refused")
"""What becomes of the orders of one round; together they pass every point there is."""
_PATIENCE_SECONDS = 300.0
"""With a machine that has much else to do; a free one needs a tenth."""
_AT_ONCE = 4
"""Rounds under way: while an order of one waits for a dead worker's lease, others pass the points that are left."""


class Round:
    """One order for each way, driven as far as the saga lets it."""

    def __init__(self, store: PaidStore) -> None:
        self._store = store
        self.orders: dict[str, OrderDecided] = {}
        self.left: list[str] = ["not placed"]
        self._done: set[str] = set()

    async def place(self) -> None:
        """All of them."""
        for way in WAYS:
            self.orders[way] = await self._store.order(token=DECLINED if way == "declined" else VISA)
        await self._store.cancel(self.orders["abandoned"])

    async def push(self) -> None:
        """Do what can be done by now from outside, and see what has not come to its end."""
        found = await self._store.standings(list(self.orders.values()))
        rows = dict(zip(self.orders, found, strict=True))
        for way, at in rows.items():
            if at.order == "confirmed" and way not in self._done:
                await self._next(way)
        back = rows["returned"]
        if back.saga == "completed" and back.order == "fulfilled":
            order = self.orders["returned"]
            line = ReturnedQuantity(line_id=order.lines[0].line_id, quantity=1)
            await self._store.write_side.run(partial(return_from_order, order.id, ReturnFromOrder(lines=(line,))))
        taken = rows["captured_and_cancelled"]
        if taken.payment == "captured" and taken.order == "confirmed":
            await self._store.cancel(self.orders["captured_and_cancelled"])
        self.left = [f"{way}: {at}" for way, at in rows.items() if not self._is_settled(way, at.saga, at.payment)]

    async def _next(self, way: str) -> None:
        order = self.orders[way]
        match way:
            case "kept" | "returned":
                await self._store.fulfil(order)
            case "refused":
                # The provider will refuse to take what it holds no longer.
                [intent] = await self._store.at_provider(order)
                if intent.held:
                    await self._store.sandbox.let_go(intent.id)
                    return
                await self._store.fulfil(order)
            case "cancelled":
                await self._store.cancel(order)
            case "captured_and_cancelled":
                assert order.payment_id is not None
                await self._store.write_side.run(partial(plan_capture, order.payment_id, CapturePayment()))
            case _:
                return
        self._done.add(way)

    def _is_settled(self, way: str, saga: str, payment: str) -> bool:
        match way:
            case "kept":
                return saga == "completed"
            case "returned":
                return saga == "completed" and payment == "refunded"
            case "refused":
                return saga == "needs_attention"
            case _:
                return saga == "compensated"


class Workers:
    """Workers in processes of their own."""

    def __init__(self, process: subprocess.Popen[bytes], deaths: Path) -> None:
        self._process = process
        self._deaths = deaths

    @property
    def deaths(self) -> list[str]:
        """Where workers have died so far, by kill -9."""
        return self._deaths.read_text().split()

    @property
    def are_gone(self) -> bool:
        """Whether all have died that were to die; one that ended in another way is a failure."""
        code = self._process.poll()
        assert code in {None, 0}, code
        return code == 0


def saga_workers(
    store: PaidStore, *deaths: str, provider_timeout_seconds: float = 5.0
) -> AbstractContextManager[Workers]:
    """A worker for each `<point>:<passage>`, which dies there; a healthy one where none is given."""
    return workers_at(
        store.write_side.servers, store.sandbox.url, *deaths, payment_provider_timeout_seconds=provider_timeout_seconds
    )


@contextmanager
def workers_at(servers: Servers, provider_url: str, *deaths: str, **changes: object) -> Iterator[Workers]:
    """The same, on these servers, with that provider."""
    settings = reactions_settings(
        servers,
        parent_pid=os.getpid(),
        lease_seconds=1.5,  # a loaded machine must not take it for dead
        payment_provider_url=provider_url,
        payment_provider_key=KEY,
        log_level="error",
        **changes,
    )
    environment = {f"SHELFWISE_{name.upper()}": f"{value}" for name, value in msgspec.structs.asdict(settings).items()}
    with tempfile.NamedTemporaryFile(prefix="shelfwise-deaths-") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.faulty_saga", *deaths],
            env=os.environ | environment,
            stdout=told if deaths else subprocess.DEVNULL,
        )
        try:
            yield Workers(process, Path(told.name))
        finally:
            process.kill()
            process.wait(10)


async def settled(rounds: Sequence[Round]) -> None:
    """Wait until every order of these rounds has come to its end, as healthy workers bring it there."""

    async def left() -> list[str]:
        return [line for one in await _pushed(rounds) for line in one.left]

    await eventually(left, lambda lines: not lines, within_seconds=_PATIENCE_SECONDS)


async def kill_along(store: PaidStore, workers: Workers, deaths: Sequence[str], rounds: list[Round]) -> None:
    """Let workers die at each of these, with one round of orders after another for them to be at."""

    async def left() -> list[str]:
        if workers.are_gone:
            return []
        waiting = await _pushed(rounds)
        if len(waiting) < _AT_ONCE:
            rounds.append(Round(store))
            await rounds[-1].place()
        lines = [line for one in waiting for line in one.left]
        return [*sorted(set(deaths) - set(workers.deaths)), *lines, f"round {len(rounds)}"]

    await eventually(left, lambda lines: not lines, within_seconds=_PATIENCE_SECONDS)


async def _pushed(rounds: Sequence[Round]) -> list[Round]:
    """Those that are not at their end yet."""
    for one in rounds:
        if one.left:
            await one.push()
    return [one for one in rounds if one.left]
