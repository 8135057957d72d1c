"""Every command there is, by name; a process imports only the one that it is asked for."""

from collections.abc import Mapping
from importlib import import_module

import click

from shared_kernel.process import collect_rarely

_ROOM = "operations.command_line"
_COMMANDS: Mapping[str, str] = {
    "up": "up:up",
    "migrate": "migrating:migrate",
    "tenants": "tenants:tenants",
    "keys": "keys:keys",
    "import": "imports:import_group",
    "projections": "projections:projections",
    "log": "log:log_group",
    "dead-letters": "dead_letters:dead_letters",
    "reactions": "reactions:reactions",
    "sagas": "sagas:sagas",
    "doctor": "doctor:doctor",
}
"""The module and the name in it. Importing them all takes a second of a core, several times what most of them do."""


class _OnDemand(click.Group):
    """Commands in the table's order, each imported when it is looked at (Click: "Lazily Loading Subcommands")."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Without importing any."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """None where there is no such command, which Click tells the user."""
        del ctx
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command = getattr(import_module(f"{_ROOM}.{module}"), name)
        assert isinstance(command, click.Command), place
        return command


@click.group(cls=_OnDemand, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="shelfwise", prog_name="shelfwise")
def shelfwise() -> None:
    """A bookstore backend for many stores at once.

    Every command works on one installation: the folder named by --data (or SHELFWISE_DATA_DIR; default .shelfwise),
    whose servers are started for the command where they are not running, or the servers that
    SHELFWISE_WRITE_DATABASE_URL, SHELFWISE_READ_DATABASE_URL and SHELFWISE_REDIS_URL name.
    """


def main() -> None:
    """The console script's entry."""
    collect_rarely()  # an import and a verification hold thousands of rows
    shelfwise(prog_name="shelfwise")
