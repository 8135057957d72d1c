"""`shelfwise projections explain`."""

import click
import msgspec

from operations.command_line.invocation import Invocation, command, table
from operations.command_line.progress import progress
from operations.in_house import pool_as
from operations.projecting.explaining import explain_row
from operations.servers.installation import Installation
from operations.stores import store_named
from projections.explanation.explain import Change, ColumnChange, Explanation
from projections.registry import PROJECTIONS
from shared_kernel.database.roles import DatabaseRole

_DEFAULT_CHANGES, _MAX_CHANGES = 50, 100_000
_MAX_SHOWN_CHARACTERS = 60


@click.command()
@click.argument("name", type=click.Choice([one.view.name for one in PROJECTIONS]), metavar="NAME")
@click.argument("key", metavar="KEY")
@click.option("--tenant", "slug", required=True, metavar="SLUG", help="Whose row.")
@click.option(
    "--last",
    type=click.IntRange(min=1, max=_MAX_CHANGES),
    default=_DEFAULT_CHANGES,
    show_default=True,
    help="So many events at most, the last ones.",
)
@command
def explain(invocation: Invocation, *, name: str, key: str, slug: str, last: int) -> None:
    """Show the events behind one row, in order, and what each changed; KEY as `verify` prints it."""

    async def work(installation: Installation) -> Explanation:
        async with pool_as(DatabaseRole.OPERATOR, installation, read=False) as write_pool:
            tenant_id = (await store_named(write_pool, slug)).id
        with progress(f"index {name}") as shown:
            return await explain_row(installation, name, key, tenant_id=tenant_id, limit=last, on_indexed=shown.at)

    found = invocation.on_servers(work)
    rows = [(one.position, f"{one.at:%F %T}", one.type, one.effect, _columns(one)) for one in found.changes]
    count = f"{found.events} events" if found.events != 1 else "1 event"
    verdict = "is" if found.identical else "is NOT"
    invocation.answer(
        found,
        f"{found.name}@{found.version}, build {found.build}, up to position {found.position}: {count} touched {key}",
        table("position", "recorded", "event", "effect", "changed", rows=rows),
        f"The row that stands {verdict} what these events make.",
    )


def _columns(change: Change) -> str:
    return change.error or "; ".join(_column(one) for one in change.columns)


def _column(one: ColumnChange) -> str:
    return f"{one.column}: {_short(one.before)} → {_short(one.after)}"


def _short(value: object) -> str:
    text = "-" if value is None else str(msgspec.to_builtins(value))
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else text[: _MAX_SHOWN_CHARACTERS - 1] + "…"
