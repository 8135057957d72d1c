"""`GET /live` on real servers: what is told, to whom, and that nothing is left of who has gone."""

import asyncio
import time

import msgspec

from read_side.app import Overrides
from shared_kernel.access.api_keys import hash_api_key
from shared_kernel.access.revocations import RevocationMessages
from shared_kernel.redis.multiplexed import MultiplexedRedis
from tests.eventually import eventually
from tests.read_side.live.conftest import QUICK, metrics_of, nobody_streams
from tests.read_side.live.listening import Listening, listening
from tests.read_side.live.stage import have_of_another_version, make_tables, show
from tests.read_side.query_execution.books import state
from tests.read_side.query_execution.conftest import GENEROUS, Api, running_api
from tests.read_side.query_execution.shelf import Shelf
from tests.servers import Servers


async def test_it_begins_with_what_stands_and_goes_on_with_what_changes(api: Api, servers: Servers) -> None:
    """One event a view; a position that moves alone is no event, and is in the next id all the same."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=4), "kpis": state(position=3)})

    async with listening(api.app, "kpis,locations", key) as client:
        first, second = await client.event(), await client.event()
        await show(servers, tenant, {"locations": state(position=5), "kpis": state(position=5, revision=3)})
        third = await client.event()
        later = await eventually(client.silent_id, lambda text: text.startswith("5;"))

    assert client.status == 200
    assert client.fields["content-type"].startswith("text/event-stream")
    assert client.fields["cache-control"] == "no-store"
    assert client.fields["x-accel-buffering"] == "no"
    assert {"ratelimit", "x-request-id"} <= client.fields.keys()
    assert "content-length" not in client.fields
    assert [one.name for one in (first, second, third)] == ["kpis", "locations", "locations"]
    shown = {"view": "kpis", "position": 3, "as_of": "2026-01-02T03:04:05Z", "source": "cache"}
    assert shown.items() <= first.data.items()
    assert {"revision", "lag_events"} <= first.data.keys()
    assert second.id is not None
    assert second.id.startswith("3;")
    assert third.data["position"] == 5
    assert third.revision == 5
    assert later.startswith("5;")


async def test_who_comes_back_is_told_what_differs(api: Api, servers: Servers) -> None:
    """By an event's id exactly, also where rows were mended at the same position; by a position, what is past it."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=4), "kpis": state(position=3)})
    async with listening(api.app, "kpis,locations", key, seconds=0) as client:
        await client.event()
        told = (await client.event()).id
        assert (await client.event()).data == {"reason": "time"}
    assert told is not None

    async with listening(api.app, "kpis,locations", key, seconds=0, Last_Event_ID=told) as client:
        assert (await client.event()).name == "end"
    await show(servers, tenant, {"kpis": state(position=3, revision=9)})
    async with listening(api.app, "kpis,locations", key, seconds=0, Last_Event_ID=told) as client:
        mended = await client.event()
        assert (await client.event()).name == "end"
    async with listening(api.app, "kpis,locations", key, seconds=0, Last_Event_ID="3") as client:
        past = await client.event()
        assert (await client.event()).name == "end"

    assert (mended.name, mended.data["position"]) == ("kpis", 3)
    assert (past.name, past.data["position"]) == ("locations", 4)


async def test_nobody_hears_of_another_store(api: Api, servers: Servers) -> None:
    """The events of one's own are all there are, whatever happens over there."""
    tenant, key = await api.shelf.open_store()
    other, other_key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})
    await show(servers, other, {"locations": state(position=70)})

    async with listening(api.app, "locations", key) as client, listening(api.app, "locations", other_key) as theirs:
        positions = [(await client.event()).data["position"]]
        assert (await theirs.event()).data["position"] == 70
        await show(servers, other, {"locations": state(position=71)})
        assert (await theirs.event()).data["position"] == 71
        await show(servers, tenant, {"locations": state(position=2)})
        positions.append((await client.event()).data["position"])

    assert positions == [1, 2]


async def test_a_revoked_key_ends_its_stream(api: Api, servers: Servers) -> None:
    """At the next heartbeat, and says why."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})

    async with listening(api.app, "locations", key) as client:
        await client.event()
        await _forget_until_it_ends(client, servers, key)
        end = await client.event()

    assert (end.name, end.data) == ("end", {"reason": "key"})
    await nobody_streams(api)


async def _forget_until_it_ends(client: Listening, servers: Servers, key: str) -> None:
    async with MultiplexedRedis.from_url(servers.redis_url) as redis:
        await redis.connect()

        async def ended() -> bool:
            # Said until it is heard: the application may still be subscribing.
            await RevocationMessages(redis).announce(hash_api_key(key, servers.secret_key))
            return client.task.done()

        await eventually(ended)


async def test_a_slow_client_gets_the_newest_and_nothing_that_was_overtaken(api: Api, servers: Servers) -> None:
    """Whatever happened while it took nothing, one event a view is kept for it."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})

    async with listening(api.app, "locations", key) as slow, listening(api.app, "locations", key) as quick:
        assert (await slow.event()).data["position"] == 1
        assert (await quick.event()).data["position"] == 1
        slow.takes.clear()
        for position in range(2, 7):
            await show(servers, tenant, {"locations": state(position=position)})
            assert (await quick.event()).data["position"] == position
        slow.takes.set()
        seen = [await slow.event()]
        while seen[-1].data["position"] < 6:  # bounded: there are five at most
            seen.append(await slow.event())

    assert len(seen) <= 2, "one was being written, and one was kept"


