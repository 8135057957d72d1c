"""The query API as it is put together: every view's routes, who gets in, and what importing it costs."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

import read_side
from read_side.app import API_PATH, Overrides, ReadApiSettings, create_app
from read_side.routes import ROUTES
from shared_kernel.access.api_keys import hash_api_key, new_api_key
from shared_kernel.access.revocations import RevocationMessages
from shared_kernel.http.routes import declaration_of, handlers_of
from shared_kernel.redis.keys import REVOCATIONS_CHANNEL
from shared_kernel.redis.multiplexed import MultiplexedRedis
from tests.eventually import eventually
from tests.read_side.query_execution.books import state
from tests.read_side.query_execution.conftest import GENEROUS, Api, api, overrides, running_api
from tests.read_side.query_execution.shelf import Shelf
from tests.servers import Servers

__all__ = ["api", "overrides"]

_NOWHERE = ReadApiSettings(
    read_database_url="postgresql://nobody@127.0.0.1:1/none", redis_url="redis://127.0.0.1:1", secret_key="s" * 32
)


def test_every_view_with_endpoints_is_listed() -> None:
    """A view that is forgotten in `read_side/routes.py` is found here."""
    folders = {path.parent.name for path in Path(read_side.__path__[0]).glob("*/endpoints.py")}
    listed = {handler.fn.__module__.split(".")[1] for handler in ROUTES}

    assert listed == folders


def test_every_query_is_behind_a_key_and_below_the_api_s_path() -> None:
    """Only health, metrics and the contract are public."""
    app = create_app(_NOWHERE)

    paths = {path: declaration_of(handler) for path, handler in handlers_of(app.litestar)}

    assert {path for path, declared in paths.items() if declared.policy.public} == {
        "/health/live",
        "/health/ready",
        "/health/startup",
        "/metrics",
        "/schema",
        "/schema/openapi.json",
    }
    assert all(path.startswith(API_PATH) for path, declared in paths.items() if not declared.policy.public)


def test_importing_the_module_reads_no_environment() -> None:
    """`read_side.app:app` is built when a server asks for it, and then names what is missing."""
    program = "import read_side.app as module; print('imported'); module.app"

    ended = subprocess.run(
        [sys.executable, "-c", program], env={}, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.stdout == "imported\n"
    assert "SHELFWISE_READ_DATABASE_URL is not set" in ended.stderr


@pytest.mark.parametrize("authorization", [None, "Basic abc", "Bearer nonsense", "Bearer {unknown}"])
async def test_who_has_no_key_gets_the_one_answer(api: Api, authorization: str | None) -> None:
    """401, whatever was wrong."""
    fields = {} if authorization is None else {"Authorization": authorization.format(unknown=new_api_key())}

    answer = await api.client.get("/books", headers=fields)

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"


async def test_a_revoked_key_is_out_at_once(api: Api, servers: Servers) -> None:
    """Before the read side's own database knows, and although the key was remembered."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [], state(position=1))
    assert (await api.get("/books", key)).status_code == 200
    async with Redis.from_url(servers.redis_url) as redis:

        async def heard() -> bool:
            return bool((await redis.pubsub_numsub(REVOCATIONS_CHANNEL))[0][1])

        await eventually(heard)

    async with MultiplexedRedis.from_url(servers.redis_url) as redis_of_write_side:
        await redis_of_write_side.connect()
        await RevocationMessages(redis_of_write_side).announce(hash_api_key(key, servers.secret_key))
    await eventually(lambda: api.get("/books", key), lambda answer: answer.status_code == 401)


async def test_before_the_first_projector_keys_cannot_be_told(servers: Servers) -> None:
    """A fresh installation: neither 401, which would be final, nor 500."""
    async with running_api(servers, Shelf(servers), Overrides(limits=GENEROUS)) as api:
        answer = await api.get("/orders", new_api_key())
        preflight = await api.client.options(
            "/orders", headers={"Origin": "https://a.test", "Access-Control-Request-Method": "GET"}
        )

    assert answer.status_code == preflight.status_code == 503
    assert answer.json()["code"] == preflight.json()["code"] == "view_not_built"


async def test_it_starts_without_its_servers_and_says_so() -> None:
    """Live, not ready; a query is refused within two seconds."""
    app = create_app(_NOWHERE)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]  # httpx has its own idea of ASGI's types
    async with (
        app.litestar.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://api.test") as client,
    ):
        live = await client.get("/health/live")
        ready = await client.get("/health/ready")
        refused = await client.get("/api/v1/orders", headers={"Authorization": f"Bearer {new_api_key()}"})

    assert live.status_code == 200
    assert ready.json()["code"] == "not_ready"
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
