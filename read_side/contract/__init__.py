"""The contract of both sides as this release serves it at `/schema`; `make contract` builds the file anew."""

from pathlib import Path
from typing import Final

import msgspec
from litestar.handlers import HTTPRouteHandler

from shared_kernel.http.schema_page import schema_handlers

CONTRACT_FILE: Final = Path(__file__).with_name("openapi.json")


def contract_routes() -> list[HTTPRouteHandler]:
    """`/schema` and `/schema/openapi.json`, without the layout that the file has for its readers."""
    return schema_handlers(msgspec.json.format(CONTRACT_FILE.read_bytes(), indent=-1))
