"""What the projector says once Redis shows a tenant's views: up to where, for those who wait. It may be lost.

`<tenant> <position> [<view>=<position> ...]`: the position that is shown, and the views that are not there yet.
"""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

_TENANT_BYTES: Final = 32


def encode_shown(tenant_id: UUID, positions: Iterable[tuple[str, int]]) -> str:
    """Write the message.

    Args:
        tenant_id: whose views.
        positions: of every view, by its label.
    """
    shown = tuple(positions)
    furthest = max((position for _, position in shown), default=0)
    behind = [f" {label}={position}" for label, position in shown if position < furthest]
    return f"{tenant_id.hex} {furthest}{''.join(behind)}"


def tenant_of(message: bytes) -> bytes:
    """Whose views are shown, as `tenant_mark` writes it; cheap, for most messages are about nobody who waits."""
    return message[:_TENANT_BYTES]


def tenant_mark(tenant_id: UUID) -> bytes:
    """How a message begins that is about this tenant."""
    return tenant_id.hex.encode("ascii")


def read_shown(message: bytes) -> tuple[int, dict[str, int]]:
    """The position that is shown, and that of each view that is not there yet.

    Raises:
        ValueError: it is no such message.
    """
    _, furthest, *behind = message.decode("ascii").split(" ")
    pairs = (part.partition("=") for part in behind)
    return int(furthest), {label: int(position) for label, _, position in pairs}
