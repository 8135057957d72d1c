"""PostgreSQL going away in the middle of a request is a 503; our own mistake stays a 500."""

import asyncpg
import httpx
import pytest
from litestar import get
from litestar.params import FromQuery

from shared_kernel.access.roles import PUBLIC
from shared_kernel.http.app_factory import build_app
from shared_kernel.http.door import DoorSettings
from shared_kernel.http.health import Health
from shared_kernel.http.routes import declare
from shared_kernel.observability.metrics import Metrics
from tests.servers import Servers
from tests.shared_kernel.http.small_store import ROOMY, assert_problem

_STATEMENTS = {
    "ended by the operator": "SELECT pg_terminate_backend(pg_backend_pid())",
    "longer than its bound": "SET statement_timeout = 20; SELECT pg_sleep(5)",
    "on a lost connection": "",
    "on a lost connection of a pool": "",
    "read only": "BEGIN READ ONLY; CREATE TABLE t ()",
    "a mistake of ours": "SELECT nothing FROM nowhere",
    "a parameter of another type": None,
}


@get("/statement", opt=declare(policy=PUBLIC))
async def run_statement(url: FromQuery[str], which: FromQuery[str]) -> None:
    """Run one of the statements."""
    if which.endswith("of a pool"):
        async with asyncpg.create_pool(url, min_size=0) as pool, pool.acquire() as lost:
            lost.terminate()
            await lost.execute("SELECT 1")
    connection = await asyncpg.connect(url)
    try:
        statement = _STATEMENTS[which]
        if statement is None:
            await connection.fetch("SELECT $1::int", "not a number")
        elif statement:
            await connection.execute(statement)
        else:
            connection.terminate()
            await connection.execute("SELECT 1")
    finally:
        connection.terminate()


@pytest.mark.parametrize("which", list(_STATEMENTS))
async def test_an_outage_is_a_503_and_a_mistake_a_500(servers: Servers, which: str) -> None:
    """With Retry-After, and nothing of what happened."""
    app = build_app(
        [run_statement], door=DoorSettings(rate_limits=ROOMY), metrics=Metrics(), health=Health(), authentication=None
    )
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]  # httpx types ASGI more loosely than Litestar
    async with httpx.AsyncClient(transport=transport, base_url="http://small.example") as client:
        response = await client.get("/statement", params={"url": servers.write_admin_url, "which": which})
    if which in ("a mistake of ours", "a parameter of another type"):
        assert_problem(response, 500, "internal_error")
        return
    problem = assert_problem(response, 503, "database_unavailable")
    assert response.headers["retry-after"] == "1"
    assert "SELECT" not in str(problem)
