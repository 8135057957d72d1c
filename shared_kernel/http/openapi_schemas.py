"""The contract's schemas as clients can live with them: short names, no false choices, closed where we refuse more."""

import re
from typing import Any, Final

from shared_kernel.http.openapi_parts import Json

_MODULES: Final = re.compile(r"(?:[a-z]+_side|shared_kernel|tests)\.(?:[a-z0-9_]+\.)*")
"""Litestar joins parts with the same underscores that modules have: where one begins, only the rooms' names tell."""

_PREFIX: Final = "#/components/schemas/"
_MAX_DEPTH: Final = 64


class AmbiguousNameError(RuntimeError):
    """Two structs would have the same name in the contract: rename one."""


def short_name(name: str) -> str:
    """`Envelope_list_read_side.stock.view.Stock_` without its modules, each part capitalised: `EnvelopeListStock`."""
    parts = [part for part in _MODULES.sub("", name).split("_") if part]
    return "".join("OrNull" if part == "None" else part[0].upper() + part[1:] for part in parts)


def with_short_names(document: Json) -> Json:
    """The document with every schema under its short name, wherever it is referred to.

    Raises:
        AmbiguousNameError: naming both.
    """
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for long_name in document.get("components", {}).get("schemas", {}):
        names[long_name] = short_name(long_name)
        other = owners.setdefault(names[long_name], long_name)
        if other != long_name:
            message = f"{other} and {long_name} would both be {names[long_name]} in the contract"
            raise AmbiguousNameError(message)
    renamed: Json = _renamed(document, names, 0)
    schemas = renamed["components"]["schemas"]
    renamed["components"]["schemas"] = {
        names[long_name]: {**schema, "title": names[long_name]} if "title" in schema else schema
        for long_name, schema in schemas.items()
    }
    return renamed


def tidied(value: Json) -> Json:
    """Schemas without what Litestar gets wrong: the items of `tuple[X, ...]`, and bounds of integers as floats."""
    return {name: _tidied_schema(schema, 0) for name, schema in value.items()}


def close_request_bodies(document: Json) -> None:
    """Say of every object a request is made of what its struct enforces: no unknown fields."""
    schemas = document["components"]["schemas"]
    pending = [operation.get("requestBody") for item in document["paths"].values() for operation in item.values()]
    seen: set[str] = set()
    while pending:  # bounded: every schema is entered once
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, dict):
            target = str(value.get("$ref", "")).removeprefix("#/components/schemas/")
            if target in schemas and target not in seen:
                seen.add(target)
                pending.append(schemas[target])
                if "properties" in schemas[target]:
                    schemas[target].setdefault("additionalProperties", False)
            pending.extend(value.values())


def _tidied_schema(value: object, depth: int) -> object:
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, list):
        return [_tidied_schema(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return int(value) if isinstance(value, float) and value.is_integer() else value
    schema = {name: _tidied_schema(item, depth + 1) for name, item in value.items()}
    choices = schema.get("oneOf")
    if isinstance(choices, list):
        choices = [choice for choice in choices if choice != {}]
        if len(choices) == 1 and isinstance(choices[0], dict):
            del schema["oneOf"]
            return {**schema, **choices[0]}
        schema["oneOf"] = choices
    return schema


def _renamed(value: Any, names: dict[str, str], depth: int) -> Any:  # noqa: ANN401  # JSON
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, list):
        return [_renamed(item, names, depth + 1) for item in value]
    if isinstance(value, dict):
        return {name: _renamed(item, names, depth + 1) for name, item in value.items()}
    if isinstance(value, str) and value.startswith(_PREFIX):
        long_name = value.removeprefix(_PREFIX)
        return f"{_PREFIX}{names.get(long_name, long_name)}"
    return value
