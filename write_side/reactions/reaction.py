"""What the author of a reaction, or of a duty, writes."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from shared_kernel.events.envelope import Event, Recorded
from write_side.reactions.post import Post
from write_side.reactions.working import Work

React: TypeAlias = Callable[[Sequence[Recorded[Event]], Work], Awaitable[None]]


def stream_of(recorded: Recorded[Event]) -> UUID:
    """Events of one stream stay in order."""
    return recorded.stream_id


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from events: commands or outbox rows, in one transaction with the checkpoint; never a foreign call.

    Attributes:
        name: of its checkpoints; a new name is a new reaction.
        begins: where it begins in stores that are there already when it is first started: at the log's `head`, so that
            nothing of the past happens again, or at its `beginning`. Stores opened later are followed from their first
            event.
        handles: the events it is given; all others pass by.
        react: given some events of one store, in order, inside the transaction. Whatever it raises undoes all of them;
            they come again one by one, and the one that fails is parked.
        key: what must stay in order behind a parked event, while the rest of the store goes on.
    """

    name: str
    begins: Literal["head", "beginning"]
    handles: tuple[type[Event], ...]
    react: React
    key: Callable[[Recorded[Event]], UUID] = stream_of


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker does for a shard beside reacting, such as timers and deliveries, for as long as it holds it.

    Attributes:
        name: for logs and metrics.
        run: goes on until cancelled; a failure of it is logged, and it is begun again. What it changes, it changes in
            the fenced transactions of its post; foreign calls are made outside them.
    """

    name: str
    run: Callable[[Post], Awaitable[None]]
