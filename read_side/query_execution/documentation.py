"""The parameters of a query in the OpenAPI document, from the very structs that they are parsed with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from litestar.openapi.spec import Operation, Parameter, Schema

from read_side.query_execution.cursors import MAX_CURSOR_LENGTH
from read_side.query_execution.lists.specification import DEFAULT_LIMIT, MAX_LIMIT, ListSpecification
from read_side.query_execution.parameters import AS_OF, MAX_TEXT_LENGTH, NoParameters

_AS_OF = Parameter(
    name=AS_OF,
    param_in="query",
    required=False,
    description="A position of the store's log, or a time: of a snapshot that was asked for with `POST /snapshots`.",
    schema=Schema(type="string", max_length=MAX_TEXT_LENGTH),  # type: ignore[arg-type]  # a plain string is what the enum holds
)


def operation_class(
    parameters: type[msgspec.Struct] | ListSpecification,
    own_parameters: type[msgspec.Struct] = NoParameters,
    *,
    as_of: bool = False,
) -> type[Operation]:
    """An operation that has these query parameters beside those Litestar finds by itself."""
    if isinstance(parameters, ListSpecification):
        documented = [*list_parameters(parameters), *struct_parameters(own_parameters)]
    else:
        documented = struct_parameters(parameters)
    if as_of:
        documented = [*documented, _AS_OF]
    return operation_with(documented)


def operation_with(documented: Sequence[Parameter]) -> type[Operation]:
    """An operation that has these parameters beside those Litestar finds by itself."""

    @dataclass
    class QueryOperation(Operation):
        def __post_init__(self) -> None:
            self.parameters = [*(self.parameters or []), *documented]

    return QueryOperation


def struct_parameters(kind: type[msgspec.Struct]) -> list[Parameter]:
    """One parameter a field."""
    return [
        Parameter(
            name=field.encode_name,
            param_in="query",
            required=field.required,
            schema=_with_default(_schema(field.type), field.default),
        )
        for field in msgspec.structs.fields(kind)
    ]


def list_parameters(specification: ListSpecification) -> list[Parameter]:
    """Paging, sorting, and every filter with each of its operators."""
    sorts = [text for name in specification.sorts for text in (name, f"-{name}")]
    common = [
        ("limit", Schema(type="integer", minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT)),  # type: ignore[arg-type]  # a plain string is what the enum holds
        ("cursor", Schema(type="string", max_length=MAX_CURSOR_LENGTH)),  # type: ignore[arg-type]  # as above
        ("sort", Schema(type="string", enum=sorts, default=specification.default_sort)),  # type: ignore[arg-type]  # as above
    ]
    for name, known in specification.filters.items():
        schema = _schema(known.type or specification.column(known.column).type.python_type)
        common.extend(
            (name if operator == "eq" else f"{name}[{operator}]", schema) for operator in sorted(known.operators)
        )
    return [Parameter(name=name, param_in="query", required=False, schema=schema) for name, schema in common]


def _schema(kind: Any) -> Schema:  # noqa: ANN401 - a type expression
    """The schema msgspec has for a type, without nulls: a query string cannot spell one."""
    described, components = msgspec.json.schema_components([kind], ref_template="{name}")
    found: dict[str, Any] = described[0]
    if "$ref" in found:
        found = components[found["$ref"]]
    if "anyOf" in found:
        found = next(choice for choice in found["anyOf"] if choice.get("type") != "null")
        found = components[found["$ref"]] if "$ref" in found else found
    names = {"type": "type", "format": "format", "enum": "enum", "pattern": "pattern"}
    names |= {"minimum": "minimum", "maximum": "maximum", "minLength": "min_length", "maxLength": "max_length"}
    if all(isinstance(choice, str) for choice in found.get("enum", (None,))):
        found = {"type": "string", **found}
    if found.get("type") == "string" and not found.keys() & {"enum", "format", "maxLength"}:
        found = {**found, "maxLength": MAX_TEXT_LENGTH}
    return Schema(**{names[name]: value for name, value in found.items() if name in names})


def _with_default(schema: Schema, default: object) -> Schema:
    if default is None or default is msgspec.NODEFAULT:
        return schema
    return replace(schema, default=msgspec.to_builtins(default))
