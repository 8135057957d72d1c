"""Each alembic history is one line: two migrations of one number meet when their branches do, and break every start."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

import migrations

_ROOM = Path(migrations.__file__).parent
_NAMES = re.compile(r'^(revision|down_revision) = "?([^"\n]+)"?$', re.MULTILINE)


@pytest.mark.parametrize("history", ["write", "read"])
def test_a_history_is_one_line(history: str) -> None:
    """Every file is named after its revision and follows the one before it."""
    files = sorted((_ROOM / history / "versions").glob("[0-9]*.py"))
    told = [(file.name[:4], dict(_NAMES.findall(file.read_text()))) for file in files]
    assert [names["revision"] for _, names in told] == [number for number, _ in told]
    assert told[0][1]["down_revision"] == "None"
    for (before, _), (number, names) in pairwise(told):
        assert names["down_revision"] == before, number
