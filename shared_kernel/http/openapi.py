"""The OpenAPI 3.1 document: Litestar's shapes, and on every operation what its declaration means for a client."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Final

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.types import ControllerRouterHandler

from shared_kernel.database.transactions import DatabaseUnavailableError
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
from shared_kernel.http.openapi_schemas import close_request_bodies, tidied, with_short_names
from shared_kernel.http.problems import InternalError, status_of
from shared_kernel.http.request import KernelRequest
from shared_kernel.http.request_headers import IdempotencyKeyRequiredError
from shared_kernel.http.routes import Declaration, declaration_of, is_generated_options

_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_PREFIX: Final = re.compile(r"api|v[0-9]+")
_FIRST_FAILURE: Final = 400


class DocumentConflictError(RuntimeError):
    """Both sides describe the same operation, or differ in what one schema's name means."""


def build_document(
    route_handlers: Sequence[ControllerRouterHandler],
    *,
    title: str,
    version: str,
    dependency_names: Sequence[str] = (),
    errors_of_parameters: Mapping[str, Sequence[type[ShelfWiseError]]] = MappingProxyType({}),
) -> Json:
    """One side's document.

    Args:
        route_handlers: those given to `build_app`.
        title: of the API.
        version: of the API.
        dependency_names: what the handlers ask `build_app` for; it is not needed to describe them.
        errors_of_parameters: named errors of this side that every operation with a parameter or header can answer.
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
            operation = document["paths"][path][method]
            operation["operationId"] = handler.handler_name
            operation["tags"] = [_subject(path)]
            _describe(operation, method, declaration_of(handler), errors_of_parameters)
    components = document.setdefault("components", {})
    components["schemas"] = tidied(components.get("schemas", {})) | dict(problem_schemas())
    components["parameters"] = dict(PARAMETERS)
    components["headers"] = dict(HEADERS)
    components["securitySchemes"] = dict(SECURITY_SCHEMES)
    close_request_bodies(document)
    return with_short_names(document)


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
    merged["components"]["schemas"] = dict(sorted(merged["components"]["schemas"].items()))
    _assert_distinct(merged)
    return merged


def _subject(path: str) -> str:
    """The tag of a path's operations: its first part that is not the API's own prefix."""
    parts = [part for part in path.split("/") if part and not _PREFIX.fullmatch(part)]
    return parts[0] if parts else "root"


def _assert_distinct(document: Json) -> None:
    places: dict[str, str] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            name, place = operation["operationId"], f"{method.upper()} {path}"
            if places.setdefault(name, place) != place:
                message = f"{places[name]} and {place} are both called {name}"
                raise DocumentConflictError(message)


def _unite(target: Json, members: Json, where: str, *, may_repeat: bool) -> None:
    for name, member in members.items():
        known = target.get(name)
        # What one side takes from clients is closed there; the other, which only shows it, does not contradict.
        if known is not None and not (may_repeat and {**known, **member} == {**member, **known}):
            message = f"both sides define {name} in {where}"
            raise DocumentConflictError(message)
        target[name] = member if known is None else {**known, **member}


def _operations(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler) and not is_generated_options(handler):
                for method in handler.http_methods:
                    yield route.path_format, method.lower(), handler


def _describe(
    operation: Json,
    method: str,
    declaration: Declaration,
    errors_of_parameters: Mapping[str, Sequence[type[ShelfWiseError]]],
) -> None:
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
    if not is_query and not declaration.policy.public:
        _describe_command(operation, method, responses)
    for status, response in responses.items():
        response["headers"] = header_references(
            _success_fields(declaration, is_query=is_query, is_created=status in {"201", "202"})
        )
    if is_query and _is_fresh(declaration):
        fields = _success_fields(declaration, is_query=True)
        responses["304"] = {"description": "You have it already.", "headers": header_references(fields)}
    codes_of_status: dict[int, set[str]] = {}
    own_errors = (error for entry in operation["parameters"] for error in errors_of_parameters.get(_name_of(entry), ()))
    for error in chain(_errors(operation, declaration, is_query=is_query), own_errors):
        codes_of_status.setdefault(status_of(error), set()).add(error.code)
    for status, codes in sorted(codes_of_status.items()):
        responses[str(status)] = problem_response_of(
            status, tuple(sorted(codes)), is_limited=not declaration.policy.public
        )
    operation["responses"] = responses


def _describe_command(operation: Json, method: str, responses: dict[str, Json]) -> None:
    """Add what every command has beside its own answer: the dry run's, and for PATCH the merge patch's media type."""
    responses.setdefault(
        "200", {**responses.get("201", responses.get("202", {})), "description": "Dry run: what would happen."}
    )
    for status, description in (
        ("201", "Done."),
        ("202", "Begun; `Location` says how far it is."),
        ("200", "Done, or what would happen in a dry run."),
    ):
        if status in responses and not responses[status]["description"].startswith("Dry run"):
            responses[status]["description"] = description
    content = operation.get("requestBody", {}).get("content", {})
    if method == "patch" and "application/json" in content:
        content["application/merge-patch+json"] = content["application/json"]


def _name_of(entry: Json) -> str:
    name = entry.get("$ref", "").rpartition("/")[2]
    return str(PARAMETERS[name]["name"] if name else entry["name"])


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
    if declaration.compresses:
        yield "AcceptEncoding"
    if not is_query and not declaration.policy.public:
        yield "DryRun"


def _success_fields(declaration: Declaration, *, is_query: bool, is_created: bool = False) -> dict[str, str]:
    fields = {"X-Request-Id": "RequestId"}
    if declaration.policy.public:
        return fields
    fields |= {"RateLimit": "RateLimit", "RateLimit-Policy": "RateLimitPolicy"}
    if not is_query:
        fields |= {"ETag": "VersionTag", "ShelfWise-Position": "Position"}
        if is_created:
            fields["Location"] = "Location"
        if declaration.idempotency != "none":
            fields["Idempotent-Replayed"] = "Replayed"
    elif _is_fresh(declaration):
        fields |= {"ETag": "WeakTag", "Link": "Link", "ShelfWise-Position": "Position"}
    if declaration.compresses:
        fields |= {"Content-Encoding": "ContentEncoding", "Vary": "Vary"}
    return fields


def _errors(operation: Json, declaration: Declaration, *, is_query: bool) -> Iterator[type[ShelfWiseError]]:
    yield from (MalformedError, RateLimitedError, UnavailableError, OverloadedError, InternalError)
    yield from declaration.errors
    if not declaration.policy.public:
        yield from (UnauthenticatedError, ForbiddenError, NotAcceptableError, DatabaseUnavailableError)
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
