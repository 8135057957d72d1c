"""A till: a command API, a worker and a provider beside a running installation, each to be killed or cut off."""

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec

from operations.servers.ports import choose_port
from shared_kernel.database.roles import DatabaseRole
from tests.builders.sandbox import CALLBACK_SECRET, VISA, ProviderIntent, Sandbox, sandbox_at, sandbox_process
from tests.eventually import eventually
from tests.system.commit_eater import CommitEater, eating_commits
from tests.system.house import Deployable, House, all_ready, start_write_api
from tests.system.sagas import Workers, workers_at
from tests.system.shops import API_PATH, Visitor, good, open_shop, order

WAIT_SECONDS = 60.0
_END_SECONDS = 10.0
_BOOKS = """
SELECT p.status, p.authorized_minor, p.captured_minor, p.released_minor, p.refunded_minor, p.fee_minor, o.status,
       o.fulfilment_status, o.held_for, s.state, s.step,
       (SELECT array_agg((e.payment_version, e.account, e.amount_minor)::text ORDER BY e.payment_version, e.account)
        FROM write.payment_entry e WHERE (e.tenant_id, e.payment_id) = (p.tenant_id, p.payment_id)),
       (SELECT array_agg((w.kind, w.status, w.amount_minor)::text ORDER BY w.created_at, w.kind)
        FROM write.payment_operation w WHERE (w.tenant_id, w.payment_id) = (p.tenant_id, p.payment_id))
FROM write.payment p JOIN write.sales_order o USING (tenant_id, order_id)
JOIN write.order_saga s USING (tenant_id, order_id)
WHERE p.order_id = $1
"""


