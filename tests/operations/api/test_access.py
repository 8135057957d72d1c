"""Who may: operators, by a key or by a session, and nobody else; and an operator's key opens no store."""

import re
from uuid import uuid4

import asyncpg
import httpx
import pytest

from operations.api.app import create_app
from operations.api.cookies import COOKIE
from operations.api.routes import API_PATH
from shared_kernel.access.api_keys import hash_api_key
from shared_kernel.access.roles import OPERATE, Role
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.http.routes import declaration_of, handlers_of
from tests.builders.operations_api import Operator, operations_settings
from tests.builders.write_api import open_write_api
from tests.eventually import eventually
from tests.servers import Servers

_STORE = {"name": "Corner", "slug": "corner", "currency": "GBP", "timezone": "Europe/London"}
_CONSOLE = {"X-ShelfWise-Console": "1"}


async def _store_key(operator: Operator, role: Role) -> str:
    body = {"name": "till", "role": role, "tenant": "corner"}
    return str((await operator.call("/keys", body))["key"])


def test_every_route_is_the_operators_or_the_consoles_own_files(servers: Servers) -> None:
    """Nothing below the API is public, nor open to a store's role."""
    for path, handler in handlers_of(create_app(operations_settings(servers)).litestar):
        if path.startswith(API_PATH):
            assert declaration_of(handler).policy == OPERATE, path
        else:
            assert path.startswith(("/console", "/health", "/metrics")), path


async def test_a_stores_key_of_any_role_opens_nothing(operator: Operator) -> None:
    """403, at every route; and 401 without a key."""
    await operator.call("/tenants", _STORE)
    keys = [await _store_key(operator, role) for role in Role if role is not Role.OPERATOR]
    app = create_app(operations_settings(operator.servers))
    routes = [(path, handler) for path, handler in handlers_of(app.litestar) if path.startswith(API_PATH)]
    assert len(routes) >= 25
    for path, handler in routes:
        url = re.sub(r"\{[^}]*:uuid\}", f"{uuid4()}", path).replace("{name:str}", "kpis").replace("{version:int}", "1")
        for method in getattr(handler, "http_methods", ()):
            assert (await operator.client.request(method, url)).status_code == 401, path
            for key in keys:
                answer = await operator.client.request(method, url, headers={"Authorization": f"Bearer {key}"})
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path


async def test_an_operators_key_opens_no_store(operator: Operator) -> None:
    """The command API does not know it."""
    async with open_write_api(operator.servers) as write_api:
        answer = await write_api.client.post(
            "/api/v1/locations",
            json={"name": "x", "kind": "shop"},
            headers={"Authorization": f"Bearer {operator.key}", "Idempotency-Key": "one"},
        )
    assert answer.status_code == 401


async def test_a_revoked_key_opens_nothing_at_once_and_neither_do_its_sessions(operator: Operator) -> None:
    """Whatever this process remembers of them."""
    made = await operator.call("/keys", {"name": "second", "role": "operator"})
    begun = await operator.client.post(f"{API_PATH}/sessions", headers={"Authorization": f"Bearer {made['key']}"})
    session = begun.cookies[COOKIE]
    assert (await operator.get("/sessions/current", key=session)).status_code == 200

    await operator.call(f"/keys/{made['id']}/revocation")

    for key in (made["key"], session):
        answer = await _eventually_refused(operator, key)
        assert answer.status_code == 401


async def _eventually_refused(operator: Operator, key: str) -> httpx.Response:
    return await eventually(
        lambda: operator.get("/sessions/current", key=key), lambda answer: answer.status_code == 401
    )


async def test_a_session_is_a_cookie_that_no_script_reads_and_no_other_site_sends(operator: Operator) -> None:
    """HttpOnly, Strict, of this path, for an hour; ended, it opens nothing."""
    begun = await operator.client.post(f"{API_PATH}/sessions", headers={"Authorization": f"Bearer {operator.key}"})
    assert begun.status_code == 201
    flags = begun.headers["set-cookie"]
    assert all(part in flags for part in ("HttpOnly", "SameSite=strict", f"Path={API_PATH}"))
    assert 3_500 < int(re.search(r"Max-Age=(\d+)", flags)[1]) <= 3_600  # type: ignore[index]  # it is there, or the test fails

    cookie = {"Cookie": f"{COOKIE}={begun.cookies[COOKIE]}"}
    here = f"{API_PATH}/sessions/current"
    assert (await operator.client.get(here, headers=cookie)).status_code == 200
    elsewhere = cookie | {"Sec-Fetch-Site": "cross-site"}
    assert (await operator.client.get(here, headers=elsewhere)).status_code == 401

    end = f"{API_PATH}/sessions/end"
    assert (await operator.client.post(end, headers=cookie)).status_code == 401, "without the console's header"
    assert (await operator.client.post(end, headers=cookie | _CONSOLE)).status_code == 200
    assert (await operator.client.get(here, headers=cookie)).status_code == 401


async def test_behind_tls_the_cookie_goes_over_tls_only(operator: Operator) -> None:
    """As the gateway says."""
    headers = {"Authorization": f"Bearer {operator.key}", "X-Forwarded-Proto": "https"}
    begun = await operator.client.post(f"{API_PATH}/sessions", headers=headers)
    assert "Secure" in begun.headers["set-cookie"]


async def test_a_session_cannot_make_itself_longer(operator: Operator) -> None:
    """It would never end."""
    first = await operator.client.post(f"{API_PATH}/sessions", headers={"Authorization": f"Bearer {operator.key}"})
    session = {"Authorization": f"Bearer {first.cookies[COOKIE]}"}
    again = await operator.client.post(f"{API_PATH}/sessions", headers=session)
    assert again.json()["data"]["expires_at"] == first.json()["data"]["expires_at"]


async def test_the_database_keeps_a_hash_and_shows_it_to_the_operators_role_only(operator: Operator) -> None:
    """The key's text is nowhere; no other role may look."""
    admin = await asyncpg.connect(operator.servers.write_admin_url)
    try:
        rows = await admin.fetch("SELECT k::text AS text FROM operations.operator_key k")
        owners = await admin.fetch(
            "SELECT DISTINCT grantee FROM information_schema.table_privileges"
            " WHERE table_schema = 'operations' AND grantee LIKE 'shelfwise%'"
        )
    finally:
        await admin.close()
    assert not any(operator.key in row["text"] for row in rows)
    assert any(hash_api_key(operator.key, operator.servers.secret_key) in row["text"] for row in rows)
    assert {row["grantee"] for row in owners} == {"shelfwise_operator", "shelfwise_owner"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE operations.audit SET actor = 'nobody'",
        "DELETE FROM operations.audit",
        "DELETE FROM operations.operator_key",
        "UPDATE operations.operator_key SET key_hash = ''",
        "INSERT INTO log.tenant_head SELECT * FROM log.tenant_head",
    ],
)
async def test_what_is_written_is_not_unwritten(operator: Operator, statement: str) -> None:
    """Nor may the operator's role append to a store's log."""
    connection = await asyncpg.connect(operator.servers.url_as(DatabaseRole.OPERATOR, read=False))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()
