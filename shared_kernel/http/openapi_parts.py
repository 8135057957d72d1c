"""What the contract says of every operation alike: headers, problems, the key; each written once, as a component."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

from shared_kernel.http.problems import PROBLEM_MEDIA_TYPE, STATUS_OF_KIND, InternalError, Problem

Json: TypeAlias = dict[str, Any]  # Any: an OpenAPI document is JSON whose shape its own specification gives

_STRING: Final[Json] = {"type": "string"}
_NUMBER: Final[Json] = {"type": "integer", "minimum": 0}


def _header_parameter(name: str, description: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


_KEY_SCHEMA: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
_TRUTH_SCHEMA: Final[Json] = {"type": "string", "enum": ["true", "false"]}
_VERSION_SCHEMA: Final[Json] = {"type": "string", "pattern": '^"(0|[1-9][0-9]{0,17})"$', "examples": ['"3"']}

PARAMETERS: Final[Mapping[str, Json]] = {
    "RequestId": _header_parameter(
        "X-Request-Id",
        "Echoed; made where absent or not sane.",
        {"type": "string", "pattern": "^[!-~]{1,128}$"},
    ),
    "Traceparent": _header_parameter("traceparent", "W3C trace context, carried into the workers.", _STRING),
    "IdempotencyKeyRequired": _header_parameter(
        "Idempotency-Key", "Of your own making; the same one when you try again.", _KEY_SCHEMA, required=True
    ),
    "IdempotencyKeyAccepted": _header_parameter("Idempotency-Key", "Makes trying again safe.", _KEY_SCHEMA),
    "IfMatchRequired": _header_parameter("If-Match", "The ETag last seen.", _VERSION_SCHEMA, required=True),
    "IfMatchAccepted": _header_parameter("If-Match", "The ETag last seen.", _VERSION_SCHEMA),
    "DryRun": _header_parameter(
        "ShelfWise-Dry-Run",
        "Decide, say what would happen, commit nothing.",
        _TRUTH_SCHEMA,
    ),
    "MinPosition": _header_parameter(
        "ShelfWise-Min-Position", "Answer only with at least this position of the store's log.", _NUMBER
    ),
    "Prefer": _header_parameter(
        "Prefer",
        "`wait=2` waits so many seconds (at most 10) for the minimum position.",
        {"type": "string", "examples": ["wait=2"]},
    ),
    "AcceptEncoding": _header_parameter(
        "Accept-Encoding",
        "With `gzip` a large answer is compressed.",
        {"type": "string", "examples": ["gzip", "gzip, deflate, br, zstd"]},
    ),
    "IfNoneMatch": _header_parameter("If-None-Match", "The ETag last seen: 304 while it holds.", _STRING),
}

HEADERS: Final[Mapping[str, Json]] = {
    "RequestId": {"description": "Of this request, also in our logs.", "schema": _STRING},
    "Position": {"description": "Up to which position of the store's log this answer reaches.", "schema": _NUMBER},
    "VersionTag": {"description": "The aggregate's version, for If-Match.", "schema": _VERSION_SCHEMA},
    "WeakTag": {"description": "For If-None-Match.", "schema": _STRING},
    "Location": {"description": "Where what was created can be read.", "schema": _STRING},
    "ContentEncoding": {"description": "`gzip`, where the answer is compressed.", "schema": _STRING},
    "Vary": {"description": "`Accept-Encoding`, which decides whether it is.", "schema": _STRING},
    "Link": {"description": 'The next page, rel="next".', "schema": _STRING},
    "Replayed": {"description": "`true`: the stored answer to an earlier request with this key.", "schema": _STRING},
    "RetryAfter": {"description": "Seconds after which trying again makes sense.", "schema": _NUMBER},
    "RateLimit": {"description": "What is left of the limit that decides (IETF draft).", "schema": _STRING},
    "RateLimitPolicy": {"description": "The limits (IETF draft).", "schema": _STRING},
    "WwwAuthenticate": {"description": "Bearer.", "schema": _STRING},
}

_FIELDS_OF_STATUS: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"WWW-Authenticate": "WwwAuthenticate"},
    404: {"ShelfWise-Position": "Position"},
    429: {"Retry-After": "RetryAfter", "RateLimit": "RateLimit", "RateLimit-Policy": "RateLimitPolicy"},
    503: {"Retry-After": "RetryAfter"},
}

_BEFORE_LIMITS: Final = frozenset({401, 500})
"""Nobody's limits are known yet, or nothing is known."""

SECURITY_SCHEMES: Final[Mapping[str, Json]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "sw_<live|test>_<random><checksum>",
        "description": "An API key. It names the store; nothing else does.",
    }
}


def problem_schemas() -> Mapping[str, Json]:
    """The schemas of a problem and of its parts, by component name."""
    _, schemas = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    return schemas


def reference(kind: str, name: str) -> Json:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def header_references(fields: Mapping[str, str]) -> Json:
    """Response header fields by name, each a reference to the component it is."""
    return {field: reference("headers", component) for field, component in fields.items()}


def problem_response_of(status: int, codes: tuple[str, ...], *, is_limited: bool) -> Json:
    """The documented response of one failing status, naming the codes it can carry; with the limits where there are."""
    titles = {status_: kind.title for kind, status_ in STATUS_OF_KIND.items()} | {500: InternalError.title}
    fields = {"X-Request-Id": "RequestId", **_FIELDS_OF_STATUS.get(status, {})}
    if is_limited and status not in _BEFORE_LIMITS:
        fields |= {"RateLimit": "RateLimit", "RateLimit-Policy": "RateLimitPolicy"}
    return {
        "description": f"{titles[status]}. Codes: {', '.join(f'`{code}`' for code in codes)}.",
        "headers": header_references(fields),
        "content": {PROBLEM_MEDIA_TYPE: {"schema": reference("schemas", "Problem")}},
    }
