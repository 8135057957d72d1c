"""What can be seen without any server."""

import os
from pathlib import Path

import click
import pytest

from operations.command_line.entry import shelfwise
from tests.command_line import CommandLine, inside

COMMANDS = (
    ("up",),
    ("migrate",),
    ("tenants", "create"),
    ("tenants", "list"),
    ("keys", "create"),
    ("keys", "list"),
    ("keys", "revoke"),
    ("import", "catalogue"),
    ("import", "orders"),
    ("projections", "list"),
    ("projections", "status"),
    ("projections", "rebuild"),
    ("projections", "verify"),
    ("sagas", "list"),
    ("sagas", "show"),
    ("sagas", "retry"),
    ("sagas", "resolve"),
    ("doctor",),
)


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_takes_data_and_json(names: tuple[str, ...]) -> None:
    """The contract's two options are on every command."""
    command: click.Command = shelfwise
    for name in names:
        assert isinstance(command, click.Group)
        command = inside(command, name)
    assert {"data_dir", "as_json"} <= {parameter.name for parameter in command.params}


def test_usage_errors_exit_with_two(tmp_path: Path) -> None:
    """A word that is no command, an option that is no option, a format that is none."""
    command = CommandLine(tmp_path, {})
    wrong = (("nonsense",), ("migrate", "--nonsense"), ("projections", "verify", "nonsense"), ("keys", "create"))
    for words in wrong:
        done = command.run(*words)
        assert (done.code, done.stdout) == (2, ""), words
        assert "Traceback" not in done.stderr


def test_half_of_the_urls_is_refused(tmp_path: Path) -> None:
    """One URL without the others would mix servers: a sentence, and exit 1."""
    command = CommandLine(tmp_path, {"SHELFWISE_REDIS_URL": "redis://127.0.0.1:1"})
    done = command.run("doctor")
    assert done.code == 1
    assert "set all three, or none for embedded servers" in done.stderr


@pytest.mark.parametrize(("name", "value"), [("SHELFWISE_LOG_LEVEL", "loud"), ("SHELFWISE_LOG_FORMAT", "xml")])
def test_a_setting_that_is_none_is_named(tmp_path: Path, name: str, value: str) -> None:
    """In one sentence, before any server is started."""
    done = CommandLine(tmp_path, {name: value}).run("doctor")
    assert done.code == 1
    assert done.stderr.startswith(f"shelfwise: {name} is not one of ")
    assert len(done.stderr.splitlines()) == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [("catalogue", "--format", "csv"), ("orders", "--format", "online-retail")])
def test_a_report_never_overwrites_what_is_imported(tmp_path: Path, kind: tuple[str, ...]) -> None:
    """Under another name for it neither."""
    file, other_name = tmp_path / "mine.csv", tmp_path / "link.csv"
    file.write_text("title\n")
    other_name.symlink_to(file)
    done = CommandLine(tmp_path, {}).run("import", *kind, "--tenant", "harbour", file, "--report", other_name)
    assert done.code == 2
    assert "--report names the very file" in done.stderr
    assert file.read_text() == "title\n"


@pytest.mark.parametrize("name", ["", "a" * 201])
def test_a_key_s_name_has_a_length(tmp_path: Path, name: str) -> None:
    """Known before any server is asked."""
    done = CommandLine(tmp_path, {}).run("keys", "create", "--tenant", "harbour", "--role", "owner", "--name", name)
    assert (done.code, done.stdout) == (2, "")
    assert "these are not a key's settings" in done.stderr


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """The second look at it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    done = CommandLine(tmp_path, {}).run(
        "import", "orders", "--format", "online-retail", "--tenant", "harbour", tmp_path / "pipe"
    )
    assert done.code == 2
    assert "save it to a file first" in done.stderr
