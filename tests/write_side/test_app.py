"""The command API as a whole: its routes, its document, and what it does without Redis or a database."""

import ast
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from litestar import Router

import write_side.app
import write_side.worker
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.http.openapi import build_document
from shared_kernel.settings import SettingsError
from tests.builders.write_api import WriteApi, open_write_api, running_client
from tests.servers import Servers
from write_side.app import WriteApiSettings, create_app
from write_side.routes import ROUTES

ROOM = Path(write_side.app.__file__).parent
NOWHERE = "127.0.0.1:1"
DEPENDENCIES = ("batch", "commands", "inbox", "limits", "webhook_rules")


def test_every_slice_with_endpoints_is_routed() -> None:
    """A forgotten one would be missing from the API without a word."""
    declared = {
        (".".join((ROOM.name, *path.relative_to(ROOM).with_suffix("").parts)), node.name)
        for path in ROOM.rglob("endpoints.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.AsyncFunctionDef)
    }
    assert declared == {(route.fn.__module__, route.fn.__name__) for route in ROUTES}


def test_the_document_names_every_problem_a_command_can_meet() -> None:
    """Those of an order as an example: what a rule, a key, a limit and an outage answer."""
    document = build_document(
        [Router("/api/v1", route_handlers=[*ROUTES])], title="x", version="1", dependency_names=DEPENDENCIES
    )
    order = document["paths"]["/api/v1/orders"]["post"]
    assert {"201", "400", "401", "403", "409", "422", "429", "503"} <= set(order["responses"])
    assert document["paths"]["/api/v1/editions/{edition_id}"]["patch"]["responses"]["428"]


def test_settings_are_named_when_they_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the module reads nothing; asking it for the application does."""
    for variable in ("SHELFWISE_WRITE_DATABASE_URL", "SHELFWISE_REDIS_URL", "SHELFWISE_SECRET_KEY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SettingsError, match="SHELFWISE_WRITE_DATABASE_URL"):
        _ = write_side.app.app


@pytest.mark.parametrize("begin", [lambda: write_side.app.app, write_side.worker.main], ids=["api", "worker"])
def test_no_deployable_sends_webhooks_to_its_own_machine(
    monkeypatch: pytest.MonkeyPatch, begin: Callable[[], object]
) -> None:
    """The permission is for the children of `shelfwise up`: whoever else is given it does not start."""
    needed = {"WRITE_DATABASE_URL": NOWHERE, "REDIS_URL": NOWHERE, "SECRET_KEY": "k" * 32}
    for name, value in {**needed, "WEBHOOKS_ALLOW_LOOPBACK": "true"}.items():
        monkeypatch.setenv(f"SHELFWISE_{name}", value)
    with pytest.raises(SettingsError, match="WEBHOOKS_ALLOW_LOOPBACK"):
        begin()


async def test_commands_go_on_without_redis(servers: Servers) -> None:
    """The doorbell is not heard, limits are this process's share, and nothing fails."""
    async with open_write_api(servers, redis_url=f"redis://{NOWHERE}/0") as api:
        answer = await api.post("/locations", {"name": "Main street", "kind": "shop"})
        assert answer.status_code == 201
        assert "RateLimit" in answer.headers


async def test_without_a_database_the_answer_is_503_and_readiness_is_red(servers: Servers) -> None:
    """With Retry-After, within two seconds, and the process lives."""
    settings = WriteApiSettings(
        write_database_url=f"postgresql://{DatabaseRole.WRITE_API.value}:x@{NOWHERE}/x",
        redis_url=servers.redis_url,
        secret_key=servers.secret_key,
    )
    async with open_write_api(servers) as api:
        app = create_app(settings)
        async with running_client(app) as client:
            answer = await _locate(client, api)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert answer.elapsed.total_seconds() < 10
            assert (await client.get("/health/ready")).status_code == 503
            assert (await client.get("/health/live")).status_code == 200


async def _locate(client: httpx.AsyncClient, api: WriteApi) -> httpx.Response:
    headers = {"Authorization": f"Bearer {api.key.key}", "Idempotency-Key": "k"}
    return await client.post("/api/v1/locations", json={"name": "Main street", "kind": "shop"}, headers=headers)
