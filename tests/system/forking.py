"""Workers that die: forked, a few at once, from a process that has imported everything; starting is what takes time.

Each waits for its own point, and they race each other. Where one has died, its death is printed.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum

from shared_kernel.process import die_with_parent
from write_side.reactions.fault_points import Reach

_AT_ONCE = 4


def dying_at(point: str, passage: int) -> Reach:
    """What kills its own process at the N-th passage of one point."""
    passages = 0

    def reach(reached: StrEnum) -> None:
        nonlocal passages
        passages += reached == point
        if passages == passage:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def fork_all(deaths: Sequence[str], work: Callable[[Reach], None]) -> None:
    """A worker for each `<point>:<passage>`, a few at once, until all have died."""
    pending, alive = list(deaths), dict[int, str]()
    parent = os.getpid()
    while pending or alive:  # bounded: each turn starts a worker or buries one
        if pending and len(alive) < _AT_ONCE:
            death = pending.pop(0)
            child = os.fork()
            if not child:
                die_with_parent(parent_pid=parent, death_signal=signal.SIGKILL)
                point, _, passage = death.partition(":")
                work(dying_at(point, int(passage)))
                os._exit(1)
            alive[child] = death
            continue
        buried, status = os.wait()
        assert os.WIFSIGNALED(status), alive[buried]
        assert os.WTERMSIG(status) == signal.SIGKILL, alive[buried]
        sys.stdout.write(alive.pop(buried) + "\n")
        sys.stdout.flush()
