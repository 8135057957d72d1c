"""What a process of ours asks of the kernel it runs on: to end when its parent does."""

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

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
