"""Reacting workers that die in the middle of sagas: `python -m tests.system.faulty_saga <point>:<passage> …`.

Each is the worker's own object graph, settings and loops: only what `reach` does, and how long things take, differs.
They are forked, a few at once, from a process that has imported everything: starting is what would take the time. Each
dies at the first of these points that it comes to and at which no other has, and prints it. Without arguments a healthy
one runs on.
"""

import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import uvloop

from shared_kernel.process import die_with_parent
from shared_kernel.settings import read_settings
from write_side.order_saga.reaction import following_orders
from write_side.order_saga.times import SagaTimes
from write_side.reactions.fault_points import Reach, carry_on
from write_side.worker import ReactionsSettings, Subscribers, run_until_signalled

TIMES = SagaTimes(
    confirm_seconds=3600.0,
    hold_seconds=3600.0,
    poll_seconds=0.5,
    lease_seconds=0.5,
    asking_lease_seconds=2.5,
    longest_pause_seconds=0.2,
    idle_seconds=0.05,
)
_AT_ONCE = 4
"""They race each other."""


def work(settings: ReactionsSettings, reach: Reach) -> None:
    """Be a worker until the end."""
    subscribers = Subscribers(reactions=(following_orders(TIMES),), saga_times=TIMES, reach=reach)
    uvloop.run(run_until_signalled(settings, subscribers))


def dying_at_any(deaths: Sequence[str], claims: Path) -> Reach:
    """What kills its own process at the first `<point>:<passage>` at which no other has died; it says which."""
    passages: Counter[str] = Counter()

    def reach(point: StrEnum) -> None:
        passages[point] += 1
        death = f"{point.value}:{passages[point]}"
        if death in deaths and _is_first(claims / death):
            sys.stdout.write(f"{death}\n")
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def fork_all(settings: ReactionsSettings, deaths: Sequence[str]) -> None:
    """As many workers as deaths, a few at once, until all have died."""
    started, alive, parent = 0, set[int](), os.getpid()
    with tempfile.TemporaryDirectory(prefix="shelfwise-claims-") as claims:
        while started < len(deaths) or alive:  # bounded: each turn starts a worker or buries one
            if started < len(deaths) and len(alive) < _AT_ONCE:
                started += 1
                child = os.fork()
                if not child:
                    die_with_parent(parent_pid=parent, death_signal=signal.SIGKILL)
                    work(settings, dying_at_any(deaths, Path(claims)))
                    os._exit(1)
                alive.add(child)
                continue
            buried, status = os.wait()
            assert os.WIFSIGNALED(status), buried
            assert os.WTERMSIG(status) == signal.SIGKILL, buried
            alive.remove(buried)


def _is_first(claim: Path) -> bool:
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


if __name__ == "__main__":
    chosen = read_settings(ReactionsSettings, os.environ)
    if chosen.parent_pid is not None:
        die_with_parent(parent_pid=chosen.parent_pid, death_signal=signal.SIGKILL)
    if sys.argv[1:]:
        fork_all(chosen, sys.argv[1:])
    else:
        work(chosen, carry_on)
