"""A projector that dies: `python -m tests.system.faulty_worker <fault point> <passage>`, or `poisoned <order>`.

At the named passage of a fault point it kills itself as the kernel would; poisoned, folding that order ends the
process; `failing <order>`, it cannot fold that order, and without a name it can fold them all. It is the worker's own
object graph, settings and loops: only what `reach` does, or what is projected, differs.
"""

import os
import signal
import sys
from collections.abc import Sequence

import uvloop

from projections import order_list
from projections.registry import PROJECTIONS
from projections.runtime.catalog import AnyProjection
from projections.runtime.fault_points import FaultPoint, Reach
from projections.worker import ProjectorSettings, run_until_signalled
from shared_kernel.events.orders import OrderPlaced
from shared_kernel.process import die_with_parent
from shared_kernel.settings import read_settings
from tests.builders.tally import failing_on, tally

POISONED = "poisoned"
FAILING = "failing"


def dying_at(point: FaultPoint, passage: int) -> Reach:
    """What kills its own process at the N-th passage of one point."""
    passages = 0

    def reach(reached: FaultPoint) -> None:
        nonlocal passages
        passages += reached is point
        if passages == passage:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def deadly_on(number: str) -> Sequence[AnyProjection]:
    """Projections of which one ends the process when it folds this order."""

    def die(order: OrderPlaced) -> None:
        if order.number == f"SW-{number}":
            os._exit(1)

    return (tally(evolving=die),)


async def _run(settings: ProjectorSettings, kind: str, argument: str) -> None:
    if kind == POISONED:
        await run_until_signalled(settings, projections=deadly_on(argument))
    elif kind == FAILING:
        await run_until_signalled(settings, projections=(tally(evolving=failing_on(argument)), order_list.PROJECTION))
    else:
        await run_until_signalled(settings, projections=PROJECTIONS, reach=dying_at(FaultPoint(kind), int(argument)))


if __name__ == "__main__":
    chosen = read_settings(ProjectorSettings, os.environ)
    if chosen.parent_pid is not None:
        die_with_parent(parent_pid=chosen.parent_pid)
    uvloop.run(_run(chosen, sys.argv[1], sys.argv[2]))
