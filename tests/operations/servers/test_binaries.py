"""PostgreSQL from the wheel, or the machine's own."""

import subprocess
from pathlib import Path

import pytest

from operations.servers.errors import InstallationUnusable
from operations.servers.installation import open_installation
from tests.operations.servers.visiting import answers
from tests.servers import TEST_SETTINGS


def test_a_folder_without_programs_is_said(reachable_folder: Path) -> None:
    """The message names the variable to correct."""
    variables = {"SHELFWISE_POSTGRES_BIN": f"{reachable_folder}"}
    with (
        pytest.raises(InstallationUnusable, match="SHELFWISE_POSTGRES_BIN"),
        open_installation(reachable_folder / "data", environment=variables),
    ):
        pass


def test_another_postgresql_serves_and_does_not_touch_a_foreign_cluster(reachable_folder: Path) -> None:
    """PostgreSQL 15 where it is installed; what one version made, another refuses with a reason."""
    programs = _postgresql_of_the_machine()
    variables = {"SHELFWISE_POSTGRES_BIN": f"{programs}"}
    with open_installation(reachable_folder, environment=variables, settings=TEST_SETTINGS) as installation:
        assert answers(installation.write_database_url)
    with (
        pytest.raises(InstallationUnusable, match="was made by PostgreSQL"),
        open_installation(reachable_folder, environment={}, settings=TEST_SETTINGS),
    ):
        pass


def test_a_server_that_does_not_start_says_why(reachable_folder: Path) -> None:
    """Its own words reach the user."""
    impossible = {**TEST_SETTINGS, "shared_buffers": "not an amount"}
    with (
        pytest.raises(InstallationUnusable, match="shared_buffers"),
        open_installation(reachable_folder, environment={}, settings=impossible),
    ):
        pass


def _postgresql_of_the_machine() -> Path:
    try:
        printed = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no PostgreSQL of the machine's own (pg_config)")
    programs = Path(printed.strip())
    if not (programs / "initdb").exists():
        pytest.skip("the machine's PostgreSQL has no server (initdb)")
    return programs
