"""`shelfwise projections`: list, status, rebuild, verify, explain."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

import click
import msgspec

from operations.command_line.explaining import explain
from operations.command_line.invocation import EXIT_FAULT, Invocation, command, table
from operations.command_line.progress import progress
from operations.command_line.standing import cancel, drop_kept, pause, resume, retire, rollback
from operations.in_house import pool_as
from operations.projecting.following import UnderWay
from operations.projecting.listing import ListedProjection, listed_projections
from operations.projecting.rebuilding import RebuildRequest, Rebuilt, rebuild_projection
from operations.projecting.state import ProjectionStatus, statuses
from operations.projecting.verifying import verify_projection
from operations.servers.installation import Installation
from operations.stores import tenant_id_of
from projections.registry import PROJECTIONS
from projections.verification.verify import Verification
from shared_kernel.database.roles import DatabaseRole

ALL = "all"
_VERSIONS = {one.view.name: one.view.version for one in PROJECTIONS}
_MAX_SHOWN_CHARACTERS = 60
_INTERRUPTED = """
what is read has not been touched. The rebuild goes on wherever a projector runs:
  shelfwise projections rebuild {name}{tenant}    follows it again
  shelfwise projections cancel {name}{tenant}     gives it up"""


class ListedProjections(msgspec.Struct, frozen=True, kw_only=True):
    """Every projection of this release."""

    projections: tuple[ListedProjection, ...]


class ProjectionStatuses(msgspec.Struct, frozen=True, kw_only=True):
    """How far each is, over all stores."""

    projections: tuple[ProjectionStatus, ...]


class TenantStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a projection is in one store."""

    name: str
    version: int
    builds: tuple[int, ...]
    kept: tuple[int, ...]
    state: str
    position: int
    head: int
    lag_events: int
    lag_seconds: float
    dead_letters: int
    rows: int


class TenantStatuses(msgspec.Struct, frozen=True, kw_only=True):
    """How far each is in one store."""

    tenant: str
    projections: tuple[TenantStatus, ...]


