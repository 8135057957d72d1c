"""How the projector writes a projection's state and rows to Redis, and how readers read them back."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

STATE_TTL_MILLISECONDS = 15_000
"""Renewed by the lease holder: past this, readers no longer trust the cache and ask PostgreSQL."""
INCARNATION_FIELD = "i"
EPOCH_FIELD = "e"
_MAX_STATES = 1024
"""Some 300 kB: of the views that are being asked about."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ProjectionState(msgspec.Struct, frozen=True, kw_only=True):
    """Up to where a projection of one tenant is shown, and which content that is.

    Attributes:
        build: the active one.
        revision: moves whenever rows change, by whatever means; equal build and revision mean equal rows.
        position: of the last event folded; 0 before the first.
        as_of: when that event was recorded; None before the first.
        parked: keys whose events are parked; their rows are older than `position`.
        rows: how many rows the build has for this tenant.
    """

    build: int
    revision: int
    position: int
    as_of: datetime | None
    parked: int
    rows: int


NOTHING_PROJECTED = ProjectionState(build=0, revision=0, position=0, as_of=None, parked=0, rows=0)


def encode_state(state: ProjectionState) -> str:
    """`build|revision|position|as_of_us|parked|rows`."""
    as_of_us = 0 if state.as_of is None else (state.as_of - _EPOCH) // timedelta(microseconds=1)
    return f"{state.build}|{state.revision}|{state.position}|{as_of_us}|{state.parked}|{state.rows}"


def stamp_of(text: bytes) -> bytes:
    """Of an encoded state `build|revision`: while that is the same, so are the rows."""
    build, revision, _ = text.split(b"|", 2)
    return b"%b|%b" % (build, revision)


# Answer after answer is of the same state.
@lru_cache(maxsize=_MAX_STATES)
def decode_state(text: bytes) -> ProjectionState:
    """The state an `encode_state` wrote."""
    build, revision, position, as_of_us, parked, rows = (int(part) for part in text.split(b"|"))
    as_of = _EPOCH + timedelta(microseconds=as_of_us) if as_of_us else None
    return ProjectionState(build=build, revision=revision, position=position, as_of=as_of, parked=parked, rows=rows)
