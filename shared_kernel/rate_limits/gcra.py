"""The generic cell rate algorithm, once: the arithmetic that `gcra_lua` repeats in Lua, to the microsecond.

A bucket is one number, the theoretical arrival time (TAT): when the bucket will be full again.
Source: ITU-T I.371, annex A (virtual scheduling).
"""

import msgspec


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """How a bucket refills: one unit every `interval_us` microseconds, up to `burst` units."""

    interval_us: int
    burst: int

    def __post_init__(self) -> None:
        if self.interval_us < 1 or self.burst < 1:
            message = "a bucket refills in at least a microsecond and holds at least one unit"
            raise ValueError(message)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a bucket says: may it be, what is left, when to try again (0: at once), when it is full again."""

    allowed: bool
    remaining: int
    retry_after_us: int
    reset_us: int


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """A decision and the TAT to store if the draw is made."""

    decision: Decision
    tat_us: int


def draw(bucket: Bucket, *, stored_tat_us: int | None, now_us: int, cost: int) -> Drawn:
    """Decide a draw of `cost` units; a cost above the burst draws a full bucket, or it could never be admitted.

    A stored TAT is held to what an empty bucket has: a clock set back, or a smaller burst, cannot lock anybody out.
    """
    capacity_us = bucket.burst * bucket.interval_us
    tat_us = now_us if stored_tat_us is None else min(max(stored_tat_us, now_us), now_us + capacity_us)
    drawn_tat_us = tat_us + min(cost, bucket.burst) * bucket.interval_us
    retry_after_us = max(0, drawn_tat_us - capacity_us - now_us)
    left_tat_us = tat_us if retry_after_us else drawn_tat_us
    decision = Decision(
        allowed=retry_after_us == 0,
        remaining=(now_us + capacity_us - left_tat_us) // bucket.interval_us,
        retry_after_us=retry_after_us,
        reset_us=left_tat_us - now_us,
    )
    return Drawn(decision=decision, tat_us=left_tat_us)
