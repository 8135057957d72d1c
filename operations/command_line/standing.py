"""`shelfwise projections pause`, `resume`, `rollback`, `cancel`, `drop-kept`, `retire`."""

import click

from operations.command_line.invocation import Invocation, command
from operations.in_house import pool_as
from operations.projecting.following import Kind
from operations.projecting.standing import Obeyed, Order, obey
from operations.servers.installation import Installation
from operations.stores import tenant_id_of
from projections.registry import PROJECTIONS
from shared_kernel.database.roles import DatabaseRole

_VERSIONS = {one.view.name: one.view.version for one in PROJECTIONS}
_NAME = click.argument("name", type=click.Choice([*_VERSIONS]), metavar="NAME")
_TENANT = click.option("--tenant", "slug", metavar="SLUG", help="One store; else all.")


@click.command()
@_NAME
@command
def pause(invocation: Invocation, *, name: str) -> None:
    """Have a projection stand still in every store; queries of it say how far behind it is."""
    _have_done(invocation, "pause", name, None, said="stands still until `shelfwise projections resume`")


@click.command()
@_NAME
@command
def resume(invocation: Invocation, *, name: str) -> None:
    """Let a paused projection go on from where it stands."""
    _have_done(invocation, "resume", name, None, said="goes on")


@click.command()
@_NAME
@_TENANT
@command
def rollback(invocation: Invocation, *, name: str, slug: str | None) -> None:
    """Read the build again that a rebuild with --keep-old has left; the one that is left now is kept in its turn."""
    _have_done(invocation, "rollback", name, slug, said="is read from the build that was kept")


@click.command()
@_NAME
@_TENANT
@command
def cancel(invocation: Invocation, *, name: str, slug: str | None) -> None:
    """Give up the rebuild of a projection; stores that have been switched stay so."""
    _have_done(invocation, "cancel", name, slug, said="is not rebuilt any more")


@click.command("drop-kept")
@_NAME
@_TENANT
@command
def drop_kept(invocation: Invocation, *, name: str, slug: str | None) -> None:
    """Give up the build that was kept for a rollback."""
    _have_done(invocation, "drop_kept", name, slug, said="has no build to roll back to")


@click.command()
@click.argument("name", metavar="NAME")
@click.argument("version", type=click.IntRange(min=1), metavar="VERSION")
@command
def retire(invocation: Invocation, *, name: str, version: int) -> None:
    """Drop the table of a version that no release runs any more."""

    async def work(installation: Installation) -> Obeyed:
        return await obey(installation, Order(kind="retire", name=name, version=version))

    invocation.answer(invocation.on_servers(work), f"{name}@{version} is no more")


def _have_done(invocation: Invocation, kind: Kind, name: str, slug: str | None, *, said: str) -> None:
    async def work(installation: Installation) -> Obeyed:
        async with pool_as(DatabaseRole.OPERATOR, installation, read=False) as write_pool:
            tenant_id = await tenant_id_of(write_pool, slug)
        return await obey(installation, Order(kind=kind, name=name, version=_VERSIONS[name], tenant_id=tenant_id))

    obeyed = invocation.on_servers(work)
    builds = "" if obeyed.to_build is None else f" (build {obeyed.from_build} → {obeyed.to_build})"
    invocation.answer(obeyed, f"{obeyed.name}@{obeyed.version} {said}{builds}")
