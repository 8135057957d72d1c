"""The contract of both sides in one document, built from the routes themselves: `python -m operations.contract`.

Neither side may know the other, so the document is merged here, when the project is built, and committed as a file that
the read side serves. A test builds it again and compares.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from litestar import Router

from read_side.app import API_PATH
from read_side.query_execution.cursors import InvalidCursor
from read_side.query_execution.errors import (
    AsOfTooEarlyError,
    PositionUnknownError,
    ProjectionBehindError,
    RowDegradedError,
    SnapshotBuildingError,
    SnapshotUnknownError,
    TooManyWaitingError,
    ViewNotBuiltError,
)
from read_side.routes import ROUTES as QUERIES
from shared_kernel.errors import ShelfWiseError
from shared_kernel.http.openapi import build_document, merge_documents
from write_side.command_execution.errors import (
    ConcurrentChangeError,
    IdempotencyKeyReusedError,
    OutcomeUnknownError,
    TooManyCommandsError,
)
from write_side.routes import ROUTES as COMMANDS

_TITLE: Final = "ShelfWise"
_VERSION: Final = "1"
_DESCRIPTION: Final = (
    "Bookstores' orders, stock and catalogue. Commands (POST, PUT, PATCH) answer with the position their effect has "
    "in the store's log; queries (GET) say up to which position they show it, and wait for one on request."
)

_ERRORS_OF_COMMANDS: Final[Mapping[str, Sequence[type[ShelfWiseError]]]] = {
    "Idempotency-Key": (IdempotencyKeyReusedError,),
    "ShelfWise-Dry-Run": (ConcurrentChangeError, OutcomeUnknownError, TooManyCommandsError),
}
_ERRORS_OF_QUERIES: Final[Mapping[str, Sequence[type[ShelfWiseError]]]] = {
    "ShelfWise-Min-Position": (
        PositionUnknownError,
        ProjectionBehindError,
        RowDegradedError,
        TooManyWaitingError,
        ViewNotBuiltError,
    ),
    "cursor": (InvalidCursor,),
    "as_of": (SnapshotUnknownError, SnapshotBuildingError, AsOfTooEarlyError),
}


def build_contract() -> bytes:
    """The merged document, JSON, laid out so that a change of it can be read."""
    commands = build_document(
        [Router(API_PATH, route_handlers=[*COMMANDS])],
        title=_TITLE,
        version=_VERSION,
        dependency_names=("batch", "commands", "inbox", "limits", "webhook_rules"),
        errors_of_parameters=_ERRORS_OF_COMMANDS,
    )
    queries = build_document(
        [Router(API_PATH, route_handlers=[*QUERIES])],
        title=_TITLE,
        version=_VERSION,
        dependency_names=("queries", "streams", "clock"),
        errors_of_parameters=_ERRORS_OF_QUERIES,
    )
    document = merge_documents(commands, queries)
    document["info"]["description"] = _DESCRIPTION
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
