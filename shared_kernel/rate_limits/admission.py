"""Whether a request may go on, and what the limit that decides has left."""

from collections.abc import Sequence
from typing import Final

import msgspec

from shared_kernel.rate_limits.gcra import Decision

TENANT: Final = "tenant"
KEY: Final = "key"
ADDRESS: Final = "address"

SECOND_US: Final = 1_000_000
_NUMBERS_PER_LIMIT: Final = 3


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """Of several limits the one that decides: the longest to wait for, else the one with the least left.

    `reset_seconds` until it is full again, `retry_after_seconds` until this cost is there (0 when allowed); rounded up.
    """

    allowed: bool
    limit: str
    remaining: int
    reset_seconds: int
    retry_after_seconds: int


def admission(names: Sequence[str], decisions: Sequence[Decision]) -> Admission:
    """Pick the limit that decides."""
    name, decision = min(
        zip(names, decisions, strict=True), key=lambda pair: (-pair[1].retry_after_us, pair[1].remaining)
    )
    return Admission(
        allowed=decision.allowed,
        limit=name,
        remaining=decision.remaining,
        reset_seconds=-(-decision.reset_us // SECOND_US),
        retry_after_seconds=-(-decision.retry_after_us // SECOND_US),
    )


def admission_from_lua(names: Sequence[str], answer: Sequence[int]) -> Admission:
    """Read what `gcra_all` returns: allowed, then three numbers for each of the names."""
    if answer[0]:
        # As below, for the many that are let in: of those limits the first that has the least left.
        place = min(range(1, len(answer), _NUMBERS_PER_LIMIT), key=answer.__getitem__)
        return Admission(
            allowed=True,
            limit=names[place // _NUMBERS_PER_LIMIT],
            remaining=answer[place],
            reset_seconds=-(-answer[place + 2] // SECOND_US),
            retry_after_seconds=0,
        )
    decisions = [
        Decision(allowed=retry_after_us == 0, remaining=remaining, retry_after_us=retry_after_us, reset_us=reset_us)
        for remaining, retry_after_us, reset_us in zip(
            *(answer[1 + offset :: _NUMBERS_PER_LIMIT] for offset in range(_NUMBERS_PER_LIMIT)), strict=True
        )
    ]
    return admission(names, decisions)
