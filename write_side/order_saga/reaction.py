"""The saga's ear at the log."""

from collections.abc import Sequence
from functools import partial

from shared_kernel.events.envelope import Event, Recorded
from write_side.order_saga.following import HANDLES, hear, order_of
from write_side.order_saga.times import SagaTimes
from write_side.reactions.reaction import Reaction
from write_side.reactions.working import Work


def following_orders(times: SagaTimes) -> Reaction:
    """Begins where payments began: an order that was placed before the worker ran first is paid too."""
    return Reaction(name="order_saga", begins="beginning", handles=HANDLES, react=partial(_react, times), key=order_of)


async def _react(times: SagaTimes, events: Sequence[Recorded[Event]], work: Work) -> None:
    await hear(events, work.connection, work.tenant.id, now=work.now, times=times)
