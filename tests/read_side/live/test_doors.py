"""The doors of `GET /live`: who may listen to what, in which form, and how many at a time."""

from tests.eventually import eventually
from tests.read_side.live.conftest import nobody_streams
from tests.read_side.live.listening import listening
from tests.read_side.live.stage import show
from tests.read_side.query_execution.books import state
from tests.read_side.query_execution.conftest import Api
from tests.servers import Servers


async def test_who_may_not_read_a_view_is_not_told_of_it(api: Api, servers: Servers) -> None:
    """403 like its route, whatever else is asked for; the others are theirs."""
    tenant, key = await api.shelf.open_store(role="clerk")
    await show(servers, tenant, {"locations": state(position=1), "kpis": state(position=1)})

    refused = await api.get("/live?views=locations,kpis&seconds=0", key)
    told = await api.get("/live?views=locations&seconds=0", key)

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert told.status_code == 200
    assert "event: locations" in told.text


async def test_what_nobody_knows_is_refused(api: Api) -> None:
    """422, with the names there are."""
    _, key = await api.shelf.open_store()

    for views in ("", "books", "orders,", "orders,books"):
        answer = await api.get(f"/live?views={views}", key)
        assert answer.status_code == 422, views
        assert "store-counts" in answer.json()["errors"][0]["detail"]
    for query in ("", "views=orders&seconds=901", "views=orders&window=7d", "views=orders&views=stock"):
        assert (await api.get(f"/live?{query}", key)).status_code == 422, query


async def test_it_is_served_as_events_and_as_nothing_else(api: Api, servers: Servers) -> None:
    """Whoever cannot take them is told at once."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})

    for accept, status in (
        ("text/event-stream", 200),
        ("*/*", 200),
        ("application/json", 406),
        ("text/event-stream;q=0, */*", 406),
    ):
        answer = await api.get("/live?views=locations&seconds=0", key, Accept=accept)
        assert answer.status_code == status, accept


async def test_head_answers_and_does_not_stay(api: Api, servers: Servers) -> None:
    """As for every route: the fields of a GET, and no body."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})

    answer = await api.client.head("/live?views=locations", headers={"Authorization": f"Bearer {key}"})

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.content == b""
    await nobody_streams(api)


async def test_there_are_so_many_streams_and_no_more(api: Api, servers: Servers) -> None:
    """Of a key 429, of the process 503, both in the house's shape and before a stream begins; who leaves makes room."""
    stores = [await api.shelf.open_store() for _ in range(3)]
    for tenant, _ in stores:
        await show(servers, tenant, {"locations": state(position=1)})
    (_, key), (_, second), (_, third) = stores

    async with listening(api.app, "locations", key):
        async with listening(api.app, "locations", key), listening(api.app, "locations", second):
            of_key = await api.get("/live?views=locations", key)
            of_process = await api.get("/live?views=locations", third)
        again = await eventually(
            lambda: api.get("/live?views=locations&seconds=0", third), lambda answer: answer.status_code == 200
        )

    assert (of_key.status_code, of_key.json()["code"]) == (429, "too_many_streams")
    assert (of_process.status_code, of_process.json()["code"]) == (503, "streams_full")
    for answer in (of_key, of_process):
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["RateLimit"]
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert "event: locations" in again.text
