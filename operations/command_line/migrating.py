"""`shelfwise migrate`."""

import click
import msgspec

from migrations.apply import migrate as bring_up_to_date
from migrations.apply import pending
from operations.command_line.invocation import EXIT_FAULT, Invocation, command
from operations.servers.installation import Installation


class Migrated(msgspec.Struct, frozen=True, kw_only=True):
    """Which revisions were missing, by database, and whether they still are."""

    pending: dict[str, list[str]]
    applied: bool


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 where a migration is missing.")
@command
def migrate(invocation: Invocation, *, check: bool) -> int:
    """Bring both databases to this release's schema; doing it again changes nothing."""

    async def work(installation: Installation) -> dict[str, list[str]]:
        missing = await missing_revisions(installation)
        if not check:
            await migrate_installation(installation)
        return missing

    missing = invocation.on_servers(work)
    revisions = [f"{history} {revision}" for history, names in missing.items() for revision in sorted(names)]
    done = "missing" if check else "applied"
    lines = [f"{done}: {', '.join(revisions)}"] if revisions else ["both databases are up to date"]
    invocation.answer(Migrated(pending=missing, applied=not check), *lines)
    return EXIT_FAULT if check and revisions else 0


async def missing_revisions(installation: Installation) -> dict[str, list[str]]:
    """Revisions not yet applied, by database."""
    return await pending(write_admin_url=installation.write_database_url, read_admin_url=installation.read_database_url)


async def migrate_installation(installation: Installation) -> None:
    """Create roles, and upgrade both databases."""
    await bring_up_to_date(
        write_admin_url=installation.write_database_url,
        read_admin_url=installation.read_database_url,
        role_passwords=installation.role_passwords,
    )
