"""File locks between commands that share one installation; the kernel lets go of them at kill -9 too."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operations.servers.errors import InstallationUnusable

_POLL_SECONDS = 0.01


def open_lock(path: Path) -> int:
    """A descriptor to lock; the caller closes it, which also unlocks."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, operation: int) -> bool:
    """Take LOCK_SH or LOCK_EX if nobody is in the way."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock(descriptor: int, operation: int, *, what: Path, timeout_seconds: float) -> None:
    """Take LOCK_SH or LOCK_EX, waiting for it.

    Raises:
        InstallationUnusable: somebody holds it for longer than `timeout_seconds`.
    """
    deadline = time.monotonic() + timeout_seconds
    while not try_lock(descriptor, operation):
        if time.monotonic() > deadline:
            message = f"another command holds {what} for more than {timeout_seconds:.0f} s: see what it is doing"
            raise InstallationUnusable(message)
        time.sleep(_POLL_SECONDS)


@contextmanager
def locked(path: Path, operation: int, *, timeout_seconds: float) -> Iterator[int]:
    """Hold a lock on a file for the length of a block; gives its descriptor."""
    descriptor = open_lock(path)
    try:
        lock(descriptor, operation, what=path, timeout_seconds=timeout_seconds)
        yield descriptor
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether somebody holds the file's lock exclusively."""
    descriptor = open_lock(path)
    try:
        return not try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)
