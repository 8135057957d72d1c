"""Stores in which everything happens that is reacted to, and what must have come of it when all is quiet."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count, cycle
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from tests.builders.reacting import reactions_settings
from tests.builders.receiving import Receiver, receiver
from tests.builders.sandbox import KEY, VISA, Sandbox, open_sandbox
from tests.builders.write_api import EDITION, WriteApi, made, open_write_api, order, receipt
from tests.eventually import eventually
from tests.servers import Servers
from tests.system.faulty_reactions import STUMBLING_COPIES
from write_side.webhooks.public_events import PUBLIC_EVENTS, message_id

STORES = 3
LEASE_SECONDS = 1.5
"""A loaded machine must not take a worker for dead."""
_COPIES = 10_000
_QUIET_SECONDS = 240.0
"""Keys that workers died of again and again are parked for a minute."""
_BUSY = 503
_keys = count(1)

_LETTERS = """
SELECT e.event_id FROM log.event e
JOIN write.order_customer c ON c.tenant_id = e.tenant_id AND c.order_id = (e.payload->>'order_id')::uuid
WHERE e.type IN ('OrderConfirmed', 'OrderCancelled')
    OR e.type = 'OrderFulfilled' AND e.payload->>'fulfilment_status' = 'fulfilled'
"""
_UNDONE = """
SELECT 'behind ' || c.reaction AS what FROM reaction.checkpoint c JOIN log.tenant_head h USING (tenant_id)
WHERE c.position < h.position
UNION ALL SELECT state || ' ' || reaction || ': ' || error FROM reaction.parked_key
UNION ALL SELECT status || ' webhook' FROM write.webhook_delivery WHERE status <> 'delivered'
UNION ALL SELECT 'pending mail' FROM write.mail WHERE status = 'pending'
UNION ALL SELECT 'customer to show' FROM write.person_to_show
UNION ALL SELECT 'unconfirmed ' || o.number FROM write.payment JOIN write.sales_order o USING (tenant_id, order_id)
    WHERE o.status NOT IN ('confirmed', 'fulfilled')
"""
_PERSONS = """
SELECT c.customer_id, c.version, p.name, p.email, p.phone FROM write.customer c
LEFT JOIN write.customer_person p USING (tenant_id, customer_id) ORDER BY customer_id
"""
_SHOWN = "SELECT customer_id, version, name, email, phone FROM personal.customer ORDER BY customer_id"


class ReactingStore:
    """One store's traffic."""

    def __init__(self, api: WriteApi, shelf: tuple[str, str]) -> None:
        self._api = api
        self._shelf = shelf
        self._paid: str | None = None
        self._customer: str | None = None

    async def happen(self) -> None:
        """A letter of each kind, a paid order and one that is hard to react to; customers who come, move and go."""
        customer = made(await self._ask("/customers", {"name": "Emma", "email": "emma@highbury.example"}))["id"]
        cancelled = await self._order(customer_id=customer)
        made(await self._ask(f"/orders/{cancelled}/cancellation", {"reason": "x"}), status=200)
        fulfilled = await self._order(customer_id=customer)
        made(await self._ask(f"/orders/{fulfilled}/fulfilments", {}))
        await self._order(quantity=STUMBLING_COPIES)
        if self._paid is not None:  # captured, where it was confirmed by now
            assert (await self._ask(f"/orders/{self._paid}/fulfilments", {})).status_code in {201, 409}
        self._paid = await self._order(customer_id=customer, payment_token=VISA)
        path, match = f"/customers/{customer}", {"If-Match": '"1"'}
        made(await self._ask(path, {"name": "Emma Knightley"}, method="PATCH", headers=match), status=200)
        if self._customer is not None:
            made(await self._ask(f"/customers/{self._customer}/erasure", {}), status=200)
        self._customer = customer

    async def _order(self, *, quantity: int = 1, **members: str) -> str:
        location, edition = self._shelf
        return str(made(await self._ask("/orders", order(location, (edition, quantity)) | members))["id"])

    async def _ask(self, path: str, body: object, *, method: str = "POST", **options: Any) -> httpx.Response:  # noqa: ANN401 - those of send
        """A command, asked again under its key where the machine was too busy to say how it went."""
        key = f"reacting-{next(_keys)}"
        return await eventually(
            lambda: self._api.send(method, path, body, key=key, **options),
            lambda answer: answer.status_code != _BUSY and "Retry-After" not in answer.headers,
            within_seconds=60,
        )


