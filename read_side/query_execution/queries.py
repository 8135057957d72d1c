"""The execution of queries; filled in next."""

from typing import Any, Generic, TypeVar

import msgspec
from litestar import Response

from read_side.query_execution.answers import Fetch
from read_side.query_execution.requests import QueryRequest
from shared_kernel.views import Key, View

QueryT = TypeVar("QueryT", bound=msgspec.Struct)


class Queries:
    """Answers every query of this process."""

    async def entity(self, request: QueryRequest, *, view: View[Any], key: Key) -> Response[Any]:
        """One row by its key: from Redis, else from the table, else 404."""
        raise NotImplementedError

    async def answer(
        self, request: QueryRequest, *, view: View[Any], query: QueryT, fetch: Fetch[QueryT]
    ) -> Response[Any]:
        """Whatever `fetch` finds: stored with build and revision, and told again while both hold."""
        raise NotImplementedError