async def test_who_goes_away_leaves_nothing(api: Api, servers: Servers) -> None:
    """Without a word being written to them: neither a stream, nor the watch of their store."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})

    async with listening(api.app, "locations", key) as client:
        await client.event()
        assert _watches() == 1
        await client.leave()
    await nobody_streams(api)

    async def watches() -> int:
        return _watches()

    await eventually(watches, lambda count: count == 0)


def _watches() -> int:
    return sum(task.get_name() == "live watch" for task in asyncio.all_tasks())


async def test_who_takes_nothing_for_long_is_let_go(servers: Servers) -> None:
    """However many changes are kept for it."""
    shelf = Shelf(servers)
    await shelf.prepare()
    await make_tables(servers)
    impatient = msgspec.structs.replace(QUICK, write_seconds=0.2)
    async with running_api(servers, shelf, Overrides(limits=GENEROUS, live=impatient)) as api:
        tenant, key = await api.shelf.open_store()
        await show(servers, tenant, {"locations": state(position=1)})
        async with listening(api.app, "locations", key) as client:
            await client.event()
            client.takes.clear()
            await client.over()
            await nobody_streams(api)


async def test_a_process_that_ends_waits_for_nobody_who_takes_nothing(servers: Servers) -> None:
    """The others hear why; whoever does not listen is left."""
    shelf = Shelf(servers)
    await shelf.prepare()
    await make_tables(servers)
    async with running_api(servers, shelf, Overrides(limits=GENEROUS, live=QUICK)) as api:
        tenant, key = await api.shelf.open_store()
        await show(servers, tenant, {"locations": state(position=1)})
        listens, sleeps = [
            Listening(api.app, "/api/v1/live?views=locations", {"Authorization": f"Bearer {key}"}) for _ in range(2)
        ]
        for client in (listens, sleeps):
            await client.begin()
            await client.event()
        sleeps.takes.clear()

    assert (await listens.event()).data == {"reason": "shutdown"}
    await listens.over()
    await sleeps.over()


async def test_a_stream_takes_no_request_s_place_and_counts_until_it_began(api: Api, servers: Servers) -> None:
    """Neither among the requests in flight, nor with its length among their durations."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})
    asked_at = time.monotonic()

    async with listening(api.app, "locations", key) as client:
        began_after_seconds = time.monotonic() - asked_at
        open_metrics = await metrics_of(api)
        await client.event()
        await client.silent_id()  # a heartbeat later
    await nobody_streams(api)
    metrics = await metrics_of(api)

    assert open_metrics["shelfwise_http_streams_open"] == 1
    assert open_metrics["shelfwise_http_requests_in_flight"] == 1  # which asks for the metrics
    labels = '{method="GET",route="/api/v1/live",status="2xx"}'
    assert metrics[f"shelfwise_http_request_duration_seconds_count{labels}"] == 1
    assert metrics[f"shelfwise_http_request_duration_seconds_sum{labels}"] <= began_after_seconds


async def test_without_redis_it_is_told_from_the_tables(api: Api, servers: Servers) -> None:
    """A stream outlives an outage, and loses nothing of it."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})
    await api.reaches_redis(key, "/live?views=locations&seconds=0")

    async with listening(api.app, "locations", key) as client:
        assert (await client.event()).data["source"] == "cache"
        await api.redis.shut()
        await show(servers, tenant, {"locations": state(position=2)}, in_redis=False)
        away = await client.event()
        await api.redis.open()
        await show(servers, tenant, {"locations": state(position=3)})
        back = await client.event()

    assert (away.data["position"], away.data["source"]) == (2, "table")
    assert back.data["position"] == 3


async def test_a_view_that_is_not_built_yet_silences_no_other(api: Api, servers: Servers) -> None:
    """Whoever asked for both hears of the one that is there."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1), "kpis": state(position=1)})
    await api.reaches_redis(key, "/live?views=locations&seconds=0")

    async with listening(api.app, "kpis,locations", key) as client:
        await client.event()
        await client.event()
        await api.redis.shut()
        await have_of_another_version(servers, tenant, "kpis")
        await show(servers, tenant, {"locations": state(position=2)}, in_redis=False)
        told = await client.event()
    async with listening(api.app, "kpis,locations", key, seconds=0) as late:
        begun = [(await late.event()).name for _ in range(2)]
    async with listening(api.app, "kpis", key, seconds=0) as refused:
        problem = await refused.body()

    assert (told.name, told.data["position"]) == ("locations", 2)
    assert begun == ["locations", "end"], "one that begins only now, too"
    assert (refused.status, msgspec.json.decode(problem)["code"]) == (503, "view_not_built")


async def test_a_parked_row_is_told_of(api: Api, servers: Servers) -> None:
    """What the view's answers say from then on, although no row has changed."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1)})

    async with listening(api.app, "locations", key) as client:
        assert "degraded" not in (await client.event()).data
        await show(servers, tenant, {"locations": state(position=2, revision=1, parked=1)})
        assert (await client.event()).data["degraded"] is True


async def test_a_store_is_looked_at_once_for_all_its_streams(api: Api, servers: Servers) -> None:
    """One watch, whatever each of them asks for; and none where nobody listens."""
    tenant, key = await api.shelf.open_store()
    await show(servers, tenant, {"locations": state(position=1), "kpis": state(position=1)})

    async with listening(api.app, "locations", key) as one, listening(api.app, "kpis,locations", key) as both:
        await one.event()
        await both.event()
        assert _watches() == 1
        await show(servers, tenant, {"locations": state(position=2)})
        assert (await one.event()).data["position"] == 2
