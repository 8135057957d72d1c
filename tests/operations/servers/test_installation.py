"""One data folder, used by several commands at once, ended in every way a command can end."""

import os
import signal
import stat
from pathlib import Path

import asyncpg
import pytest

from operations.servers.errors import InstallationUnusable
from operations.servers.installation import open_installation
from operations.servers.record import RECORD_FILE
from tests.operations.servers.visiting import answers, eventually, is_deserted, keeper_of, stays_up, visitor
from tests.servers import TEST_SETTINGS

NO_VARIABLES: dict[str, str] = {}


async def test_gives_two_databases_on_a_real_server(reachable_folder: Path) -> None:
    """The administrator's URLs lead to the write and the read database."""
    with open_installation(reachable_folder, environment=NO_VARIABLES, settings=TEST_SETTINGS) as installation:
        for url, name in (
            (installation.write_database_url, "shelfwise_write"),
            (installation.read_database_url, "shelfwise_read"),
        ):
            connection = await asyncpg.connect(url)
            assert await connection.fetchval("SELECT current_database()") == name
            assert await connection.fetchval("SHOW password_encryption") == "scram-sha-256"
            await connection.close()


async def test_the_wrong_password_is_refused(reachable_folder: Path) -> None:
    """Being on this machine is not enough."""
    with open_installation(reachable_folder, environment=NO_VARIABLES, settings=TEST_SETTINGS) as installation:
        record = (reachable_folder / RECORD_FILE).stat()
        assert stat.S_IMODE(record.st_mode) == 0o600
        head, _, host = installation.write_database_url.rpartition("@")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(f"{head.rpartition(':')[0]}:guessed@{host}")


def test_is_the_same_when_opened_again(reachable_folder: Path) -> None:
    """Secrets, addresses and data outlive the servers' processes."""
    with open_installation(reachable_folder, environment=NO_VARIABLES, settings=TEST_SETTINGS) as first:
        pass
    assert is_deserted(first)
    with open_installation(reachable_folder, environment=NO_VARIABLES, settings=TEST_SETTINGS) as second:
        assert second.secret_key == first.secret_key
        assert second.role_passwords == first.role_passwords
        assert second.write_database_url == first.write_database_url
    assert is_deserted(second)


def test_commands_at_once_share_the_servers(reachable_folder: Path) -> None:
    """Both get the same; the servers stay until the last has left, whoever started them."""
    with visitor(reachable_folder) as one, visitor(reachable_folder) as other:
        installation = one.installation()
        assert other.installation() == installation
        one.leave()
        assert answers(installation.write_database_url)
        assert answers(installation.redis_url)
        other.leave()
        assert is_deserted(installation)


def test_kill_9_of_the_only_user_leaves_nothing(reachable_folder: Path) -> None:
    """The kernel lets go of the lock, the keeper sees it."""
    with visitor(reachable_folder) as only:
        installation = only.installation()
        only.process.kill()
        only.process.wait()
        assert eventually(lambda: is_deserted(installation))


def test_kill_9_of_who_started_them_does_not_disturb_who_uses_them(reachable_folder: Path) -> None:
    """The servers belong to the keeper, not to the first to come."""
    with visitor(reachable_folder) as first:
        installation = first.installation()
        with visitor(reachable_folder) as second:
            second.installation()
            first.process.kill()
            first.process.wait()
            assert stays_up(installation.write_database_url, seconds=0.5)
            second.leave()
    assert eventually(lambda: is_deserted(installation))


def test_kill_9_of_the_keeper_ends_the_servers_and_the_next_command_recovers(reachable_folder: Path) -> None:
    """The kernel ends its children; what they left behind is recognised, and they come back where they were."""
    with visitor(reachable_folder) as orphaned:
        before = orphaned.installation()
        os.kill(keeper_of(before), signal.SIGKILL)
        assert eventually(lambda: is_deserted(before))
        with open_installation(reachable_folder, environment=NO_VARIABLES, settings=TEST_SETTINGS) as after:
            assert after == before
            assert answers(before.write_database_url)
    # The visitor, who used them until now, was killed too: wait before the folder is removed.
    assert eventually(lambda: is_deserted(before))


def test_a_stale_pid_file_that_names_a_stranger_does_not_stop_the_start(reachable_folder: Path) -> None:
    """After a reboot the recorded process id may be anybody's: it is ours here, and still alive afterwards."""
    with open_installation(reachable_folder, environment=NO_VARIABLES, settings=TEST_SETTINGS):
        pass
    pid_file = reachable_folder / "servers/postgres/postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{reachable_folder / 'servers/postgres'}\n", encoding="ascii")
    with open_installation(reachable_folder, environment=NO_VARIABLES, settings=TEST_SETTINGS) as installation:
        assert answers(installation.write_database_url)


def test_a_damaged_record_is_said_and_kept(reachable_folder: Path) -> None:
    """Making new secrets would lock the old data away for good."""
    (reachable_folder / RECORD_FILE).write_text("{", encoding="ascii")
    with (
        pytest.raises(InstallationUnusable, match="is damaged"),
        open_installation(reachable_folder, environment=NO_VARIABLES, settings=TEST_SETTINGS),
    ):
        pass
    assert (reachable_folder / RECORD_FILE).read_text(encoding="ascii") == "{"


def test_a_folder_that_cannot_be_made_is_said(reachable_folder: Path) -> None:
    """The message names the folder and the way out."""
    (reachable_folder / "file").touch()
    with (
        pytest.raises(InstallationUnusable, match="choose another with --data"),
        open_installation(reachable_folder / "file" / "data", environment=NO_VARIABLES),
    ):
        pass


def test_a_folder_may_have_any_name_and_its_logs_are_its_owners(reachable_folder: Path) -> None:
    """Quotes and backslashes stand in a configuration's lines; servers quote in their logs what they are sent."""
    folder = reachable_folder / """an "odd" folder's \\ name"""
    with open_installation(folder, environment=NO_VARIABLES, settings=TEST_SETTINGS) as installation:
        assert answers(installation.redis_url)
        files = {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir() if each.is_file()}
    assert {"keeper.log", "postgres.log", "valkey.log", RECORD_FILE} < set(files)
    assert set(files.values()) == {0o600}