class ReactingStores:
    """All of them, with one receiver each of everything there is to tell."""

    def __init__(self, api: WriteApi, sandbox: Sandbox, target: Receiver, mail: Path) -> None:
        self.api = api
        self._sandbox = sandbox
        self._target = target
        self._mail = mail
        self._stores: list[ReactingStore] = []

    async def open(self) -> None:
        """With copies for whatever happens."""
        tenants = [self.api.write_side.tenant, *[await self.api.write_side.another_store() for _ in range(STORES - 1)]]
        for tenant in tenants:
            api = await self.api.another(tenant=tenant)
            made(await api.post("/webhooks", {"url": self._target.url}))
            location = made(await api.post("/locations", {"name": "Main street", "kind": "shop"}))["id"]
            edition = made(await api.post("/editions", EDITION | {"sku": "EMMA"}))["id"]
            made(await api.post("/stock/receipts", receipt(location, edition, _COPIES)))
            self._stores.append(ReactingStore(api, (location, edition)))

    async def kill_along(self, deaths: Sequence[str], *, within_seconds: float) -> None:
        """Let workers die at each of these `<point>:<passage>`, while things happen."""
        turns = cycle(self._stores)
        with self._workers(*deaths) as process:

            async def left() -> bool:
                code = process.poll()
                assert code in {None, 0}, code
                if code is None:
                    await next(turns).happen()
                return code is None

            await eventually(left, lambda is_left: not is_left, within_seconds=within_seconds)

    async def check(self) -> None:
        """A healthy worker finishes what is left; then nothing is lost, and nothing there twice."""
        with self._workers():
            await eventually(self._undone, lambda found: not found, within_seconds=_QUIET_SECONDS)
        await self._check_webhooks()
        await self._check_mail()
        assert await self._rows(_PERSONS) == await self._shown()
        sagas = "SELECT order_id FROM write.order_saga"
        assert await self._ids(sagas) == await self._ids("SELECT order_id FROM write.payment")
        numbers = await self._ids("SELECT payload->>'number' FROM log.event WHERE type = 'OrderPlaced'")
        names = "SELECT payload->>'name' FROM log.event WHERE type = 'LocationOpened' AND payload->>'name' LIKE 'SW-%'"
        assert await self._ids(names) == numbers

    async def _check_webhooks(self) -> None:
        """Each public event was told at least once, always as the same message."""
        types = [event.__name__ for event in PUBLIC_EVENTS]
        rows = await self._rows("SELECT event_id FROM log.event WHERE type = ANY($1)", types)
        bodies: dict[str, set[bytes]] = {message_id(row["event_id"]): set() for row in rows}
        for one in self._target.received:
            bodies[one.id].add(one.body)
        assert Counter(len(found) for found in bodies.values()) == {1: len(rows)}
        assert await self._ids("SELECT event_id FROM write.webhook_delivery") == Counter(row[0] for row in rows)

    async def _check_mail(self) -> None:
        """A row for each letter, and a file for each that was sent."""
        assert await self._ids("SELECT event_id FROM write.mail") == await self._ids(_LETTERS)
        assert set(await self._ids("SELECT status FROM write.mail")) <= {"sent", "skipped"}
        sent = await self._ids("SELECT mail_id::text FROM write.mail WHERE status = 'sent'")
        # Somebody may have died between file and row, and the customer been erased meanwhile.
        files = {file.stem for file in self._mail.glob("*.eml")}
        assert files >= set(sent)
        assert files <= set(await self._ids("SELECT mail_id::text FROM write.mail"))

    async def _undone(self) -> Counter[str]:
        found = Counter(row["what"] for row in await self._rows(_UNDONE))
        types = [event.__name__ for event in PUBLIC_EVENTS]
        told = "SELECT count(*) FROM write.webhook_delivery"
        public = "SELECT count(*) FROM log.event WHERE type = ANY($1)"
        found["unnoted"] = (await self._rows(public, types))[0][0] - (await self._rows(told))[0][0]
        return +found

    async def _ids(self, query: str) -> Counter[object]:
        return Counter(row[0] for row in await self._rows(query))

    async def _rows(self, query: str, *arguments: object) -> list[Any]:
        return list(await self.api.write_side.as_administrator(query, *arguments))

    async def _shown(self) -> list[Any]:
        connection = await asyncpg.connect(self.api.write_side.servers.read_admin_url)
        try:
            return list(await connection.fetch(_SHOWN))
        finally:
            await connection.close()

    @contextmanager
    def _workers(self, *deaths: str) -> Iterator[subprocess.Popen[bytes]]:
        settings = reactions_settings(
            self.api.write_side.servers,
            parent_pid=os.getpid(),
            lease_seconds=LEASE_SECONDS,
            mail_url=f"file://{self._mail}",
            payment_provider_url=self._sandbox.url,
            payment_provider_key=KEY,
            log_level="error",
        )
        given = msgspec.structs.asdict(settings)
        environment = {f"SHELFWISE_{name.upper()}": f"{value}" for name, value in given.items()}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.faulty_reactions", *deaths],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)


@asynccontextmanager
async def reacting_stores(servers: Servers) -> AsyncIterator[ReactingStores]:
    """The stores, and whoever they tell, ask and write to."""
    with tempfile.TemporaryDirectory(prefix="shelfwise-mail-") as mail:
        async with open_sandbox() as sandbox, receiver() as target, open_write_api(servers) as api:
            stores = ReactingStores(api, sandbox, target, Path(mail))
            await stores.open()
            yield stores
