"""The contract as its tests read it: the file the read side serves, and its operations."""

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from read_side.contract import CONTRACT_FILE

DOCUMENT: Final[dict[str, Any]] = json.loads(CONTRACT_FILE.read_bytes())  # Any: JSON


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path, with its description in the document."""

    method: str
    path: str
    described: dict[str, Any]  # Any: JSON

    @property
    def name(self) -> str:
        """Its operationId."""
        return str(self.described["operationId"])

    @property
    def is_query(self) -> bool:
        """Whether the read side answers it."""
        return self.method == "GET"

    @property
    def is_stream(self) -> bool:
        """Whether it answers with events, until it is told to end."""
        return "text/event-stream" in self.described["responses"].get("200", {}).get("content", {})

    def parameters(self) -> list[dict[str, Any]]:  # Any: JSON
        """With references resolved."""
        return [resolve(entry) for entry in self.described["parameters"]]

    def path_names(self) -> list[str]:
        """Of the parameters in the path, in its order."""
        return [entry["name"] for entry in self.parameters() if entry["in"] == "path"]

    def body_schema(self) -> dict[str, Any] | None:  # Any: JSON
        """Of its JSON body, where it has one."""
        content = self.described.get("requestBody", {}).get("content", {})
        return resolve(content["application/json"]["schema"]) if content else None


def resolve(entry: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """What a reference leads to; anything else as it is."""
    reference = entry.get("$ref")
    if reference is None:
        return entry
    found: Any = DOCUMENT  # Any: JSON
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def operations() -> Iterator[Operation]:
    """Every operation of both sides."""
    for path, item in DOCUMENT["paths"].items():
        for method, described in item.items():
            yield Operation(method=method.upper(), path=path, described=described)


OPERATIONS: Final = tuple(operations())
