"""Waiting in tests: for a condition, with a bound, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")

_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.2


async def eventually(
    look: Callable[[], Awaitable[ResultT]], holds: Callable[[ResultT], bool] = bool, *, within_seconds: float = 60.0
) -> ResultT:
    """What `look` gives once it `holds`.

    Raises:
        AssertionError: it did not in time; the message shows what was seen last.
    """
    deadline = time.monotonic() + within_seconds
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        seen = await look()
        if holds(seen):
            return seen
        if time.monotonic() > deadline:
            message = f"not within {within_seconds} s; last seen: {seen!r}"
            raise AssertionError(message)
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 1.5)
