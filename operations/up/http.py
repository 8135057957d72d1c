"""A client for one address on this machine, for what `up` itself asks: readiness, and the demo's live orders."""

import asyncio
import http.client
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from typing import TypeVar

import msgspec

_TIMEOUT_SECONDS = 10.0
_MAX_BODY_BYTES = 4 * 1024 * 1024

DataT = TypeVar("DataT")


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A status and a body; status 0 where there was no answer."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def data(self, kind: type[DataT]) -> DataT:
        """The `data` of an envelope."""
        return msgspec.convert(msgspec.json.decode(self.body, type=_Envelope).data, kind)

    @property
    def code(self) -> str | None:
        """The stable code of a failure."""
        try:
            return msgspec.json.decode(self.body, type=_Problem).code
        except msgspec.DecodeError:
            return None


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    data: object


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    code: str | None = None


class LocalClient:
    """Asks 127.0.0.1; a connection per request, which at a few a second costs nothing worth keeping one for."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """GET."""
        return await asyncio.to_thread(self._ask, "GET", path, None, dict(headers or {}))

    async def post(self, path: str, body: object, headers: Mapping[str, str]) -> HttpAnswer:
        """POST as JSON."""
        fields = {"Content-Type": "application/json", **headers}
        return await asyncio.to_thread(self._ask, "POST", path, msgspec.json.encode(body), fields)

    async def delete(self, path: str, headers: Mapping[str, str]) -> HttpAnswer:
        """DELETE."""
        return await asyncio.to_thread(self._ask, "DELETE", path, None, dict(headers))

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> HttpAnswer:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS)) as connection:
            try:
                connection.request(method, path, body=body, headers=headers)
                response = connection.getresponse()
                return HttpAnswer(status=response.status, body=response.read(_MAX_BODY_BYTES))
            except (OSError, http.client.HTTPException):
                return HttpAnswer(status=0, body=b"")
