"""A task that runs beside everything else a process does, and ends with it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

_CANCELLATIONS: Final = 20
_CANCEL_SECONDS: Final = 0.1


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None], *, name: str) -> AsyncIterator[None]:  # Any: what it is sent: nothing
    """Have it run for the length of a block."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        # redis-py loses a cancellation that arrives while it connects: asked again, the task ends at its next wait.
        for _ in range(_CANCELLATIONS):
            task.cancel()
            done, _pending = await asyncio.wait({task}, timeout=_CANCEL_SECONDS)
            if done:
                break
