"""Stores whose orders take every way a saga can, and the books of both sides compared when all has settled."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec

from tests.builders.paying import PRICE_MINOR, PaidStore
from tests.builders.reacting import reactions_settings
from tests.builders.sandbox import DECLINED, KEY, VISA
from tests.eventually import eventually
from write_side.orders.commands import OrderDecided, ReturnedQuantity, ReturnFromOrder
from write_side.orders.returning import return_from_order
from write_side.payments.commands import CapturePayment
from write_side.payments.handlers import plan_capture

WAYS = ("kept", "declined", "cancelled", "abandoned", "returned", "captured_and_cancelled", "refused")
"""What becomes of the orders of one round; together they pass every point there is."""
_CAPTURED = ("kept", "returned", "captured_and_cancelled")


class Round:
    """One order for each way, driven as far as the saga lets it."""

    def __init__(self, store: PaidStore) -> None:
        self._store = store
        self.orders: dict[str, OrderDecided] = {}
        self._done: set[str] = set()

    async def place(self) -> None:
        """All of them."""
        for way in WAYS:
            self.orders[way] = await self._store.order(token=DECLINED if way == "declined" else VISA)
        await self._store.cancel(self.orders["abandoned"])

    async def push(self) -> list[str]:
        """Do what can be done by now from outside; what has not come to its end."""
        rows = {way: await self._store.standing(order) for way, order in self.orders.items()}
        for way, at in rows.items():
            # The provider refuses the next capture, whosever it is: the others' come first.
            is_next = way != "refused" or all(rows[one].captured for one in _CAPTURED)
            if at.order == "confirmed" and way not in self._done and is_next:
                await self._next(way)
        back = rows["returned"]
        if back.saga == "completed" and back.order == "fulfilled":
            order = self.orders["returned"]
            line = ReturnedQuantity(line_id=order.lines[0].line_id, quantity=1)
            await self._store.write_side.run(partial(return_from_order, order.id, ReturnFromOrder(lines=(line,))))
        taken = rows["captured_and_cancelled"]
        if taken.payment == "captured" and taken.order == "confirmed":
            await self._store.cancel(self.orders["captured_and_cancelled"])
        return [f"{way}: {at}" for way, at in rows.items() if not self._is_settled(way, at.saga, at.payment)]

    async def _next(self, way: str) -> None:
        order = self.orders[way]
        match way:
            case "kept" | "returned":
                await self._store.fulfil(order)
            case "refused":
                await self._store.sandbox.misbehave("decline", on="capture")
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
                return saga in {"needs_attention", "completed"}
            case _:
                return saga == "compensated"

    async def check(self) -> None:
        """Against the provider's own books: one net charge for what was kept, none for what was not."""
        for way, order in self.orders.items():
            intents = await self._store.at_provider(order)
            assert len(intents) <= 1, (way, intents)
            net, held = sum(intent.net for intent in intents), sum(intent.held for intent in intents)
            at = await self._store.standing(order)
            if way == "kept":
                assert (net, held, at.saga) == (PRICE_MINOR, 0, "completed"), (way, at, intents)
            elif way != "refused":
                assert (net, held) == (0, 0), (way, at, intents)
            assert (net, held) == (at.captured - at.refunded, at.authorized - at.captured if held else 0), (way, at)


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


@contextmanager
def saga_workers(store: PaidStore, *deaths: str) -> Iterator[Workers]:
    """A worker for each `<point>:<passage>`, which dies there; a healthy one where none is given."""
    settings = reactions_settings(
        store.write_side.servers,
        parent_pid=os.getpid(),
        lease_seconds=1.5,  # a loaded machine must not take it for dead
        payment_provider_url=store.sandbox.url,
        payment_provider_key=KEY,
        payment_provider_timeout_seconds=0.6,
        log_level="error",
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


async def settled(rounds: Sequence[Round], *, within_seconds: float = 60.0) -> None:
    """Wait until every order of these rounds has come to its end, as healthy workers bring it there."""

    async def left() -> list[str]:
        return [line for one in rounds for line in await one.push()]

    await eventually(left, lambda lines: not lines, within_seconds=within_seconds)


async def kill_along(store: PaidStore, deaths: Sequence[str], rounds: list[Round], *, within_seconds: float) -> None:
    """Let workers die at each of these, with one round of orders after another for them to be at."""
    with saga_workers(store, *deaths) as workers:

        async def left() -> list[str]:
            if workers.are_gone:
                return []
            waiting = await rounds[-1].push() if rounds else []
            if not waiting:
                rounds.append(Round(store))
                await rounds[-1].place()
            return [*sorted(set(deaths) - set(workers.deaths)), *waiting, f"round {len(rounds)}"]

        await eventually(left, lambda lines: not lines, within_seconds=within_seconds)
