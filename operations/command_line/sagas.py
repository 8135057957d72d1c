"""`shelfwise sagas`: orders that are paid first, and those that ask for attention."""

from functools import partial
from uuid import UUID

import click
import msgspec

from operations.access.audit import Call, audited
from operations.command_line.invocation import Invocation, command, table
from operations.command_line.tenants import ACTOR
from operations.in_house import in_house
from operations.projecting.operator import at_the_command_line
from operations.sagas import STATES, ListedSaga, ShownSaga, listed_sagas, operate_saga, shown_saga
from operations.servers.installation import Installation
from write_side.command_execution.execution import Decide
from write_side.order_saga.operating import SagaDecided, resolve_saga, retry_saga


class ListedSagas(msgspec.Struct, frozen=True, kw_only=True):
    """Sagas, the latest first."""

    sagas: tuple[ListedSaga, ...]


@click.group()
def sagas() -> None:
    """Look at orders that are paid first, and help those that need attention."""


@sagas.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--tenant", help="Only this store's, by its short name.")
@command
def list_sagas(invocation: Invocation, *, state: str | None, tenant: str | None) -> None:
    """List sagas, the latest first."""

    async def work(installation: Installation) -> tuple[ListedSaga, ...]:
        async with in_house(installation) as house:
            return await listed_sagas(house, state=state, tenant=tenant)

    found = invocation.on_servers(work)
    rows = [(one.tenant, one.number, one.order_id, one.state, one.step, one.failure) for one in found]
    columns = ("store", "number", "order", "state", "step", "why")
    invocation.answer(ListedSagas(sagas=found), table(*columns, rows=rows))


@sagas.command("show")
@click.argument("order", type=click.UUID)
@command
def show_saga(invocation: Invocation, *, order: UUID) -> None:
    """Show every step of an order's saga, and what the provider was asked."""

    async def work(installation: Installation) -> ShownSaga:
        async with in_house(installation) as house:
            return await shown_saga(house, order)

    shown = invocation.on_servers(work)
    steps = [(one.number, one.step, one.taken_at, one.note) for one in shown.steps]
    asked = [(one.kind, one.amount_minor, one.status, one.attempts, one.reason) for one in shown.operations]
    invocation.answer(
        shown,
        table("step", "what", "when", "why", rows=steps),
        table("asked for", "amount", "status", "attempts", "why", rows=asked),
    )


@sagas.command("retry")
@click.argument("order", type=click.UUID)
@click.option("--why", required=True, help="For the journal.")
@command
def retry(invocation: Invocation, *, order: UUID, why: str) -> None:
    """Have a saga that needs attention tried again."""
    call = _call("retry_saga", order, why)
    _decide(invocation, order, partial(retry_saga, order, why), call)


@sagas.command("resolve")
@click.argument("order", type=click.UUID)
@click.option("--why", required=True, help="For the journal: what was settled, and with whom.")
@command
def resolve(invocation: Invocation, *, order: UUID, why: str) -> None:
    """Close a saga that was settled by hand; an order that was being undone is cancelled."""
    call = _call("resolve_saga", order, why)
    _decide(invocation, order, partial(resolve_saga, order, why), call)


def _call(action: str, order: UUID, why: str) -> Call:
    return Call(actor=at_the_command_line(), action=action, target={"order": f"{order}", "why": why})


def _decide(invocation: Invocation, order: UUID, decide: Decide, call: Call) -> None:
    async def work(installation: Installation) -> SagaDecided:
        async with in_house(installation) as house, audited(house.operator_pool, call):
            return await operate_saga(house, order, decide, actor=ACTOR)

    decided = invocation.on_servers(work)
    invocation.answer(decided, f"the saga of {decided.order_id} is {decided.state}")
