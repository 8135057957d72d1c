"""Progress on stderr: a bar where a person watches, JSON lines otherwise."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_LINE_INTERVAL_SECONDS = 2.0
"""Fast enough to see that it lives, slow enough for a log file."""


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    event: str
    task: str
    done: int
    of: int | None


class Shown:
    """How far one task is."""

    def __init__(self, task: str, bar: tuple[Progress, TaskID] | None) -> None:
        self._task = task
        self._bar = bar
        self._next_line_at = time.monotonic() + _LINE_INTERVAL_SECONDS

    def at(self, done: int, of: int | None = None) -> None:
        """Show that so much is done, of so much where that is known."""
        if self._bar is not None:
            progress, task_id = self._bar
            progress.update(task_id, completed=done, total=of)
            return
        now = time.monotonic()
        if now >= self._next_line_at:
            self._next_line_at = now + _LINE_INTERVAL_SECONDS
            line = _Line(event="progress", task=self._task, done=done, of=of)
            sys.stderr.write(msgspec.json.encode(line).decode() + "\n")
            sys.stderr.flush()


@contextmanager
def progress(task: str) -> Iterator[Shown]:
    """Show a task's progress for the block."""
    if not sys.stderr.isatty():
        yield Shown(task, None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Shown(task, (bar, bar.add_task(task, total=None)))
