"""One database, one provider and one event loop for many stores, each of which lives for one example."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

import asyncpg

from shared_kernel.database.pool import Connection, Pool, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.database.transactions import transaction
from shared_kernel.events.envelope import Event, Recorded
from shared_kernel.log.reader import Want, decode, fetch
from tests.builders.paying import PaidStore
from tests.builders.sandbox import KEY, Sandbox, open_sandbox
from tests.builders.write_side import WriteSide, open_write_side
from tests.servers import Run, Servers, fresh_databases
from tests.system.books.comparing import compare, compare_settled, compare_views, is_settled
from tests.system.books.model import PLACES, PRICES, Books
from tests.system.books.seen import Seen, look
from tests.system.books.store import RealStore
from write_side.command_execution.errors import OutcomeUnknownError
from write_side.customers.commands import CustomerDecided, RegisterCustomer
from write_side.customers.handlers import register_customer
from write_side.payments.fault_points import Reach, carry_on
from write_side.payments.gateway import PaymentGateway
from write_side.payments.providers import payment_gateway

ResultT = TypeVar("ResultT")

PATIENCE_SECONDS = 0.3
"""With the provider; a machine that is too slow for it sees more answers lost, which is all right."""
_TURNS_TO_THE_END = 12
_A_MOMENT_SECONDS = 10.0
_A_WEEK_SECONDS = 7 * 24 * 3600.0
_MAX_EVENTS = 10_000
_PASS_TIME = (
    """
    UPDATE write.order_saga
    SET due_at = due_at - $2::interval, confirm_by = confirm_by - $2::interval, hold_until = hold_until - $2::interval
    WHERE tenant_id = $1
    """,
    """
    UPDATE write.payment_operation SET due_at = due_at - $2::interval, deadline_at = deadline_at - $2::interval
    WHERE tenant_id = $1
    """,
    "UPDATE write.hold SET expires_at = expires_at - $2::interval WHERE tenant_id = $1",
)
# Workers serve all stores: one whose example has failed must not occupy those of the next.
_LEAVE = (
    "UPDATE write.order_saga SET state = 'resolved' WHERE tenant_id = $1",
    "UPDATE write.payment_operation SET status = 'written_off' WHERE tenant_id = $1 AND status = 'intended'",
)


class BooksHouse:
    """What all stores share."""

    def __init__(
        self,
        runner: asyncio.Runner,
        *,
        write_side: WriteSide,
        log_pool: Pool,
        admin: Connection,
        sandbox: Sandbox,
        gateway: PaymentGateway,
    ) -> None:
        self.sandbox = sandbox
        self.write_side = write_side
        self.patience_seconds = PATIENCE_SECONDS
        self._runner = runner
        self._log_pool = log_pool
        self._admin = admin
        self._gateway = gateway

    def do(self, deed: Coroutine[Any, Any, ResultT]) -> ResultT:  # Any: of a coroutine
        """Run it on the house's one loop: hypothesis itself waits for nobody."""
        return self._runner.run(deed)

    async def open_store(self) -> RealStore:
        """Places, titles and a customer, and a provider that behaves."""
        await self.sandbox.behave()
        side = self.write_side.as_tenant(await self.write_side.another_store())
        places = {place: await side.location() for place in PLACES}
        titles = {title: await side.edition(price_minor=price) for title, price in PRICES.items()}
        customer = (await side.run(partial(register_customer, RegisterCustomer(name="Anne")))).read(CustomerDecided)
        paid = PaidStore(
            write_side=side,
            log_pool=self._log_pool,
            sandbox=self.sandbox,
            gateway=self._gateway,
            shelf=(places[PLACES[0]], next(iter(titles.values()))),
        )
        return RealStore(paid, places=places, titles=titles, customer=customer.id)

    async def look(self, store: RealStore) -> Seen:
        """At everything."""
        return await look(store, self._admin, self.sandbox)

    async def turn(self, store: RealStore, *, workers: int, failing_at: str | None = None) -> None:
        """One turn of so many workers at once; the one that fails leaves what it did as it is."""
        reach = carry_on if failing_at is None else _failing_once(failing_at)
        found = await asyncio.gather(*(store.paid.turn(reach=reach) for _ in range(workers)), return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException) and not _is_own(one):
                raise one

    async def expire_holds(self, books: Books, store: RealStore) -> None:
        """Have every hold looked at."""
        for number, hold in enumerate(books.holds):
            books.expire(hold)
            await store.expire(number)

    async def pass_time(self, books: Books, store: RealStore, seconds: float) -> None:
        """As if it were so much later: timers are rows."""
        books.pass_time(seconds)
        for statement in _PASS_TIME:
            await self._admin.execute(statement, store.paid.write_side.tenant.id, timedelta(seconds=seconds))

    async def end_well(self, books: Books, store: RealStore) -> None:
        """Bring everything to its end, twice: as things are, and when nobody has collected anything for a week."""
        await self.sandbox.behave()
        await self.pass_time(books, store, _A_MOMENT_SECONDS)
        compare_settled(books, store, await self._settle(books, store))
        await self.pass_time(books, store, _A_WEEK_SECONDS)
        await self.expire_holds(books, store)
        seen = await self._settle(books, store)
        compare_settled(books, store, seen)
        compare_views(books, store, seen, await self._log(store))

    async def leave(self, store: RealStore) -> None:
        """Nobody works for it any more."""
        for statement in _LEAVE:
            await self._admin.execute(statement, store.paid.write_side.tenant.id)

    async def _settle(self, books: Books, store: RealStore) -> Seen:
        for _ in range(_TURNS_TO_THE_END):
            await store.paid.settle_down()
            seen = await self.look(store)
            compare(books, store, seen)
            if is_settled(seen):
                return seen
            for number, order in enumerate(store.orders):
                if seen.orders[order.id].saga == "needs_attention":
                    await store.have_tried_again(number)
            await self.pass_time(books, store, _A_MOMENT_SECONDS)
        message = f"not settled after {_TURNS_TO_THE_END} turns: {await self.look(store)}"
        raise AssertionError(message)

    async def _log(self, store: RealStore) -> list[Recorded[Event]]:
        tenant_id = store.paid.write_side.tenant.id
        async with transaction(self._log_pool, tenant_id=tenant_id) as connection:
            return [
                decode(one) for one in await fetch(connection, [Want(tenant_id=tenant_id, after=0, limit=_MAX_EVENTS)])
            ]


