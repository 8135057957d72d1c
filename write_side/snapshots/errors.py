"""The rules of snapshots that can break."""

from shared_kernel.errors import ConflictError, InvalidError


class InvalidSnapshot(InvalidError):
    """There is no such position or moment in the store's log."""

    code = "invalid_snapshot"


class TooManySnapshots(ConflictError):
    """The store has as many snapshots as it may; the oldest expires first."""

    code = "too_many_snapshots"
