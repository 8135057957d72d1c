"""Ending loops that must end when they are told to."""

import asyncio


def heed_cancellation() -> None:
    """Be cancelled, if that was asked for and did not arrive.

    A connection that fails while a cancellation passes through its clean-up puts its own error in the cancellation's
    place; a loop that outlives errors would then outlive its cancellation too.

    Raises:
        asyncio.CancelledError: the current task was cancelled and nobody took it back.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
