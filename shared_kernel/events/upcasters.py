"""How an older schema version reads today. A published event is never rewritten; it is lifted when read."""

from collections.abc import Callable
from typing import Any, TypeAlias

# Any: an old payload has, by definition, no type in today's code.
Payload: TypeAlias = dict[str, Any]
Upcaster: TypeAlias = Callable[[Payload], Payload]


def _edition_created_from_v1(payload: Payload) -> Payload:
    authors = payload.pop("authors")
    payload["contributors"] = [{"name": name, "role": "author"} for name in authors]
    payload.setdefault("popularity", None)
    return payload


UPCASTERS: dict[tuple[str, int], Upcaster] = {("EditionCreated", 1): _edition_created_from_v1}
"""By event type and the schema version it lifts from, to the next."""
