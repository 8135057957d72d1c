"""`shelfwise dead-letters`: rows whose fold failed, and what to do about them."""

from contextlib import AsyncExitStack
from uuid import UUID

import click
import msgspec

from operations.command_line.invocation import Invocation, command, table
from operations.in_house import pool_as
from operations.projecting.dead_letters import DeadLetters, ShownDeadLetter, list_dead_letters, show_dead_letter
from operations.projecting.healing import Treated, Treatment, treat
from operations.projecting.operator import at_the_command_line
from operations.projecting.task import somebody_projects
from operations.servers.installation import Installation
from operations.stores import tenant_id_of
from projections.registry import PROJECTIONS
from shared_kernel.database.pool import Pool
from shared_kernel.database.roles import DatabaseRole

_MAX_SHOWN_CHARACTERS = 60
_MAX_WHY_LENGTH = 1_000


def _reason(_context: click.Context, _parameter: click.Parameter, why: str) -> str:
    reason = why.strip()
    if not reason or len(reason) > _MAX_WHY_LENGTH:
        raise click.BadParameter(f"say why, in at most {_MAX_WHY_LENGTH} characters")
    return reason


why_option = click.option(
    "--why", required=True, metavar="TEXT", callback=_reason, help="Kept with your name, for whoever wonders later."
)


@click.group("dead-letters")
def dead_letters() -> None:
    """See rows that wait because an event could not be folded; try them again, or skip the event."""


@dead_letters.command("list")
@click.option("--tenant", "slug", metavar="SLUG", help="One store; else all.")
@click.option("--projection", "name", type=click.Choice([one.view.name for one in PROJECTIONS]), metavar="NAME")
@command
def list_letters(invocation: Invocation, *, slug: str | None, name: str | None) -> None:
    """List the keys that wait, the longest-waiting first."""

    async def work(installation: Installation) -> DeadLetters:
        async with AsyncExitStack() as stack:
            pools = [await stack.enter_async_context(_operator(installation, read=read)) for read in (False, True)]
            tenant_id = await tenant_id_of(pools[0], slug)
            return await list_dead_letters(*pools, tenant_id=tenant_id, name=name)

    found = invocation.on_servers(work)
    if not found.dead_letters:
        invocation.answer(found, "Nothing waits.")
        return
    columns = (
        "id", "projection", "build", "store", "key", "state", "attempts", "first position", "waiting", "since", "error"
    )  # fmt: skip
    rows = [
        (
            f"{one.id}",
            f"{one.projection}@{one.version}",
            one.build,
            one.tenant,
            _short(one.key),
            one.state,
            one.attempts,
            one.first_position,
            one.waiting,
            f"{one.since:%F %T}",
            _short(one.error),
        )
        for one in found.dead_letters
    ]
    more = ["There are more: name a --tenant or a --projection."] if found.truncated else []
    invocation.answer(found, table(*columns, rows=rows), *more)


@dead_letters.command()
@click.argument("letter_id", type=click.UUID, metavar="ID")
@command
def show(invocation: Invocation, *, letter_id: UUID) -> None:
    """Show one: its events, its row as it stands, and where the fold failed."""

    async def work(installation: Installation) -> ShownDeadLetter:
        async with _operator(installation, read=False) as write_pool, _operator(installation, read=True) as read_pool:
            return await show_dead_letter(write_pool, read_pool, letter_id)

    shown = invocation.on_servers(work)
    letter = shown.dead_letter
    events = [
        (one.position, f"{one.type} v{one.schema_version}", f"{one.recorded_at:%F %T}", one.actor, _text(one.payload))
        for one in shown.events
    ]
    invocation.answer(
        shown,
        f"{letter.projection}@{letter.version}, build {letter.build}, store {letter.tenant}, key {letter.key}",
        f"{letter.state} after {letter.attempts} attempts, since {letter.since:%F %T}; {letter.waiting} events wait",
        table("position", "event", "recorded", "by", "payload", rows=events),
        f"The row as it stands: {_text(shown.row)}",
        f"{letter.error}",
        *(f"  {line}" for line in shown.traceback),
    )


@dead_letters.command()
@click.argument("letter_id", type=click.UUID, metavar="ID")
@command
def retry(invocation: Invocation, *, letter_id: UUID) -> None:
    """Fold its events again, in order; exit 1 where the first one fails again."""
    treatment = Treatment(kind="retry", letter_id=letter_id, asked_by=at_the_command_line())
    _treat(invocation, treatment, done="folded")


@dead_letters.command()
@click.argument("letter_id", type=click.UUID, metavar="ID")
@why_option
@command
def skip(invocation: Invocation, *, letter_id: UUID, why: str) -> None:
    """Leave its first event out of the row for good, and fold the next ones."""
    treatment = Treatment(kind="skip", letter_id=letter_id, asked_by=at_the_command_line(), why=why)
    _treat(invocation, treatment, done="skipped")


def _treat(invocation: Invocation, treatment: Treatment, *, done: str) -> None:
    async def work(installation: Installation) -> Treated:
        async with (
            _operator(installation, read=False) as write_pool,
            _operator(installation, read=True) as read_pool,
            somebody_projects(installation),
        ):
            return await treat(write_pool, read_pool, treatment)

    treated = invocation.on_servers(work)
    rest = (
        "nothing of the row waits any more"
        if treated.state == "healed"
        else f"the row waits at position {treated.first_position} now, with {treated.waiting} events"
    )
    invocation.answer(treated, f"{treated.id}: {done}; {rest}")


def _operator(installation: Installation, *, read: bool) -> Pool:
    return pool_as(DatabaseRole.OPERATOR, installation, read=read, size=1)


def _text(value: msgspec.Raw) -> str:
    return bytes(value).decode()


def _short(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else text[: _MAX_SHOWN_CHARACTERS - 1] + "…"
