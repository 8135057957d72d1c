"""A reacting worker that dies: `python -m tests.system.faulty_reactions <fault point> <passage>`; healthy without.

It is the worker's own object graph, settings and loops: only what `reach` does, and what is reacted with, differs.
"""

import os
import sys
from enum import StrEnum
from signal import SIGKILL

import msgspec
import uvloop

from shared_kernel.events.orders import OrderPlaced
from shared_kernel.process import die_with_parent
from shared_kernel.settings import read_settings
from tests.builders.reacting import opening
from write_side.reactions.fault_points import Reach, carry_on
from write_side.reactions.reaction import Reaction
from write_side.webhooks.delivering import Deliveries
from write_side.webhooks.noting import WEBHOOKS
from write_side.webhooks.sending import Sender
from write_side.webhooks.signing import WebhookRules
from write_side.worker import ReactionsSettings, Subscribers, run_until_signalled

TELLING = "telling"


def dying_at(point: str, passage: int) -> Reach:
    """What kills its own process at the N-th passage of one point."""
    passages = 0

    def reach(reached: StrEnum) -> None:
        nonlocal passages
        passages += reached == point
        if passages == passage:
            os.kill(os.getpid(), SIGKILL)

    return reach


def stumbling() -> Reaction:
    """Fails once, in each process, for every order of seven copies."""
    stumbled: set[str] = set()

    def stumble(order: OrderPlaced) -> None:
        if order.item_count == 7 and order.number not in stumbled:
            stumbled.add(order.number)
            message = "stumbled"
            raise ValueError(message)

    return opening(before=stumble, begins="beginning")


def telling(settings: ReactionsSettings) -> Subscribers:
    """What tells receivers of webhooks, soon again where that failed."""
    rules = WebhookRules(secret_key=settings.secret_key, allows_loopback=True)
    deliveries = Deliveries(rules, Sender(allows_loopback=True), schedule=(0.2,) * 20)
    return Subscribers(reactions=(WEBHOOKS,), duties=(deliveries.duty,))


if __name__ == "__main__":
    chosen = read_settings(ReactionsSettings, os.environ)
    if chosen.parent_pid is not None:
        die_with_parent(parent_pid=chosen.parent_pid)
    reach = dying_at(sys.argv[1], int(sys.argv[2])) if sys.argv[2:] else carry_on
    subscribers = Subscribers(reactions=(stumbling(),), duties=())
    if sys.argv[1:2] == [TELLING] or (sys.argv[1:] and sys.argv[1].startswith("webhook_")):
        subscribers = telling(chosen)
    uvloop.run(run_until_signalled(chosen, msgspec.structs.replace(subscribers, reach=reach)))
