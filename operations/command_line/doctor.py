"""`shelfwise doctor`."""

import click

from operations.command_line.examination import examine
from operations.command_line.invocation import EXIT_FAULT, Invocation, command, table


@click.command()
@command
def doctor(invocation: Invocation) -> int:
    """Say what is reachable, migrated, lagging and stuck; exit 1 where something is wrong."""
    found = invocation.on_servers(examine)
    rows = [("ok" if one.ok else "FAULT", one.name, one.detail) for one in found.checks]
    invocation.answer(found, table("", "check", "what was found", rows=rows))
    return 0 if found.healthy else EXIT_FAULT
