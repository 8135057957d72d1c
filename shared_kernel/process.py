"""What a process of ours asks of the kernel, and of Python: to end with its parent, and not to be looked through."""

import asyncio
import ctypes
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

_COLLECT_EVERY = 50_000
"""Objects more than there were: some batches' worth, a few megabytes."""
_COLLECT_SERVING_EVERY = 10_000
"""The same where requests are answered: more than a hundred under way hold, and a look of less than a millisecond."""
_EACH_GENERATION_EVERY = 20

# Looked up once, in the parent: between fork and exec nothing may be loaded.
_prctl: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl


def die_with_parent(*, parent_pid: int, death_signal: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send this process a signal when its parent ends, even by kill -9.

    Call it in the child. It holds for the parent's *thread* that started the child, so start children
    from a thread that lives as long as they should; it is lost when the process changes its user.

    Args:
        parent_pid: who started this process, read before the start; a parent that ended in
            between is recognised by it.
        death_signal: what to send; SIGKILL for what must not linger.

    Raises:
        OSError: the kernel refused.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    if _prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    if os.getppid() != parent_pid:
        os.kill(os.getpid(), death_signal)


@contextmanager
def hearing_of_its_end(call: Callable[[], object]) -> Iterator[None]:
    """Have something called in the running loop as soon as this process is told to end, beside what its server does.

    A server lets what is open finish before it ends the application's lifetime, and what is open may be a stream. The
    loop dispatches a signal by its number, whatever Python's own handler is: that one is free for us. Only the main
    thread can take it; in another, nothing is heard and nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)

    def hear(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGTERM, hear)
    signal.siginterrupt(signal.SIGTERM, False)  # noqa: FBT003 - as asyncio does for the handlers of its own
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is hear:
            signal.signal(signal.SIGTERM, before)
            signal.siginterrupt(signal.SIGTERM, False)  # noqa: FBT003 - as above


def keep_for_good() -> None:
    """What this process holds now it holds as long as it lives: cycles are no longer looked for there, else seldom.

    Call it once everything is imported and built. Each look through some hundred thousand classes, functions and routes
    stops the process for fifty milliseconds, and comes about every few thousand requests. And by default what thirty
    requests under way hold is looked through dozens of times a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_SERVING_EVERY, _EACH_GENERATION_EVERY, _EACH_GENERATION_EVERY)


def collect_rarely() -> None:
    """Have Python look for cycles seldom, in a process that holds thousands of rows and events for a moment.

    None of these is in a cycle, and by default they are looked through every seven hundred: half of the time that
    decoding and folding took.
    """
    gc.set_threshold(_COLLECT_EVERY, _EACH_GENERATION_EVERY, _EACH_GENERATION_EVERY)
