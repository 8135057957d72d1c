"""Where the real input is, or why a test that needs it does not run."""

import os
from pathlib import Path

import pytest

_PROJECT_ROOT = Path(__file__).resolve().parents[3]


def real_input(name: str) -> Path:
    """The file of that name; a test without it is skipped, naming the folder that is missing."""
    folder = Path(os.environ.get("SHELFWISE_DATA") or _PROJECT_ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"the real input is not here: no folder {folder} (SHELFWISE_DATA may name another)")
    path = folder / name
    assert path.is_file(), f"{folder} is there, but {name} is not in it"
    return path