class Verifications(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify all` found."""

    identical: bool
    projections: tuple[Verification, ...]


@click.group()
def projections() -> None:
    """See how far the read tables are; rebuild, verify and explain them; have one stand still or go back."""


projections.add_command(explain)
for _standing in (pause, resume, rollback, cancel, drop_kept, retire):
    projections.add_command(_standing)


@projections.command("list")
@command
def list_projections(invocation: Invocation) -> None:
    """List the projections of this release."""
    listed = listed_projections()
    rows = [(one.name, one.version, one.cached, ", ".join(one.handles)) for one in listed]
    shown = table("name", "version", "rows in Redis", "folds", rows=rows)
    invocation.answer(ListedProjections(projections=listed), shown)


@projections.command()
@click.argument("name", type=click.Choice([*_VERSIONS]), required=False, metavar="[NAME]")
@click.option("--tenant", "slug", metavar="SLUG", help="One store.")
@command
def status(invocation: Invocation, *, name: str | None, slug: str | None) -> None:
    """Show how far each projection is behind the log, and what is parked."""
    wanted = [(name, _VERSIONS[name])] if name else list(_VERSIONS.items())

    async def work(installation: Installation) -> Sequence[ProjectionStatus]:
        async with AsyncExitStack() as stack:
            write_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=False))
            read_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=True))
            tenant_id = await tenant_id_of(write_pool, slug)
            return await statuses(write_pool, read_pool, wanted, tenant_id=tenant_id)

    found = invocation.on_servers(work)
    rows = [_amounts(one) for one in found]
    columns = (
        "name",
        "version",
        "build",
        "state",
        "stores",
        "position",
        "head",
        "lag",
        "lag s",
        "dead letters",
        "rows",
    )
    answer: msgspec.Struct = ProjectionStatuses(projections=tuple(found))
    if slug is not None:
        answer = TenantStatuses(tenant=slug, projections=tuple(map(_in_one_store, found)))
    invocation.answer(answer, table(*columns, rows=rows))


@projections.command()
@click.argument("name", type=click.Choice([*_VERSIONS]), metavar="NAME")
@click.option("--tenant", "slug", metavar="SLUG", help="One store; else all.")
@click.option("--rate", type=click.IntRange(min=1, max=1_000_000), help="Events a second at most.")
@click.option("--keep-old", is_flag=True, help="Keep the old build current, for a rollback.")
@command
def rebuild(invocation: Invocation, *, name: str, slug: str | None, rate: int | None, keep_old: bool) -> int:
    """Fill the next build beside the live one, switch store by store, and verify it."""

    async def work(installation: Installation) -> Rebuilt:
        async with pool_as(DatabaseRole.OPERATOR, installation, read=False) as write_pool:
            tenant_id = await tenant_id_of(write_pool, slug)
        request = RebuildRequest(
            name=name, version=_VERSIONS[name], tenant_id=tenant_id, rate=rate or 0, keep_old=keep_old
        )
        with progress(f"rebuild {name}", as_lines=invocation.as_json) as shown:
            return await rebuild_projection(installation, request, on_progress=shown.at, on_running=tell)

    def tell(running: UnderWay) -> None:
        invocation.say(f"{running.requested_by} has asked for this already; this follows it")

    try:
        rebuilt = invocation.on_servers(work)
    except KeyboardInterrupt:
        invocation.say(_INTERRUPTED.format(name=name, tenant="" if slug is None else f" --tenant {slug}"))
        raise
    sentence = (
        f"{name}@{rebuilt.version}: build {rebuilt.from_build} → {rebuilt.to_build}, {rebuilt.events:,} events in"
        f" {rebuilt.seconds:.1f} s ({rebuilt.events_per_second:,.0f} a second),"
        f" {'identical to a fold of the log' if rebuilt.identical else 'NOT identical to a fold of the log'}"
    )
    invocation.answer(rebuilt, sentence)
    return 0 if rebuilt.identical else EXIT_FAULT


@projections.command()
@click.argument("name", type=click.Choice([*_VERSIONS, ALL]), metavar="NAME|all")
@click.option("--tenant", "slug", metavar="SLUG", help="One store; else all.")
@command
def verify(invocation: Invocation, *, name: str, slug: str | None) -> int:
    """Fold the log again and compare every row, in PostgreSQL and in Redis; exit 1 where one differs."""
    names = [*_VERSIONS] if name == ALL else [name]

    async def work(installation: Installation) -> list[Verification]:
        async with pool_as(DatabaseRole.OPERATOR, installation, read=False) as write_pool:
            tenant_id = await tenant_id_of(write_pool, slug)
        found = []
        for one in names:
            with progress(f"verify {one}") as shown:
                found.append(await verify_projection(installation, one, tenant_id=tenant_id, on_events=shown.at))
        return found

    found = invocation.on_servers(work)
    identical = all(one.identical for one in found)
    rows = [(one.name, one.version, one.tenants, one.rows, one.cached_rows, _verdict(one)) for one in found]
    shown = [table("name", "version", "stores", "rows", "rows in Redis", "verdict", rows=rows)]
    differences = [
        (one.name, difference.key, difference.column, _short(difference.table), _short(difference.fold))
        for one in found
        for difference in one.differences
    ]
    if differences:
        shown.append(table("name", "key", "column", "stands", "should be", rows=differences))
    answer = found[0] if name != ALL else Verifications(identical=identical, projections=tuple(found))
    invocation.answer(answer, *shown)
    return 0 if identical else EXIT_FAULT


def _amounts(status: ProjectionStatus) -> tuple[object, ...]:
    return (
        status.name,
        status.version,
        "/".join(map(str, status.builds)) or None,
        status.state,
        status.tenants,
        status.position_sum,
        status.head_sum,
        status.lag_events,
        status.lag_seconds,
        status.dead_letters,
        status.rows,
    )


def _in_one_store(status: ProjectionStatus) -> TenantStatus:
    return TenantStatus(
        name=status.name,
        version=status.version,
        builds=status.builds,
        kept=status.kept,
        state=status.state,
        position=status.position_sum,
        head=status.head_sum,
        lag_events=status.lag_events,
        lag_seconds=status.lag_seconds,
        dead_letters=status.dead_letters,
        rows=status.rows,
    )


def _verdict(verification: Verification) -> str:
    count = len(verification.differences)
    return "identical" if verification.identical else f"{count} difference{'' if count == 1 else 's'} or more"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else text[: _MAX_SHOWN_CHARACTERS - 1] + "…"
