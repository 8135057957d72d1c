"""What changes something: once for its key, entered in the audit before and after, and told what to do when refused."""

import asyncio

from shared_kernel.access.roles import Role
from tests.builders.operations_api import Operator
from tests.builders.projecting import projected, running_projector
from tests.eventually import eventually

_STORE = {"name": "Corner", "slug": "corner", "currency": "GBP", "timezone": "Europe/London"}


async def test_a_store_is_opened_once_however_often_it_is_asked_for(operator: Operator) -> None:
    """By retries and at the same time; the same key with another body is refused."""
    answers = await asyncio.gather(*(operator.post("/tenants", _STORE, idempotency_key="open") for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    again = await operator.post("/tenants", _STORE, idempotency_key="open")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    told = {answer.json()["data"]["id"] for answer in (*answers, again) if answer.status_code == 201}
    assert len(told) == 1
    other = await operator.post("/tenants", _STORE | {"slug": "other"}, idempotency_key="open")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert [one["slug"] for one in (await operator.ask("/tenants"))["tenants"]] == ["corner"]


async def test_every_call_is_entered_before_and_after(operator: Operator) -> None:
    """With who and what; one that a rule refuses too."""
    await operator.call("/tenants", _STORE)
    taken = await operator.post("/tenants", _STORE)
    assert (taken.status_code, taken.json()["code"]) == (409, "slug_taken")

    assert await operator.entries() == [
        ("create_tenant", "asked"),
        ("create_tenant", "done"),
        ("create_tenant", "asked"),
        ("create_tenant", "refused"),
    ]
    newest, *_ = (await operator.ask("/audit"))["entries"]
    me = (await operator.ask("/sessions/current"))["operator"]
    assert newest["actor"] == f"operator:{me}"
    assert newest["target"] == {"tenant": "corner"}
    assert newest["detail"].startswith("slug_taken")


async def test_a_key_is_shown_once_and_a_retry_is_answered_without_it(operator: Operator) -> None:
    """What is kept for retries has no secret."""
    await operator.call("/tenants", _STORE)
    body = {"name": "till", "role": Role.CLERK, "tenant": "corner"}
    first = await operator.post("/keys", body, idempotency_key="key")
    again = await operator.post("/keys", body, idempotency_key="key")
    assert first.json()["data"]["key"].startswith("sw_live_")
    assert again.json()["data"] == {"id": first.json()["data"]["id"], "key": None}
    listed = (await operator.ask("/keys?tenant=corner"))["keys"]
    assert [one["role"] for one in listed] == ["clerk"]


async def test_a_keys_tenant_goes_with_its_role(operator: Operator) -> None:
    """An operator's has none, every other has one."""
    for body in ({"name": "x", "role": "operator", "tenant": "corner"}, {"name": "x", "role": "owner"}):
        answer = await operator.post("/keys", body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/tenant")


async def test_what_creates_something_wants_an_idempotency_key(operator: Operator) -> None:
    """And says so."""
    fields = {"Authorization": f"Bearer {operator.key}"}
    answer = await operator.client.post("/api/v1/operations/tenants", json=_STORE, headers=fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")


async def test_names_that_do_not_exist_are_not_found(operator: Operator) -> None:
    """A projection, a store, a key, a request, a verification."""
    none = "018f0000-0000-7000-8000-000000000000"
    asked = [
        await operator.post("/projections/nonsense/rebuild", {}),
        await operator.post("/projections/kpis/rebuild", {"tenant": "nobody"}),
        await operator.post(f"/keys/{none}/revocation"),
        await operator.get(f"/requests/{none}"),
        await operator.get(f"/verifications/{none}"),
        await operator.get("/projections/status?name=nonsense"),
    ]
    assert [answer.status_code for answer in asked] == [404] * len(asked)


async def test_a_projection_is_verified_rebuilt_paused_explained_and_rolled_back(operator: Operator) -> None:
    """Each asked by the operator, done by the projector, and followed by its id."""
    await operator.call("/tenants", _STORE)
    async with running_projector(operator.servers):
        await projected(operator.servers)
        verification = await operator.call("/projections/store/verifications", {})
        rebuild = await operator.call("/projections/store/rebuild", {"keep_old": True})
        rebuilt = await _followed(operator, rebuild["id"])
        assert (rebuilt["state"], rebuilt["cut_over"], rebuilt["tenants"]) == ("done", 1, 1)
        me = (await operator.ask("/sessions/current"))["operator"]
        assert rebuilt["requested_by"] == f"operator:{me}"

        assert (await _followed(operator, (await operator.call("/projections/store/pause"))["id"]))["state"] == "done"
        assert (await operator.ask("/overview"))["paused"] == ["store"]
        assert (await _followed(operator, (await operator.call("/projections/store/resume"))["id"]))["state"] == "done"
        back = await operator.call("/projections/store/rollback", {"tenant": "corner"})
        assert (await _followed(operator, back["id"]))["state"] == "done"

        found = await eventually(
            lambda: operator.ask(f"/verifications/{verification['id']}"), lambda one: one["state"] != "running"
        )
        assert (found["state"], found["finding"]["identical"]) == ("done", True)
        (store,) = (await operator.ask("/tenants"))["tenants"]
        row = await operator.ask(f"/projections/store/explanation?tenant=corner&key={store['id']}")
        assert ([one["type"] for one in row["changes"]], row["identical"]) == (["StoreOpened"], True)


async def test_the_overview_computes_lag_against_the_logs_head(operator: Operator) -> None:
    """With nobody projecting, everything is behind; the doctor says that nobody does."""
    await operator.call("/tenants", _STORE)
    overview = await operator.ask("/overview")
    assert (overview["stores_behind"], overview["stores_total"]) == (1, 1)
    assert overview["stores"][0]["lag_events"] == 1
    assert overview["stores"][0]["lag_seconds"] > 0
    assert all(one["lag_events"] == 1 for one in overview["projections"])
    checks = {one["name"]: one for one in (await operator.ask("/doctor"))["checks"]}
    assert not checks["projectors"]["ok"]
    assert checks["migrations"]["ok"]


async def _followed(operator: Operator, request_id: str) -> dict[str, object]:
    async def look() -> dict[str, object]:
        found: dict[str, object] = await operator.ask(f"/requests/{request_id}")
        return found

    return await eventually(look, lambda one: one["state"] in {"done", "failed"})
