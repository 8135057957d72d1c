"""The operators' API in an OpenAPI document of its own: it is nobody's business who has a store's key.

Made by `make contract`, committed, and compared by a test.
"""

from pathlib import Path
from typing import Final

import msgspec
from litestar import Response, Router, get
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler

from operations.api.routes import API_PATH, ROUTES
from shared_kernel.access.roles import OPERATE
from shared_kernel.http.openapi import build_document
from shared_kernel.http.openapi_parts import Json
from shared_kernel.http.routes import declare

DOCUMENT_FILE: Final = Path(__file__).with_name("openapi.json")
_TITLE: Final = "ShelfWise for operators"
_OF_STORES: Final = frozenset({"DryRun"})
_HEADERS_OF_STORES: Final = frozenset({"ETag", "ShelfWise-Position", "RateLimit", "RateLimit-Policy"})


def build_operations_document() -> bytes:
    """The document, JSON, laid out so that a change of it can be read."""
    document = build_document(
        [Router(API_PATH, route_handlers=[*ROUTES])], title=_TITLE, version="1", dependency_names=("desk",)
    )
    for item in document["paths"].values():
        for operation in item.values():
            _without_stores(operation)
    document["info"]["description"] = (
        "What the `shelfwise` command does, for programs and for the console. A key with the role `operator` opens it, "
        "and nothing else; every call that changes something is entered in the audit before and after."
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def schema_routes() -> list[HTTPRouteHandler]:
    """Where the document is served."""
    document = DOCUMENT_FILE.read_bytes()

    @get(f"{API_PATH}/schema", opt=declare(policy=OPERATE, waits=False), include_in_schema=False)
    async def operations_schema() -> Response[bytes]:
        return Response(document, media_type=MediaType.JSON)

    return [operations_schema]


def _without_stores(operation: Json) -> None:
    """Operators' calls have no dry run, and no position: they belong to no store's log."""
    operation["parameters"] = [
        entry for entry in operation["parameters"] if entry.get("$ref", "").rpartition("/")[2] not in _OF_STORES
    ]
    responses = operation["responses"]
    if responses.get("200", {}).get("description", "").startswith("Dry run"):
        del responses["200"]
    for response in responses.values():
        headers = response.get("headers", {})
        response["headers"] = {name: value for name, value in headers.items() if name not in _HEADERS_OF_STORES}
