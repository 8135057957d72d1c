"""The OpenAPI 3.1 document: Litestar's shapes, and on every operation what its declaration means for a client."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.types import ControllerRouterHandler

from shared_kernel.errors import (
    ForbiddenError,
    InFlightError,
    InvalidError,
    MalformedError,
    NotAcceptableError,
    NotFoundError,
    PreconditionFailedError,
    PreconditionRequiredError,
    RateLimitedError,
    ShelfWiseError,
    TooLargeError,
    TooSlowError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedMediaTypeError,
)
from shared_kernel.http.app_factory import provided
from shared_kernel.http.door import OverloadedError
from shared_kernel.http.openapi_parts import (
    HEADERS,
    PARAMETERS,
    SECURITY_SCHEMES,
    Json,
    header_references,
    problem_response_of,
    problem_schemas,
    reference,
)
from shared_kernel.http.problems import InternalError, status_of
from shared_kernel.http.request import KernelRequest
from shared_kernel.http.request_headers import IdempotencyKeyRequiredError
from shared_kernel.http.routes import Declaration, declaration_of, is_generated_options

_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_FIRST_FAILURE: Final = 400
_MAX_SCHEMA_DEPTH: Final = 64


class DocumentConflictError(RuntimeError):
    """Both sides describe the same operation, or differ in what one schema's name means."""


def build_document(
    route_handlers: Sequence[ControllerRouterHandler],
    *,
    title: str,
    version: str,
    dependency_names: Sequence[str] = (),
) -> Json:
    """One side's document.

    Args:
        route_handlers: those given to `build_app`.
        title: of the API.
        version: of the API.
        dependency_names: what the handlers ask `build_app` for; it is not needed to describe them.
    """
    app = Litestar(
        list(route_handlers),
        dependencies={name: provided(None) for name in dependency_names},
        openapi_config=OpenAPIConfig(title=title, version=version, use_handler_docstrings=True, render_plugins=[]),
        request_class=KernelRequest,
        logging_config=None,
    )
    document = app.openapi_schema.to_schema()
    for path, method, handler in _operations(app):
        if path in document["paths"] and method in document["paths"][path]:
            _describe(document["paths"][path][method], method, declaration_of(handler))
    components = document.setdefault("components", {})
    components["schemas"] = _tidied(components.get("schemas", {})) | dict(problem_schemas())
    components["parameters"] = dict(PARAMETERS)
    components["headers"] = dict(HEADERS)
    components["securitySchemes"] = dict(SECURITY_SCHEMES)
    _close_request_bodies(document)
    return document


def merge_documents(write_document: Json, read_document: Json) -> Json:
    """The one document of both sides.

    Raises:
        DocumentConflictError: naming what the two do not agree on.
    """
    merged: Json = {**write_document, "paths": {}, "components": {}}
    templates: dict[str, str] = {}
    for document in (write_document, read_document):
        for path, item in document["paths"].items():
            if templates.setdefault(_PARAMETER.sub("{}", path), path) != path:
                message = f"both sides name the parameters of {path} differently"
                raise DocumentConflictError(message)
            _unite(merged["paths"].setdefault(path, {}), item, f"path {path}", may_repeat=False)
        for kind, members in document["components"].items():
            _unite(merged["components"].setdefault(kind, {}), members, f"components/{kind}", may_repeat=True)
    merged["paths"] = dict(sorted(merged["paths"].items()))
    return merged


def _unite(target: Json, members: Json, where: str, *, may_repeat: bool) -> None:
    for name, member in members.items():
        if name in target and not (may_repeat and target[name] == member):
            message = f"both sides define {name} in {where}"
            raise DocumentConflictError(message)
        target[name] = member


def _operations(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler) and not is_generated_options(handler):
                for method in handler.http_methods:
                    yield route.path_format, method.lower(), handler


