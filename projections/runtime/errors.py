"""What can stop a batch without anything being wrong with the events, as the kernel's subscription names it."""

from shared_kernel.subscription.failures import (
    DATABASE_FAILURES,
    REFUSALS,
    CheckpointMovedError,
    LeaseLostError,
    is_database_away,
    is_database_failure,
)

__all__ = [
    "DATABASE_FAILURES",
    "REFUSALS",
    "CheckpointMovedError",
    "LeaseLostError",
    "is_database_away",
    "is_database_failure",
]
