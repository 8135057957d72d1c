"""What the sandbox was told to do wrong. Not kept: a sandbox that is started again behaves."""

from typing import Literal, TypeAlias

import msgspec

Deed: TypeAlias = Literal["authorize", "capture", "void", "refund", "look_up", "any"]
Way: TypeAlias = Literal[
    "decline",
    "delay",
    "hang_after",
    "fail_before",
    "fail_after",
    "html",
    "rename_field",
    "callbacks_late",
    "callbacks_twice",
    "callbacks_never",
]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to do wrong.

    Attributes:
        on: which requests; `any` for all of them.
        way: `decline` answers a card error; `delay` does it late; `hang_after` does it and never answers; `fail_before`
            answers 500 without doing it; `fail_after` does it and answers 500, also when asked again under the same
            key; `html` does it and answers a page; `rename_field` does it and answers with `status` called `state`.
        times: how often, before it is forgotten.
        seconds: how long, where it is about time.
    """

    on: Deed = "any"
    way: Way
    times: int = 1
    seconds: float = 0.0


class Behaviour:
    """Faults to come, the oldest first."""

    def __init__(self) -> None:
        self._faults: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        """Do this wrong, after what was said before."""
        self._faults.append((fault, fault.times))

    def clear(self) -> None:
        """Behave."""
        self._faults.clear()

    def next_for(self, deed: Deed, ways: tuple[Way, ...]) -> Fault | None:
        """What to do wrong this time; it counts as done."""
        for index, (fault, left) in enumerate(self._faults):
            if fault.on in {deed, "any"} and fault.way in ways:
                self._faults[index : index + 1] = [(fault, left - 1)] if left > 1 else []
                return fault
        return None
