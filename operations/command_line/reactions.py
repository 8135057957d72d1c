"""`shelfwise reactions`: how far each is, and the keys that wait because an event failed."""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import click

from operations.access.audit import Call, audited
from operations.command_line.dead_letters import why_option
from operations.command_line.invocation import Invocation, command, table
from operations.in_house import pool_as
from operations.projecting.operator import at_the_command_line
from operations.reacting.dead_letters import (
    ReactionDeadLetters,
    ShownReactionDeadLetter,
    TreatedReaction,
    list_parked,
    outcome_of,
    retry_parked,
    show_parked,
    skip_parked,
)
from operations.reacting.standing import labour_verdict, standing
from operations.servers.installation import Installation
from operations.stores import tenant_id_of
from shared_kernel.database.pool import Pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.monitor.reacting import Reacting
from write_side.subscribers import REACTIONS


@click.group()
def reactions() -> None:
    """Look at what follows from events: sagas, webhooks, mail; and help what failed."""


@reactions.command()
@command
def status(invocation: Invocation) -> None:
    """Say how far each reaction is, who reacts, and what is due."""

    async def work(installation: Installation) -> Reacting:
        async with _operator(installation) as pool:
            return await standing(pool)

    now = invocation.on_servers(work)
    rows = [
        (one.name, one.tenants, one.lag_events, f"{one.lag_seconds:.1f} s", one.dead, one.retrying)
        for one in now.reactions
    ]
    outboxes = [(one.name, one.due, f"{one.overdue_seconds:.1f} s") for one in now.outboxes]
    invocation.answer(
        now,
        table("reaction", "stores", "behind", "for", "dead", "retrying", rows=rows),
        table("outbox", "due", "for", rows=outboxes),
        f"Workers: {labour_verdict(now)[1]}",
    )


@reactions.group("dead-letters")
def dead_letters() -> None:
    """See keys that wait because a reaction failed; try them again, or skip the event."""


@dead_letters.command("list")
@click.option("--tenant", "slug", metavar="SLUG", help="One store; else all.")
@click.option("--reaction", type=click.Choice([one.name for one in REACTIONS]), metavar="NAME")
@command
def list_letters(invocation: Invocation, *, slug: str | None, reaction: str | None) -> None:
    """List the keys that wait, the longest-waiting first."""

    async def work(installation: Installation) -> ReactionDeadLetters:
        async with _operator(installation) as pool:
            return await list_parked(pool, tenant_id=await tenant_id_of(pool, slug), reaction=reaction)

    found = invocation.on_servers(work)
    if not found.dead_letters:
        invocation.answer(found, "Nothing waits.")
        return
    columns = ("id", "reaction", "store", "key", "state", "attempts", "first position", "waiting", "since", "error")
    rows = [
        (one.id, one.reaction, one.tenant, one.key, one.state, one.attempts, one.first_position, one.waiting,
         f"{one.since:%F %T}", one.error)
        for one in found.dead_letters
    ]  # fmt: skip
    more = ["There are more: name a --tenant or a --reaction."] if found.truncated else []
    invocation.answer(found, table(*columns, rows=rows), *more)


@dead_letters.command()
@click.argument("letter_id", type=click.UUID, metavar="ID")
@command
def show(invocation: Invocation, *, letter_id: UUID) -> None:
    """Show one: its events, and what the last attempt died of."""

    async def work(installation: Installation) -> ShownReactionDeadLetter:
        async with _operator(installation) as pool:
            return await show_parked(pool, letter_id)

    shown = invocation.on_servers(work)
    letter = shown.dead_letter
    events = [
        (one.position, f"{one.type} v{one.schema_version}", f"{one.recorded_at:%F %T}", one.actor,
         bytes(one.payload).decode())
        for one in shown.events
    ]  # fmt: skip
    invocation.answer(
        shown,
        f"{letter.reaction}, store {letter.tenant}, key {letter.key}",
        f"{letter.state} after {letter.attempts} attempts, since {letter.since:%F %T}; {letter.waiting} events wait",
        table("position", "event", "recorded", "by", "payload", rows=events),
        letter.error,
    )


@dead_letters.command()
@click.argument("letter_id", type=click.UUID, metavar="ID")
@command
def retry(invocation: Invocation, *, letter_id: UUID) -> None:
    """React to its events again, in order; exit 1 where the first one fails again."""
    _treat(invocation, "retry_reaction", {"parked": f"{letter_id}"}, lambda pool: retry_parked(pool, letter_id))


@dead_letters.command()
@click.argument("letter_id", type=click.UUID, metavar="ID")
@why_option
@command
def skip(invocation: Invocation, *, letter_id: UUID, why: str) -> None:
    """Leave its first event out for good, and react to the next ones."""
    by = at_the_command_line()
    target = {"parked": f"{letter_id}", "why": why}
    _treat(invocation, "skip_reaction", target, lambda pool: skip_parked(pool, letter_id, skipped_by=by, why=why))


def _treat(
    invocation: Invocation,
    action: str,
    target: Mapping[str, object],
    effect: Callable[[Pool], Awaitable[TreatedReaction]],
) -> None:
    call = Call(actor=at_the_command_line(), action=action, target=target)

    async def work(installation: Installation) -> TreatedReaction:
        async with _operator(installation) as pool:
            async with audited(pool, call):
                asked = await effect(pool)
            return asked if asked.kind == "skip" else await outcome_of(pool, asked)

    treated = invocation.on_servers(work)
    done = "skipped" if treated.kind == "skip" else "reacted to"
    rest = (
        "nothing under the key waits any more"
        if treated.state == "healed"
        else f"the key waits at position {treated.first_position} now, with {treated.waiting} events"
    )
    invocation.answer(treated, f"{treated.id}: {done}; {rest}")


def _operator(installation: Installation) -> Pool:
    return pool_as(DatabaseRole.OPERATOR, installation, read=False, size=2)
