"""What can be seen without any server."""

from pathlib import Path

import pytest

from operations.command_line.entry import shelfwise
from tests.command_line import CommandLine

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
    ("doctor",),
)


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_takes_data_and_json(names: tuple[str, ...]) -> None:
    """The contract's two options are on every command."""
    command = shelfwise
    for name in names:
        command = command.commands[name]  # type: ignore[assignment]  # groups until the last
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
