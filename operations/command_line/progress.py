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
    per_second: float
    remaining_seconds: float | None


class Shown:
    """How far one task is."""

    def __init__(self, task: str, bar: tuple[Progress, TaskID] | None) -> None:
        self._task = task
        self._bar = bar
        self._began: tuple[float, int] | None = None
        self._next_line_at = time.monotonic() + _LINE_INTERVAL_SECONDS

    def at(self, done: int, of: int | None = None) -> None:
        """Show that so much is done, of so much where that is known."""
        now = time.monotonic()
        began_at, began_with = self._began = self._began or (now, done)
        per_second = (done - began_with) / (now - began_at) if now > began_at else 0.0
        if self._bar is not None:
            progress, task_id = self._bar
            progress.update(task_id, completed=done, total=of, speed=f"{per_second:,.0f}/s")
            return
        if now >= self._next_line_at:
            self._next_line_at = now + _LINE_INTERVAL_SECONDS
            line = _Line(
                event="progress",
                task=self._task,
                done=done,
                of=of,
                per_second=round(per_second, 1),
                remaining_seconds=round((of - done) / per_second, 1) if of is not None and per_second else None,
            )
            sys.stderr.write(msgspec.json.encode(line).decode() + "\n")
            sys.stderr.flush()


@contextmanager
def progress(task: str, *, as_lines: bool = False) -> Iterator[Shown]:
    """Show a task's progress for the block; as JSON lines where nobody watches, or where asked for."""
    if as_lines or not sys.stderr.isatty():
        yield Shown(task, None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Shown(task, (bar, bar.add_task(task, total=None, speed="")))
