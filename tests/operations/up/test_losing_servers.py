"""`shelfwise up` whose embedded servers end under it."""

import os
import signal
from pathlib import Path

from operations.servers.installation import open_installation
from tests.command_line import CommandLine, children_of, wait_until_gone
from tests.operations.servers.visiting import eventually, is_deserted, keeper_of
from tests.servers import TEST_SETTINGS


def test_up_ends_with_its_servers(reachable_folder: Path) -> None:
    """Running on without them it would answer 503 for ever; it ends with 1 and leaves nothing behind."""
    shelfwise = CommandLine(reachable_folder, {})
    with open_installation(reachable_folder, environment={}, settings=TEST_SETTINGS) as installation:
        with shelfwise.up() as up:
            family = children_of(up.process.pid)
            os.kill(keeper_of(installation), signal.SIGKILL)
            assert up.process.wait(60) == 1
            wait_until_gone(family)
        assert installation.has_lost_its_servers
    assert eventually(lambda: is_deserted(installation))
