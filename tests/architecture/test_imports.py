"""Importing any module opens no socket, reads no setting and starts nothing."""

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("migrations", "operations", "projections", "read_side", "shared_kernel", "write_side")

# Alembic's env.py and the versions beside it run inside a migration, by alembic's own loader.
_IMPORT_EVERYTHING = """
import importlib, pkgutil, socket, sys

class Refusing(socket.socket):
    def __init__(self, *arguments, **named):
        raise AssertionError("a socket was opened while importing")

socket.socket = Refusing
count = 0
for package in sys.argv[1:]:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.endswith((".env", ".__main__")):
            importlib.import_module(module.name)
            count += 1
print(count)
"""


def test_importing_every_module_opens_no_socket_and_needs_no_environment() -> None:
    """In a process of its own, without any variable of ours; a socket would be refused and seen."""
    done = _imported(_IMPORT_EVERYTHING)
    assert done.returncode == 0, done.stderr
    modules = [path for package in PACKAGES for path in (CHECKOUT / package).rglob("*.py")]
    assert int(done.stdout) > len(modules) * 3 // 4, "packages without an __init__.py are not walked"


def test_a_socket_would_be_seen() -> None:
    """The check itself, with a module that opens one."""
    planted = _IMPORT_EVERYTHING.replace("count = 0", "import asyncio; asyncio.new_event_loop()")
    done = _imported(planted)
    assert done.returncode != 0
    assert "a socket was opened while importing" in done.stderr


def _imported(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *PACKAGES],
        cwd=CHECKOUT,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
