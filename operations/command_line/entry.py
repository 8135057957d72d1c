"""Every command there is, by name."""

import click

from operations.command_line.dead_letters import dead_letters
from operations.command_line.doctor import doctor
from operations.command_line.imports import import_group
from operations.command_line.keys import keys
from operations.command_line.log import log_group
from operations.command_line.migrating import migrate
from operations.command_line.projections import projections
from operations.command_line.reactions import reactions
from operations.command_line.sagas import sagas
from operations.command_line.tenants import tenants
from operations.command_line.up import up

_COMMANDS = (up, migrate, tenants, keys, import_group, projections, log_group, dead_letters, reactions, sagas, doctor)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="shelfwise", prog_name="shelfwise")
def shelfwise() -> None:
    """A bookstore backend for many stores at once.

    Every command works on one installation: the folder named by --data (or SHELFWISE_DATA_DIR; default .shelfwise),
    whose servers are started for the command where they are not running, or the servers that
    SHELFWISE_WRITE_DATABASE_URL, SHELFWISE_READ_DATABASE_URL and SHELFWISE_REDIS_URL name.
    """


for _command in _COMMANDS:
    shelfwise.add_command(_command)


def main() -> None:
    """The console script's entry."""
    shelfwise(prog_name="shelfwise")
