"""Orders of three lines, as clients send them."""

import random
from collections.abc import Sequence
from uuid import UUID

import msgspec

from benchmarks.stores import LINES, BenchStore


def order_bodies(store: BenchStore, count: int) -> list[bytes]:
    """Orders of three different lines."""
    pick = random.Random(store.tenant_id.int)  # noqa: S311  # nothing is secured by it
    return [_body(store.location_id, pick.sample(store.edition_ids, LINES)) for _ in range(count)]


def _body(location_id: UUID, edition_ids: Sequence[UUID]) -> bytes:
    lines = [{"edition_id": edition_id, "quantity": 1} for edition_id in edition_ids]
    return msgspec.json.encode({"location_id": location_id, "channel": "web", "lines": lines})
