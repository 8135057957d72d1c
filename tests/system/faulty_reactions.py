"""Reacting workers that die: `python -m tests.system.faulty_reactions <point>:<passage> …`; without, one runs on.

Each is the worker's own object graph, settings, reactions, duties and loops: only what `reach` does, how long sagas
take, and one reaction more, differs.
"""

import os
import random
import signal
import sys
from functools import partial
from uuid import UUID

import msgspec
import uvloop

from shared_kernel.events.orders import OrderPlaced
from shared_kernel.process import die_with_parent
from shared_kernel.settings import read_settings
from tests.builders.reacting import opening
from tests.system.faulty_saga import TIMES
from tests.system.forking import fork_all
from write_side.order_saga.reaction import following_orders
from write_side.reactions.fault_points import Reach, carry_on
from write_side.reactions.reaction import Reaction
from write_side.subscribers import REACTIONS
from write_side.worker import ReactionsSettings, Subscribers, run_until_signalled

STUMBLING_COPIES = 7


def stumbling() -> Reaction:
    """Opens a location for each order, and fails one time in three for those of seven copies; once in each process.

    Each time anew, some order in thousands would fail as often as it takes to be given up, and no campaign be quiet.
    """
    stumbled = set[UUID]()

    def stumble(order: OrderPlaced) -> None:
        if order.item_count != STUMBLING_COPIES or order.order_id in stumbled:
            return
        if not random.randrange(3):  # noqa: S311 - no secret
            stumbled.add(order.order_id)
            message = "stumbled"
            raise ValueError(message)

    return opening(before=stumble, begins="beginning")


def work(settings: ReactionsSettings, reach: Reach) -> None:
    """Be a worker until the end."""
    paying = following_orders(TIMES)
    others = (
        msgspec.structs.replace(one, begins="beginning")  # nothing is lost to where they begin
        for one in REACTIONS
        if one.name != paying.name
    )
    subscribers = Subscribers(reactions=(paying, *others, stumbling()), saga_times=TIMES, reach=reach)
    uvloop.run(run_until_signalled(settings, subscribers))


if __name__ == "__main__":
    chosen = read_settings(ReactionsSettings, os.environ)
    if chosen.parent_pid is not None:
        die_with_parent(parent_pid=chosen.parent_pid, death_signal=signal.SIGKILL)
    if sys.argv[1:]:
        fork_all(sys.argv[1:], partial(work, chosen))
    else:
        work(chosen, carry_on)
