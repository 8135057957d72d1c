"""What a projection's author writes: which rows an event touches, and how a row changes. No I/O, no clock, no state."""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from shared_kernel.events.envelope import Event, Recorded
from shared_kernel.views import Key, View

RowT = TypeVar("RowT", bound=msgspec.Struct)

# Any: a part is whatever `touches` hands to `evolve` of the same projection, and nobody else looks at it.
Part: TypeAlias = Any
AnyRecorded: TypeAlias = Recorded[Event]


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What a row of sums is made of, so that it can be added to where it stands, without being loaded.

    It says in columns what `evolve` says in Python, of a fold that refuses no part and deletes no row. The key and what
    is not named here stay as the first part has them. Every part counts as a change, also one that adds nothing.

    Attributes:
        added: columns that hold what all parts come to; null where they are null.
        latest: columns that are as the latest part has them.
    """

    added: tuple[str, ...]
    latest: tuple[str, ...] = ()


class Pace(Enum):
    """How soon a view shows an event where many come."""

    PROMPT = "prompt"
    """In the next round: what a client asks for after its own command, and what decisions or other views go by."""
    GATHERED = "gathered"
    """With the events of some hundred milliseconds, at once where it is quiet: sums, whose rows many events share."""


class Projection(msgspec.Struct, Generic[RowT], frozen=True, kw_only=True):
    """A pure fold of the log into one view.

    Attributes:
        view: the shape it fills; name and version are the projection's own.
        handles: the event types that can touch a row; others advance the checkpoint unread.
        touches: from an event to the rows it concerns, each with the part of the event that concerns it, so that an
            order of a thousand lines is not scanned once per row. A key may occur more than once.
        evolve: from the row (None: there is none) and the part to the row after it (None: delete it).
        sums: of a fold whose rows are sums, which live batches then add to; None where a row must be known to change.
        pace: how soon it is folded where many events come.
    """

    view: View[RowT]
    handles: frozenset[type[Event]]
    touches: Callable[[AnyRecorded], Iterable[tuple[Key, Part]]]
    evolve: Callable[[RowT | None, Part, AnyRecorded], RowT | None]
    sums: Sums | None = None
    pace: Pace = Pace.PROMPT
