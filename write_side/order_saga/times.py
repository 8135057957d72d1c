"""How long things take at most."""

import msgspec


class SagaTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds.

    Attributes:
        confirm_seconds: until an order that is not authorized is undone.
        hold_seconds: until one of which nothing left is; below the week for which cards are held.
        poll_seconds: between two looks at what was not heard of.
        lease_seconds: after which another takes a saga over from one that died.
        asking_lease_seconds: the same of an operation; longer than the slowest look and errand together.
        longest_pause_seconds: between two attempts to have an answer from the provider.
        idle_seconds: between two looks for what is due, where nothing was.
    """

    confirm_seconds: float = 15 * 60.0
    hold_seconds: float = 6 * 24 * 3600.0
    poll_seconds: float = 5.0
    lease_seconds: float = 15.0
    asking_lease_seconds: float = 45.0
    longest_pause_seconds: float = 60.0
    idle_seconds: float = 0.1
