"""Customers: known by name in one place, erased there, and nowhere else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from read_side.app import Overrides
from shared_kernel.access.roles import Role
from shared_kernel.database.pool import PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id
from tests.builders.projecting import running_projector
from tests.builders.reacting import running_reactions
from tests.builders.write_api import WriteApi, made, open_write_api, order, shelf
from tests.eventually import eventually
from tests.read_side.query_execution.conftest import GENEROUS, running_api
from tests.read_side.query_execution.shelf import Shelf
from tests.servers import Servers
from write_side.customers.showing import Showing

JANE = {"name": "Jane Fairfax-Xyzzy", "email": "jane.xyzzy@highbury.example", "phone": "+44 20 5550 1234"}
EVERYTHING = """
SELECT (SELECT string_agg(payload::text || metadata::text, '') FROM log.event)
    || (SELECT string_agg(convert_from(body, 'UTF8') || headers::text, '') FROM access.idempotent_response) AS said
"""


@asynccontextmanager
async def showing(servers: Servers) -> AsyncIterator[None]:
    """A worker that shows who customers are."""
    settings = PoolSettings(application_name="tests", max_size=2)
    async with (
        build_pool(servers.url_as(DatabaseRole.REACTIONS, read=True), settings) as pool,
        running_reactions(servers, duties=(Showing(pool).duty,)),
    ):
        yield


async def register(api: WriteApi, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - a body's members
    """Somebody known to the store."""
    return made(await api.post("/customers", JANE | changes))


async def test_a_customer_is_registered_revised_and_erased(write_api: WriteApi) -> None:
    """Versions move with what changes; consent is an event of its own; erased, there is nothing to revise."""
    customer = await register(write_api, marketing_consent=True)
    assert customer == {"id": customer["id"], "version": 1, "status": "active", "marketing_consent": True}
    path = f"/customers/{customer['id']}"
    assert (await write_api.send("PATCH", path, {"phone": None})).status_code == 428
    patch = {"phone": None, "marketing_consent": False}
    revised = made(await write_api.send("PATCH", path, patch, headers={"If-Match": '"1"'}), status=200)
    assert (revised["version"], revised["marketing_consent"]) == (3, False)
    same = made(await write_api.send("PATCH", path, patch, headers={"If-Match": '"3"'}), status=200)
    assert same["version"] == 3
    assert (await write_api.send("PATCH", path, patch, headers={"If-Match": '"1"'})).status_code == 412
    clerk = await write_api.another(role=Role.CLERK)
    assert (await clerk.post(f"{path}/erasure", {})).status_code == 403
    stranger = await write_api.another(tenant=await write_api.write_side.another_store())
    assert (await stranger.post(f"{path}/erasure", {})).status_code == 404
    assert made(await write_api.post(f"{path}/erasure", {}), status=200)["status"] == "erased"
    again = await write_api.post(f"{path}/erasure", {})
    assert (again.status_code, again.json()["code"]) == (409, "customer_already_erased")
    types = [one.type for one in await write_api.write_side.log() if one.type.startswith("Customer")]
    assert types == ["CustomerRegistered", "CustomerRevised", "CustomerConsentChanged", "CustomerErased"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "\u0000"},
        {"name": "Jane", "email": "jane"},
        {"name": "Jane", "email": "a@b\r\nBcc: c@d"},
        {"name": "Jane\nBcc: x", "email": None},
    ],
)
async def test_what_is_no_person_is_refused(write_api: WriteApi, body: dict[str, Any]) -> None:
    """And the answer does not repeat it."""
    refused = await write_api.post("/customers", body)
    assert refused.status_code in {400, 422}
    assert "Bcc" not in refused.text


async def test_nothing_personal_is_said_anywhere(write_api: WriteApi, capfd: pytest.CaptureFixture[str]) -> None:
    """Not in an event, not in an answer that is kept, not in a log line: also not of a request that is refused."""
    customer = await register(write_api)
    await write_api.post("/customers", JANE | {"unknown": JANE["email"]})
    path = f"/customers/{customer['id']}"
    await write_api.send("PATCH", path, {"name": "Jane Churchill-Xyzzy"}, headers={"If-Match": '"1"'})
    await write_api.post(f"{path}/erasure", {})
    (row,) = await write_api.write_side.as_administrator(EVERYTHING)
    printed = capfd.readouterr()
    for said in (row["said"], printed.out, printed.err):
        assert "xyzzy" not in said.lower()
        assert "5550" not in said
    assert await write_api.write_side.as_administrator("SELECT * FROM write.customer_person") == []


async def test_an_order_names_its_customer(write_api: WriteApi) -> None:
    """One that the store knows; not another's, not one that was erased."""
    location, edition = await shelf(write_api)
    customer = await register(write_api)
    body = order(location, (edition, 1)) | {"customer_id": customer["id"]}
    made(await write_api.post("/orders", body))
    placed = [one.payload for one in await write_api.write_side.log() if one.type == "OrderPlaced"]
    assert placed[-1]["customer_id"] == customer["id"]
    refused = made(await write_api.post("/orders", body | {"customer_id": str(new_id())}), status=422)
    assert [(one["pointer"], one["code"]) for one in refused["errors"]] == [("/customer_id", "unknown_customer")]
    made(await write_api.post(f"/customers/{customer['id']}/erasure", {}), status=200)
    assert (await write_api.post("/orders", body)).status_code == 422


async def test_views_show_a_name_until_it_is_erased(servers: Servers) -> None:
    """From the one table that has it, and from no cache; the order still says which customer, by id."""
    async with (
        open_write_api(servers) as write_api,
        showing(servers),
        running_projector(servers),
        running_api(servers, Shelf(servers), Overrides(limits=GENEROUS)) as api,
    ):
        key = write_api.key.key
        location, edition = await shelf(write_api)
        customer = await register(write_api)
        body = order(location, (edition, 1)) | {"customer_id": customer["id"]}
        placed = made(await write_api.post("/orders", body))
        path = f"/customers/{customer['id']}"

        async def name() -> str | None:
            answer = await api.get(path, key)
            return str(answer.json()["data"]["name"]) if answer.status_code == 200 else None

        await eventually(name, lambda seen: seen == JANE["name"])
        listed = (await api.get("/customers", key)).json()
        assert [one["email"] for one in listed["data"]] == [JANE["email"]]
        assert listed["meta"]["source"] == "table"
        detail = await eventually(lambda: api.get(f"/orders/{placed['id']}", key), lambda seen: seen.status_code == 200)
        assert detail.json()["data"]["customer_id"] == customer["id"]
        for wanted, found in ((customer["id"], [placed["id"]]), (new_id(), [])):
            orders = (await api.get(f"/orders?customer_id={wanted}", key)).json()["data"]
            assert [one["id"] for one in orders] == found
        made(await write_api.post(f"{path}/erasure", {}), status=200)

        async def erased() -> tuple[str, object]:
            data = (await api.get(path, key)).json()["data"]
            return data["status"], data["name"]

        await eventually(erased, lambda seen: seen == ("erased", None))
        assert (await api.get("/customers", key)).json()["data"][0]["email"] is None
