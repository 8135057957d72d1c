"""Requests made from the contract alone: a plausible one for every operation, with whichever ids a test puts in."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final

import httpx
import msgspec

from shared_kernel.identifiers import new_id
from tests.contract.document import Operation, resolve
from tests.system.shops import Visitor, good, order, position

Ids = Mapping[str, str]
"""By the name that the contract gives them: `edition_id`, `location_id`, `order_id`, `line_id`."""

_TEXTS: Final = {
    "currency": "GBP",
    "language": "en",
    "published_on": "1815",
    "tax_class": "zero",
    "isbn13": None,
    "command": "place_order",
    "url": "https://receiver.example/shelfwise",
}
_numbers = count(1)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is ready to be sent."""

    operation: Operation
    path: str
    headers: dict[str, str]
    body: Any = None  # JSON

    async def send(self, visitor: Visitor, *, key: str | None = "") -> httpx.Response:
        """With the visitor's key, another, or (None) none."""
        house = visitor.house
        url = (house.read_api if self.operation.is_query else house.write_api).url
        fields = dict(self.headers)
        if key is not None:
            fields["Authorization"] = f"Bearer {key or visitor.key}"
        return await visitor.client.request(self.operation.method, f"{url}{self.path}", json=self.body, headers=fields)


def asked(operation: Operation, ids: Ids, *, query: str = "") -> Asked:
    """A dry run of a command, or a query, about these ids."""
    path = operation.path
    for name in operation.path_names():
        path = path.replace(f"{{{name}}}", ids[name])
    headers = {}
    for entry in operation.parameters():
        if entry["name"] == "Idempotency-Key":
            headers["Idempotency-Key"] = f"asked-{next(_numbers)}"
        if entry["name"] == "ShelfWise-Dry-Run":
            headers["ShelfWise-Dry-Run"] = "true"
        if entry["name"] == "If-Match" and entry["required"]:
            headers["If-Match"] = '"1"'
    required = {
        entry["name"]: _example(entry["schema"], entry["name"], ids)
        for entry in operation.parameters()
        if entry["in"] == "query" and entry.get("required")
    }
    if operation.is_stream:
        required["seconds"] = 0  # what stands now, and no more
    schema = operation.body_schema()
    written = (f"{name}={_in_query(value)}" for name, value in required.items())
    full = "&".join([*written, *([query] if query else [])])
    return Asked(
        operation=operation,
        path=f"{path}?{full}" if full else path,
        headers=headers,
        body=None if schema is None else _example(schema, "", ids),
    )


def _in_query(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else f"{value}"


def ids_in_body(operation: Operation) -> set[str]:
    """The names of the ids that a command's body can hold."""
    schema = operation.body_schema()
    return set() if schema is None else set(_id_names(schema, ""))


def ids_in_query(operation: Operation) -> set[str]:
    """The names of the ids that a query can be filtered by."""
    return {
        entry["name"]
        for entry in operation.parameters()
        if entry["in"] == "query" and entry["schema"].get("format") == "uuid"
    }


async def ids_of(visitor: Visitor) -> dict[str, str]:
    """Things that exist in a store, for every id that the contract names, and that the read side knows."""
    location_id, edition_id = await visitor.shelf()
    placed = await visitor.post("/orders", order(location_id, (edition_id, 2)))
    paid = await visitor.post("/orders", {**order(location_id, (edition_id, 1)), "payment_token": "pm_card_visa"})
    ids = {
        "location_id": location_id,
        "edition_id": edition_id,
        "order_id": good(placed)["id"],
        "line_id": good(placed)["lines"][0]["line_id"],
        "customer_id": good(await visitor.post("/customers", {"name": "Somebody"}))["id"],
        "webhook_id": good(await visitor.post("/webhooks", {"url": "https://receiver.example/hook"}))["id"],
        "payment_id": good(paid)["payment_id"],
    }
    other = await visitor.location("Elsewhere", "warehouse")
    part = {"lines": [{"line_id": ids["line_id"], "quantity": 1}]}
    good(await visitor.post(f"/orders/{ids['order_id']}/fulfilments", part))
    moved = {"from_location_id": location_id, "to_location_id": other}
    transfer = await visitor.post("/stock/transfers", {**moved, "lines": [{"edition_id": edition_id, "quantity": 3}]})
    ids |= {**moved, "reference_id": good(transfer)["id"]}
    hold = await visitor.post("/holds", {"location_id": location_id, "edition_id": edition_id, "quantity": 1})
    ids |= {"hold_id": good(hold)["id"], "hold_ids": good(hold)["id"]}
    snapshot = good(await visitor.post("/snapshots", {"views": ["locations"], "as_of": 1}))
    ids["snapshot_id"] = snapshot["id"]
    last = position(await visitor.post("/locations", {"name": "Last", "kind": "shop"}))
    for path in (
        "/orders",
        f"/orders/{ids['order_id']}",
        f"/stock/{edition_id}",
        "/stock/movements",
        "/holds",
        "/locations",
        f"/snapshots/{snapshot['id']}",
    ):
        await visitor.ask(path, at=last)
    return ids


def unknown_ids(like: Ids) -> dict[str, str]:
    """Ids of the same names that nothing has."""
    return {name: str(new_id()) for name in like}


def _id_names(schema: Mapping[str, Any], name: str) -> Iterator[str]:
    found = resolve(dict(schema))
    if found.get("format") == "uuid":
        yield name
    for member, inner in found.get("properties", {}).items():
        yield from _id_names(inner, member)
    if "items" in found:
        yield from _id_names(found["items"], name)
    for choice in found.get("oneOf", ()):
        yield from _id_names(choice, name)


def _example(schema: Mapping[str, Any], name: str, ids: Ids) -> Any:  # noqa: ANN401, PLR0911  # JSON, by its types
    """The smallest value that fits; optional members only where they hold ids."""
    found = resolve(dict(schema))
    if "oneOf" in found:
        return _example(next(choice for choice in found["oneOf"] if choice.get("type") != "null"), name, ids)
    if "enum" in found:
        return found["enum"][0]
    match found.get("type"):
        case "object":
            return _object(found, ids)
        case "array":
            return [_example(found["items"], name, ids)]
        case "integer":
            return max(1, found.get("minimum", 1))
        case "string" if found.get("format") == "uuid":
            return ids[name]
        case "string":
            return _TEXTS.get(name) or f"x{next(_numbers)}"
    message = f"no example for {name}: {found}"
    raise AssertionError(message)


def _object(found: Mapping[str, Any], ids: Ids) -> dict[str, Any]:
    wanted = {
        member: inner
        for member, inner in found.get("properties", {}).items()
        if member in found.get("required", ()) or set(_id_names(inner, member)) or member == "sku"
    }
    return {member: _example(inner, member, ids) for member, inner in wanted.items()}