class Till:
    """Orders that are paid first, over HTTP."""

    def __init__(self, *, shop: Visitor, shelf: tuple[str, str], sandbox: Sandbox, admin: asyncpg.Connection) -> None:
        self.shop = shop
        self.shelf = shelf
        self.sandbox = sandbox
        self.admin = admin

    def wanted(self, *, token: str = VISA, quantity: int = 1) -> dict[str, object]:
        """The body of an order that is to be paid."""
        location_id, edition_id = self.shelf
        return order(location_id, (edition_id, quantity)) | {"payment_token": token}

    async def place(self, *, token: str = VISA, quantity: int = 1) -> dict[str, Any]:
        """An order to be paid."""
        placed: dict[str, Any] = good(await self.shop.post("/orders", self.wanted(token=token, quantity=quantity)))
        return placed

    async def confirmed(self, *, quantity: int = 1) -> dict[str, Any]:
        """One that is authorized."""
        placed = await self.place(quantity=quantity)
        await self.until(placed, status="confirmed")
        return placed

    async def until(self, placed: dict[str, Any], **expected: str) -> None:
        """Wait until the read side shows an order like this."""

        async def look() -> dict[str, str]:
            answer = await self.shop.get(f"/orders/{placed['id']}")
            shown = answer.json()["data"] if answer.is_success else {}
            return {name: shown.get(name, "none") for name in expected}

        await eventually(look, lambda shown: shown == expected, within_seconds=WAIT_SECONDS)

    async def insist(self, path: str, body: object, *, key: str) -> httpx.Response:
        """Send the same request until it succeeds, as a client does whose connection breaks and who is told to wait."""

        async def attempt() -> httpx.Response | None:
            try:
                answer = await self.shop.post(path, body, key=key)
            except httpx.TransportError:
                return None
            assert answer.is_success or answer.status_code in {409, 503}, answer.text
            return answer

        found = await eventually(
            attempt, lambda answer: answer is not None and answer.is_success, within_seconds=WAIT_SECONDS
        )
        assert found is not None
        return found

    async def known(self, path: str, *, key: str) -> httpx.Response:
        """What a client is told who comes again while nobody knows."""
        unknown = {"provider_pending", "idempotency_key_in_flight"}
        return await eventually(
            lambda: self.shop.post(path, {}, key=key),
            lambda answer: answer.json().get("code") not in unknown,
            within_seconds=WAIT_SECONDS,
        )

    async def refused(self, placed: dict[str, Any]) -> int:
        """How many captures and refunds of it the provider would not do."""
        refused = "SELECT count(*) FROM write.payment_operation WHERE payment_id = $1 AND status = 'refused'"
        count: int = await self.admin.fetchval(refused, UUID(placed["payment_id"]))
        return count

    async def settled(self, *orders: dict[str, Any]) -> None:
        """Wait until their sagas have come to an end."""
        ids = [UUID(one["id"]) for one in orders]

        async def running() -> list[str]:
            rows = await self.admin.fetch(
                "SELECT order_id, state FROM write.order_saga WHERE order_id = ANY($1) AND state = 'running'", ids
            )
            return [f"{dict(row)}" for row in rows]

        await eventually(running, lambda left: not left, within_seconds=WAIT_SECONDS)

    async def books(self, placed: dict[str, Any]) -> tuple[object, ...]:
        """Everything both sides and the provider hold of an order, but ids and times."""
        row = await self.admin.fetchrow(_BOOKS, UUID(placed["id"]))
        [intent] = await self.at_provider(placed)
        story = tuple(one["type"] for one in await self.timeline(placed))
        return (*row, story, intent.status, intent.captured, intent.refunded)

    async def timeline(self, placed: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """The order's story, up to the log's end."""
        head = await self.admin.fetchval(
            "SELECT position FROM log.tenant_head WHERE tenant_id = $1", self.shop.tenant.id
        )
        return await self.shop.ask(f"/orders/{placed['id']}/timeline", at=head, wait=10)

    async def at_provider(self, placed: dict[str, Any]) -> list[ProviderIntent]:
        """What the provider did for it."""
        return await self.sandbox.of_payment(placed["payment_id"])

    async def callbacks(self, *orders: dict[str, Any]) -> list[str]:
        """The kinds of what the provider told of them, as kept."""
        rows = await self.admin.fetch(
            "SELECT kind FROM write.provider_callback WHERE payment_id = ANY($1)",
            [UUID(one["payment_id"]) for one in orders],
        )
        return sorted(row["kind"] for row in rows)


class Tills:
    """The processes behind the tills of one installation."""

    def __init__(self, house: House, folder: Path, stack: ExitStack) -> None:
        login = house.servers.url_as
        self._folder = folder
        self._api_port = choose_port(None)
        self._eaters = [
            stack.enter_context(eating_commits(login(role)))
            for role in (DatabaseRole.WRITE_API, DatabaseRole.REACTIONS)
        ]
        self.servers = house.servers
        self.sandbox_port = choose_port(None)
        callbacks = f"http://127.0.0.1:{self._api_port}{API_PATH}/provider-callbacks/payments"
        stack.enter_context(sandbox_process(self.sandbox_port, folder / "ledger.sqlite", callback_url=callbacks))
        stack.enter_context(self.workers(write_database_url=self.worker_eater.url))
        self._api = self._start_api()
        stack.callback(lambda: self._api.end())  # noqa: PLW0108 - whichever it is by then
        self.house = msgspec.structs.replace(house, write_api=self._api)

    @property
    def api_eater(self) -> CommitEater:
        """Between the command API and its database."""
        return self._eaters[0]

    @property
    def worker_eater(self) -> CommitEater:
        """Between the worker and its database."""
        return self._eaters[1]

    @contextmanager
    def workers(self, *deaths: str, **changes: object) -> Iterator[Workers]:
        """A worker for each `<point>:<passage>`, which dies there; a healthy one where none is given."""
        provider_url = f"http://127.0.0.1:{self.sandbox_port}"
        with workers_at(self.servers, provider_url, *deaths, **changes) as workers:
            yield workers

    def kill_api(self) -> None:
        """By kill -9, with the processes that its server has of its own."""
        os.killpg(self._api.process.pid, signal.SIGKILL)
        self._api.process.wait(_END_SECONDS)

    async def start_api(self) -> None:
        """Again, where it was."""
        self._api = self._start_api()
        await all_ready([self._api])

    async def api_is_ready(self) -> None:
        """Wait for it."""
        await all_ready([self._api])

    def _start_api(self) -> Deployable:
        return start_write_api(
            self.servers,
            self._folder,
            port=self._api_port,
            WRITE_DATABASE_URL=self.api_eater.url,
            PAYMENT_CALLBACK_SECRET=CALLBACK_SECRET,
        )


@contextmanager
def open_tills(house: House) -> Iterator[Tills]:
    """Beside what runs in the house, on its databases."""
    with ExitStack() as stack:
        yield Tills(house, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shelfwise-till-"))), stack)


@asynccontextmanager
async def open_till(tills: Tills) -> AsyncIterator[Till]:
    """A new store with a full shelf, and a provider that behaves."""
    await tills.api_is_ready()
    admin = await asyncpg.connect(tills.servers.write_admin_url)
    try:
        async with open_shop(tills.house) as shop, sandbox_at(tills.sandbox_port) as sandbox:
            await sandbox.behave()
            yield Till(shop=shop, shelf=await shop.shelf(), sandbox=sandbox, admin=admin)
            await sandbox.behave()
    finally:
        await admin.close()
