"""Stream `snapshot` (id: the snapshot's)."""

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from shared_kernel.events.envelope import Event

SnapshotView: TypeAlias = Literal[
    "best_sellers",
    "customers",
    "edition_catalogue",
    "edition_search",
    "fulfilments",
    "holds",
    "kpis",
    "locations",
    "order_detail",
    "order_list",
    "payments",
    "sales",
    "stock_levels",
    "stock_movements",
    "store_counts",
]
"""The views that can be frozen: those that show what a store has done."""


class SnapshotRequested(Event, frozen=True, kw_only=True):
    """Views of the store are to be had as of a position of its log, until `expires_at`.

    Attributes:
        as_of: the moment asked for, where it was one; the position was the log's last at that time.
    """

    stream_type = "snapshot"

    snapshot_id: UUID
    views: tuple[str, ...]
    position: int
    as_of: datetime | None
    expires_at: datetime
