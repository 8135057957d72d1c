"""Reacting workers that die in the middle of sagas: `python -m tests.system.faulty_saga <point>:<passage> …`.

Each is the worker's own object graph, settings and loops: only what `reach` does, and how long things take, differs.
They are forked, a few at once, from a process that has imported everything: starting is what would take the time. Where
one has died, its point is printed; without arguments one healthy worker runs on.
"""

import os
import signal
import sys
from collections.abc import Sequence

import uvloop

from shared_kernel.process import die_with_parent
from shared_kernel.settings import read_settings
from tests.system.faulty_reactions import dying_at
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
"""They race each other, and each waits for its own point."""


def work(settings: ReactionsSettings, reach: Reach) -> None:
    """Be a worker until the end."""
    subscribers = Subscribers(reactions=(following_orders(TIMES),), saga_times=TIMES, reach=reach)
    uvloop.run(run_until_signalled(settings, subscribers))


def fork_all(settings: ReactionsSettings, deaths: Sequence[str]) -> None:
    """A worker for each death, a few at once, until all have died."""
    pending, alive = list(deaths), dict[int, str]()
    parent = os.getpid()
    while pending or alive:  # bounded: each turn starts a worker or buries one
        if pending and len(alive) < _AT_ONCE:
            death = pending.pop(0)
            child = os.fork()
            if not child:
                die_with_parent(parent_pid=parent, death_signal=signal.SIGKILL)
                point, _, passage = death.partition(":")
                work(settings, dying_at(point, int(passage)))
                os._exit(1)
            alive[child] = death
            continue
        buried, status = os.wait()
        assert os.WIFSIGNALED(status), alive[buried]
        assert os.WTERMSIG(status) == signal.SIGKILL, alive[buried]
        sys.stdout.write(alive.pop(buried) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    chosen = read_settings(ReactionsSettings, os.environ)
    if chosen.parent_pid is not None:
        die_with_parent(parent_pid=chosen.parent_pid, death_signal=signal.SIGKILL)
    if sys.argv[1:]:
        fork_all(chosen, sys.argv[1:])
    else:
        work(chosen, carry_on)
