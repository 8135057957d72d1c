"""The operators' API as a client meets it: the real application on a test's own servers, and a key that opens it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg
import httpx
import msgspec

from operations.access.operator_keys import NewOperatorKey, issue_operator_key
from operations.api.app import OperationsSettings, create_app
from operations.api.routes import API_PATH
from shared_kernel.database.pool import PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from tests.builders.write_api import running_client
from tests.servers import Servers

_numbers = count(1)


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with an operator's key."""

    client: httpx.AsyncClient
    servers: Servers
    key: str

    async def get(self, path: str, *, key: str | None = None) -> httpx.Response:
        """Ask."""
        return await self.client.get(API_PATH + path, headers={"Authorization": f"Bearer {key or self.key}"})

    async def post(
        self, path: str, body: object = None, *, key: str | None = None, idempotency_key: str | None = None
    ) -> httpx.Response:
        """Change something, with an Idempotency-Key of its own unless one is given."""
        fields = {
            "Authorization": f"Bearer {key or self.key}",
            "Idempotency-Key": idempotency_key or f"call-{next(_numbers)}",
        }
        return await self.client.post(API_PATH + path, json=body, headers=fields)

    async def ask(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The `data` of a question that is answered."""
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def call(self, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """The `data` of a change that is accepted."""
        answer = await self.post(path, body)
        assert answer.status_code in {200, 201, 202}, answer.text
        return answer.json()["data"]

    async def entries(self) -> list[tuple[str, str]]:
        """Action and phase of every entry of the audit, in order, but for sessions."""
        connection = await asyncpg.connect(self.servers.write_admin_url)
        try:
            rows = await connection.fetch("SELECT action, phase FROM operations.audit ORDER BY entry")
        finally:
            await connection.close()
        return [(row["action"], row["phase"]) for row in rows]


def operations_settings(servers: Servers) -> OperationsSettings:
    """As compose.yaml gives them."""
    return OperationsSettings(
        write_database_url=servers.url_as(DatabaseRole.OPERATOR, read=False),
        read_database_url=servers.url_as(DatabaseRole.OPERATOR, read=True),
        command_database_url=servers.url_as(DatabaseRole.WRITE_API, read=False),
        redis_url=servers.redis_url,
        secret_key=servers.secret_key,
        live_interval_seconds=0.1,
    )


async def operator_key(servers: Servers) -> str:
    """A new operator's."""
    pool = PoolSettings(application_name="tests", max_size=1)
    async with build_pool(servers.url_as(DatabaseRole.OPERATOR, read=False), pool) as write_pool:
        wanted = NewOperatorKey(name="tests")
        issued = await issue_operator_key(write_pool, wanted, secret_key=servers.secret_key, actor="tests")
        return issued.key


@asynccontextmanager
async def open_operations_api(servers: Servers) -> AsyncIterator[Operator]:
    """The application, running, and somebody who may use it."""
    app = create_app(operations_settings(servers))
    key = await operator_key(servers)
    async with running_client(app) as client:
        client.timeout = httpx.Timeout(30)
        yield Operator(client=client, servers=servers, key=key)