def _describe(operation: Json, method: str, declaration: Declaration) -> None:
    is_query = method == "get"
    operation["security"] = [] if declaration.policy.public else [{"bearer": []}]
    operation["x-access-policy"] = declaration.policy.name
    operation["x-roles"] = sorted(role.value for role in declaration.policy.roles)
    operation["x-cost"] = declaration.cost
    names = ["RequestId", "Traceparent", *_parameter_names(declaration, is_query=is_query)]
    own = operation.get("parameters", [])
    operation["parameters"] = own + [reference("parameters", name) for name in names]
    responses = {
        status: response for status, response in operation["responses"].items() if int(status) < _FIRST_FAILURE
    }
    for response in responses.values():
        response["headers"] = header_references(_success_fields(declaration, is_query=is_query))
    if is_query and _is_fresh(declaration):
        fields = {"ETag": "WeakTag", "ShelfWise-Position": "Position", "X-Request-Id": "RequestId"}
        responses["304"] = {"description": "You have it already.", "headers": header_references(fields)}
    codes_of_status: dict[int, set[str]] = {}
    for error in _errors(operation, declaration, is_query=is_query):
        codes_of_status.setdefault(status_of(error), set()).add(error.code)
    for status, codes in sorted(codes_of_status.items()):
        responses[str(status)] = problem_response_of(status, tuple(sorted(codes)))
    operation["responses"] = responses


def _is_fresh(declaration: Declaration) -> bool:
    """Whether this GET says how fresh it is, and can be waited on."""
    return not declaration.policy.public if declaration.waits is None else declaration.waits


def _parameter_names(declaration: Declaration, *, is_query: bool) -> Iterator[str]:
    if declaration.idempotency != "none":
        yield f"IdempotencyKey{declaration.idempotency.title()}"
    if declaration.if_match != "none":
        yield f"IfMatch{declaration.if_match.title()}"
    if is_query and _is_fresh(declaration):
        yield from ("MinPosition", "Prefer", "IfNoneMatch")
    if not is_query and not declaration.policy.public:
        yield "DryRun"


def _success_fields(declaration: Declaration, *, is_query: bool) -> dict[str, str]:
    fields = {"X-Request-Id": "RequestId"}
    if declaration.policy.public:
        return fields
    fields |= {"RateLimit": "RateLimit", "RateLimit-Policy": "RateLimitPolicy"}
    if not is_query:
        fields |= {"ETag": "VersionTag", "Location": "Location", "ShelfWise-Position": "Position"}
        if declaration.idempotency != "none":
            fields["Idempotent-Replayed"] = "Replayed"
    elif _is_fresh(declaration):
        fields |= {"ETag": "WeakTag", "Link": "Link", "ShelfWise-Position": "Position"}
    return fields


def _errors(operation: Json, declaration: Declaration, *, is_query: bool) -> Iterator[type[ShelfWiseError]]:
    yield from (MalformedError, RateLimitedError, UnavailableError, OverloadedError, InternalError)
    yield from declaration.errors
    if not declaration.policy.public:
        yield from (UnauthenticatedError, ForbiddenError, NotAcceptableError)
    places = {parameter.get("in") for parameter in operation["parameters"]}
    if "path" in places:
        yield NotFoundError
    if is_query:
        if places & {"query", "path"} or _is_fresh(declaration):
            yield InvalidError
        return
    yield from _command_errors(declaration)


def _command_errors(declaration: Declaration) -> Iterator[type[ShelfWiseError]]:
    yield from (TooLargeError, TooSlowError, UnsupportedMediaTypeError, InvalidError)
    if declaration.idempotency != "none":
        yield InFlightError
    if declaration.idempotency == "required":
        yield IdempotencyKeyRequiredError
    if declaration.if_match != "none":
        yield PreconditionFailedError
    if declaration.if_match == "required":
        yield PreconditionRequiredError


def _tidied(value: Json) -> Json:
    return {name: _tidied_schema(schema, 0) for name, schema in value.items()}


def _tidied_schema(value: object, depth: int) -> object:
    """Correct what Litestar gets wrong: `tuple[X, ...]` is not "X or anything", and bounds of integers are integers."""
    if depth > _MAX_SCHEMA_DEPTH:
        return value
    if isinstance(value, list):
        return [_tidied_schema(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return int(value) if isinstance(value, float) and value.is_integer() else value
    tidied = {name: _tidied_schema(item, depth + 1) for name, item in value.items()}
    choices = tidied.get("oneOf")
    if isinstance(choices, list):
        choices = [choice for choice in choices if choice != {}]
        if len(choices) == 1 and isinstance(choices[0], dict):
            del tidied["oneOf"]
            return {**tidied, **choices[0]}
        tidied["oneOf"] = choices
    return tidied


def _close_request_bodies(document: Json) -> None:
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
