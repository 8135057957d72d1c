"""`shelfwise log`: archive."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import click
import msgspec

from operations.archiving.archiving import Archived, Archiver
from operations.archiving.planning import StorePlan, plan
from operations.command_line.invocation import Invocation, command, table
from operations.command_line.progress import progress
from operations.errors import CommandFailed
from operations.in_house import pool_as
from operations.servers.installation import Installation
from operations.stores import store_named
from projections.registry import PROJECTIONS
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.log.archive.storage import Storage, UnusableArchiveUrlError, open_storage
from shared_kernel.monitor.looking import Version

ARCHIVE_VARIABLE = "SHELFWISE_ARCHIVE_URL"
_ALONE = "SELECT pg_try_advisory_lock(hashtextextended('log.archive', 0))"


class StoreArchived(msgspec.Struct, frozen=True, kw_only=True):
    """What was, or would be, archived of one store; `held_back` events are old enough, and still to be folded."""

    tenant: str
    until: int
    events: int
    held_back: int


class LogArchived(msgspec.Struct, frozen=True, kw_only=True):
    """What was, or would be, archived."""

    before: datetime
    dry_run: bool
    files: int
    events: int
    bytes: int
    stores: tuple[StoreArchived, ...]


@click.group("log")
def log_group() -> None:
    """Look after the event log."""


@log_group.command()
@click.option(
    "--before", type=click.DateTime(["%Y-%m-%d"]), required=True, metavar="DATE", help="Recorded before this day, UTC."
)
@click.option("--to", "url", envvar=ARCHIVE_VARIABLE, required=True, metavar="URL", show_envvar=True,
              help="file:///srv/archive, which projectors must see too, or s3://bucket/prefix.")  # fmt: skip
@click.option("--tenant", "slug", metavar="SLUG", help="One store; else all.")
@click.option("--dry-run", is_flag=True, help="Say what would be moved, and move nothing.")
@command
def archive(invocation: Invocation, *, before: datetime, url: str, slug: str | None, dry_run: bool) -> None:
    """Move old events to compressed files, which rebuild, verify and explain go on reading.

    An event leaves the log only after its file was read back and compared with it. Killed anywhere, the next run goes
    on. What some projection or reaction has not folded yet stays.
    """
    moment = before.replace(tzinfo=UTC)
    target = _storage(url)

    async def work(installation: Installation) -> LogArchived:
        return await _archive(installation, target, before=moment, slug=slug, dry_run=dry_run)

    done = invocation.on_servers(work)
    rows = [(one.tenant, one.until, one.events, one.held_back) for one in done.stores if one.events or one.held_back]
    verb = "would be moved" if dry_run else f"moved to {done.files} files of {done.bytes:,} bytes"
    shown = table("store", "until", "events", "held back", rows=rows)
    invocation.answer(done, shown, f"{done.events:,} events {verb}")


def _storage(url: str) -> Storage:
    try:
        return open_storage(url)
    except UnusableArchiveUrlError as error:
        raise CommandFailed(str(error)) from error


async def _archive(
    installation: Installation, target: Storage, *, before: datetime, slug: str | None, dry_run: bool
) -> LogArchived:
    async with AsyncExitStack() as stack:
        write_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=False, size=2))
        read_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=True, size=1))
        write = await stack.enter_async_context(write_pool.acquire())
        if not await write.fetchval(_ALONE):
            raise CommandFailed("another `shelfwise log archive` is at work: wait until it has ended")
        tenant_id = None if slug is None else (await store_named(write_pool, slug)).id
        versions = [Version(name=one.view.name, version=one.view.version) for one in PROJECTIONS]
        async with read_pool.acquire() as read:
            plans = await plan(write, read, before=before, tenant_id=tenant_id, versions=versions)
        total = sum(one.events for one in plans)
        done = Archived(events=total)
        if not dry_run:
            with progress("archive") as shown:
                moved = 0

                def on_events(count: int) -> None:
                    nonlocal moved
                    moved += count
                    shown.at(moved, total)

                archiver = Archiver(write=write, storage=target, on_events=on_events)
                done = await _all(archiver, plans)
    return LogArchived(
        before=before,
        dry_run=dry_run,
        files=done.files,
        events=done.events,
        bytes=done.bytes,
        stores=tuple(
            StoreArchived(tenant=one.slug, until=one.until, events=one.events, held_back=one.held_back) for one in plans
        ),
    )


async def _all(archiver: Archiver, plans: Sequence[StorePlan]) -> Archived:
    done = Archived()
    for one in plans:
        done = done.and_also(await archiver.archive(one))
    return done