@contextmanager
def open_books_house(run: Run) -> Iterator[tuple[BooksHouse, Servers]]:
    """On a database of its own."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield runner.run(_open(stack, runner, run))
        finally:
            runner.run(stack.aclose())


async def _open(stack: AsyncExitStack, runner: asyncio.Runner, run: Run) -> tuple[BooksHouse, Servers]:
    servers = await stack.enter_async_context(fresh_databases(run))
    log_url, bounds = servers.url_as(DatabaseRole.REACTIONS), PoolSettings(application_name="tests", max_size=2)
    sandbox = await stack.enter_async_context(open_sandbox())
    gateway = payment_gateway(url=sandbox.url, key=KEY, timeout_seconds=PATIENCE_SECONDS)
    admin = await asyncpg.connect(servers.write_admin_url)
    stack.push_async_callback(admin.close)
    house = BooksHouse(
        runner,
        write_side=await stack.enter_async_context(open_write_side(servers)),
        log_pool=await stack.enter_async_context(build_pool(log_url, bounds)),
        admin=admin,
        sandbox=sandbox,
        gateway=await stack.enter_async_context(gateway),
    )
    return house, servers


def _failing_once(point: str) -> Reach:
    """What fails at the first passage of a point."""
    failures = [OutcomeUnknownError()]

    def reach(reached: StrEnum) -> None:
        if reached == point and failures:
            raise failures.pop()

    return reach


def _is_own(error: BaseException) -> bool:
    """Whether it is the failure that was asked for, however deep."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_own(one) for one in error.exceptions)
    return isinstance(error, OutcomeUnknownError)
