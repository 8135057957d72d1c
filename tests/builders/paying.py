"""A store whose orders are paid through the sandbox, with the saga's loops turned by hand."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Pool, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.database.transactions import transaction
from shared_kernel.log.reader import Want, decode, fetch_types
from tests.builders.sandbox import KEY, VISA, ProviderIntent, Sandbox, open_sandbox
from tests.builders.write_side import WriteSide, open_write_side, order_command
from tests.servers import Servers
from write_side.order_saga.following import HANDLES, hear
from write_side.order_saga.runtime import SagaRuntime
from write_side.order_saga.times import SagaTimes
from write_side.orders.changing import cancel_order, fulfil_order
from write_side.orders.commands import CancelOrder, FulfilOrder, OrderDecided
from write_side.orders.placing import place_order
from write_side.payments.asking import Asking, ask_what_is_due
from write_side.payments.fault_points import Reach, carry_on
from write_side.payments.gateway import PaymentGateway
from write_side.payments.providers import payment_gateway

PRICE_MINOR = 1299
_MAX_TURNS = 60
_MAX_LOOKS = 8


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where an order, its payment and its saga are."""

    order: str
    payment: str
    saga: str
    step: str
    held_for: str | None
    authorized: int
    captured: int
    refunded: int


class PaidStore:
    """One store, one edition on one shelf."""

    def __init__(
        self,
        *,
        write_side: WriteSide,
        log_pool: Pool,
        sandbox: Sandbox,
        gateway: PaymentGateway,
        shelf: tuple[UUID, UUID],
    ) -> None:
        self._log_pool = log_pool
        self.write_side = write_side
        self.sandbox = sandbox
        self.gateway = gateway
        self.location_id, self.edition_id = shelf
        self.times = SagaTimes(asking_lease_seconds=0.0, lease_seconds=0.0)
        self._heard = 0

    def asking(self, *, reach: Reach = carry_on) -> Asking:
        """What one process would ask with; it retries at once."""
        return Asking(
            pool=self.write_side.pool,
            execution=self.write_side.execution,
            gateway=self.gateway,
            lease_seconds=self.times.asking_lease_seconds,
            jitter=lambda _longest: 0.0,
            reach=reach,
        )

    async def order(self, *, token: str = VISA, quantity: int = 1) -> OrderDecided:
        """An order that is to be paid."""
        command = order_command(self.location_id, [(self.edition_id, quantity)])
        command = msgspec.structs.replace(command, payment_token=token)
        return (await self.write_side.run(partial(place_order, command))).read(OrderDecided)

    async def fulfil(self, order: OrderDecided) -> None:
        """Every copy leaves."""
        await self.write_side.run(partial(fulfil_order, order.id, FulfilOrder()))

    async def cancel(self, order: OrderDecided) -> None:
        """By somebody at the till."""
        await self.write_side.run(partial(cancel_order, order.id, CancelOrder(reason="changed their mind")))

    async def hear(self) -> None:
        """Let the saga hear what the log has since."""
        tenant_id = self.write_side.tenant.id
        async with transaction(self._log_pool, tenant_id=tenant_id) as connection:
            want = Want(tenant_id=tenant_id, after=self._heard, limit=1_000)
            events = [decode(one) for one in await fetch_types(connection, want, [kind.__name__ for kind in HANDLES])]
            if not events:
                return
            now = events[-1].recorded_at
            await hear(events, connection, tenant_id, now=now, times=self.times)
            await connection.execute("COMMIT")
        self._heard = events[-1].position

    async def turn(self, *, reach: Reach = carry_on) -> int:
        """One turn of each loop; how much there was to do."""
        await self.hear()
        asking = self.asking(reach=reach)
        return await SagaRuntime(asking, self.times).advance_what_is_due() + await ask_what_is_due(asking)

    async def settle_down(self) -> None:
        """Turn until nothing is due."""
        for _ in range(_MAX_TURNS):
            if not await self.turn():
                await self.hear()
                if not await self.turn():
                    return
        message = f"still busy after {_MAX_TURNS} turns"
        raise AssertionError(message)

    async def wait_out(self) -> None:
        """Turn while waiting sagas are made to look again."""
        for _ in range(_MAX_LOOKS):
            await self.settle_down()
            await self.write_side.as_administrator("UPDATE write.order_saga SET due_at = now() WHERE state = 'running'")

    async def standing(self, order: OrderDecided) -> Standing:
        """Where everything about an order is."""
        return (await self.standings([order]))[0]

    async def standings(self, orders: Sequence[OrderDecided]) -> list[Standing]:
        """The same of many, in their order."""
        rows = await self.write_side.as_administrator(
            "SELECT o.status AS order, p.status AS payment, coalesce(s.state, 'none') AS saga,"
            " coalesce(s.step, 'none') AS step, o.held_for, p.authorized_minor AS authorized,"
            " p.captured_minor AS captured, p.refunded_minor AS refunded"
            " FROM write.sales_order o JOIN write.payment p USING (tenant_id, order_id)"
            " LEFT JOIN write.order_saga s USING (tenant_id, order_id)"
            " JOIN unnest($1::uuid[]) WITH ORDINALITY AS wanted(order_id, place) USING (order_id)"
            " ORDER BY wanted.place",
            [order.id for order in orders],
        )
        return [Standing(**dict(row)) for row in rows]

    async def at_provider(self, order: OrderDecided) -> list[ProviderIntent]:
        """What the provider did for an order."""
        return await self.sandbox.of_payment(order.payment_id)

    async def events_of(self, order: OrderDecided) -> list[str]:
        """The order's story, without the stock's."""
        log = await self.write_side.log()
        about = [one for one in log if one.payload.get("order_id") == str(order.id)]
        return [one.type for one in about if not one.type.startswith("Stock")]

    async def stock(self) -> tuple[int, int]:
        """On hand and promised."""
        on_hand, reserved, _ = await self.write_side.stock_of(self.location_id, self.edition_id)
        return on_hand, reserved


@asynccontextmanager
async def open_paid_store(servers: Servers, *, quantity: int = 100) -> AsyncIterator[PaidStore]:
    """With so many copies on its shelf, at 12.99 each."""
    async with open_sandbox() as sandbox, open_write_side(servers) as write_side:
        shelf = await write_side.location(), await write_side.edition(price_minor=PRICE_MINOR)
        await write_side.receive(*shelf, quantity)
        async with paid_store(write_side, sandbox, shelf) as store:
            yield store


@asynccontextmanager
async def paid_store(write_side: WriteSide, sandbox: Sandbox, shelf: tuple[UUID, UUID]) -> AsyncIterator[PaidStore]:
    """A store that is there, paid through that sandbox."""
    reactions = write_side.servers.url_as(DatabaseRole.REACTIONS)
    async with (
        build_pool(reactions, PoolSettings(application_name="tests", max_size=1)) as pool,
        payment_gateway(url=sandbox.url, key=KEY, timeout_seconds=0.6) as gateway,
    ):
        yield PaidStore(write_side=write_side, log_pool=pool, sandbox=sandbox, gateway=gateway, shelf=shelf)
