"""When a message is tried again, and when a receiver is given up."""

from collections.abc import Callable
from typing import Final

RETRY_SECONDS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""At once, then after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h: ten attempts in three days.

Source: Standard Webhooks 1.0, "Retry schedule".
"""
_JITTER: Final = 0.2


def delay_seconds(
    attempts: int, *, schedule: tuple[float, ...], random: Callable[[], float], at_least: int | None
) -> float | None:
    """How long after this many failed attempts the next is made; None after the last.

    Args:
        schedule: pauses, in seconds.
        random: from 0 to 1, so that those who failed together do not all come back together.
        at_least: what the receiver asked for, in seconds.
    """
    if attempts > len(schedule):
        return None
    pause = schedule[attempts - 1]
    return max(pause + pause * _JITTER * random(), float(at_least or 0))
