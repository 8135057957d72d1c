"""Without Redis, without PostgreSQL, and without an answer from either."""

import asyncio
import time

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from read_side.app import Overrides
from shared_kernel.rate_limits.settings import RateLimitSettings
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.state import encode_state
from tests.eventually import eventually
from tests.read_side.query_execution.books import VIEW, a_book, state
from tests.read_side.query_execution.conftest import Api
from tests.servers import Servers

_LONG_BEFORE_A_HANG_SECONDS = 10.0
"""The bounds themselves are two seconds and less; a busy machine adds to them, and a hang has no end."""

_END_SESSIONS = """
SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
WHERE application_name = 'shelfwise-read-api' AND datname = current_database()
"""


async def test_reads_go_on_while_redis_is_away_and_come_back_to_it(api: Api) -> None:
    """No request fails, before, while, after; limits are told throughout."""
    tenant, key = await api.shelf.open_store()
    shown, book = state(position=7, rows=1), a_book("Emma")
    await api.shelf.project(tenant, [book], shown)
    await api.shelf.write_through(tenant, shown, [book])
    await api.reaches_redis(key)
    path = f"/books/{book.book_id}"
    assert (await api.get(path, key)).json()["meta"]["source"] == "cache"

    reading = [asyncio.create_task(api.get(path, key)) for _ in range(20)]
    await api.redis.shut()
    answers = [*await asyncio.gather(*reading), await api.get(path, key)]

    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].json()["meta"]["source"] == "table"
    assert "RateLimit" in answers[-1].headers
    await api.redis.open()
    await eventually(lambda: api.get(path, key), lambda answer: answer.json()["meta"]["source"] == "cache")


async def test_a_redis_that_hangs_delays_a_read_by_a_moment(api: Api) -> None:
    """A quarter of a second, then the table."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [a_book("Emma")], state(position=7, rows=1))
    await api.reaches_redis(key)
    api.redis.hold()
    began = time.monotonic()

    answer = await api.get("/books", key)

    assert answer.json()["meta"]["source"] == "table"
    assert time.monotonic() - began < _LONG_BEFORE_A_HANG_SECONDS


@pytest.mark.parametrize("spoil", ["state", "incarnation", "head", "type"])
async def test_what_cannot_be_read_in_redis_is_not_there(api: Api, servers: Servers, spoil: str) -> None:
    """Another release's format, or a key of another type, costs a look at the table and nothing else."""
    tenant, key = await api.shelf.open_store()
    shown, book = state(position=7, rows=1), a_book("Emma")
    await api.shelf.project(tenant, [book], shown)
    await api.shelf.write_through(tenant, shown)
    await api.reaches_redis(key)
    keys = TenantKeys(tenant)
    async with Redis.from_url(servers.redis_url) as redis:
        match spoil:
            case "state":
                await redis.hset(keys.state_key(), VIEW.label, "1|7|7|soon|0|1")
            case "incarnation":
                await redis.delete(keys.state_key())
                await redis.hset(keys.state_key(), mapping={"i": "other", VIEW.label: encode_state(shown)})
            case "head":
                await redis.set(keys.head_key(), "soon")
            case _:
                await redis.set(keys.state_key(), "not a hash")

    answer = await api.get(f"/books/{book.book_id}", key)

    assert answer.status_code == 200
    assert answer.json()["data"]["title"] == "Emma"
    assert answer.json()["meta"]["source"] == "table"


async def test_without_postgresql_redis_still_answers_what_it_can_prove(api: Api) -> None:
    """A row, and what was stored; the rest is 503 within two seconds, with Retry-After."""
    tenant, key = await api.shelf.open_store()
    shown, book = state(position=7, rows=1), a_book("Emma")
    await api.shelf.project(tenant, [book], shown)
    await api.shelf.write_through(tenant, shown, [book])
    await api.reaches_redis(key)
    await eventually(lambda: api.get("/total", key), lambda answer: answer.json()["meta"]["source"] == "cache")
    await api.read_database.shut()
    await api.write_database.shut()

    row = await api.get(f"/books/{book.book_id}", key)
    stored = await api.get("/total", key)
    began = time.monotonic()
    unknown = await api.get("/books?price=5", key)

    assert row.json()["meta"]["source"] == stored.json()["meta"]["source"] == "cache"
    assert unknown.status_code == 503
    assert unknown.json()["code"] == "database_unavailable"
    assert unknown.headers["Retry-After"] == "1"
    assert time.monotonic() - began < _LONG_BEFORE_A_HANG_SECONDS


async def test_a_postgresql_that_hangs_is_503_within_two_seconds(api: Api) -> None:
    """Also for those who join a reading that hangs."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [], state(position=7))
    await api.get("/books", key)
    api.read_database.hold()
    began = time.monotonic()

    answers = await asyncio.gather(*(api.get("/total", key) for _ in range(3)))

    assert {answer.status_code for answer in answers} == {503}
    assert time.monotonic() - began < _LONG_BEFORE_A_HANG_SECONDS


async def test_a_session_that_is_ended_between_two_questions_is_503_and_no_500(api: Api, servers: Servers) -> None:
    """The server has said so, and the connection has not closed yet; the next question has another."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [a_book("Emma")], state(position=7, rows=1))
    assert (await api.get("/books?price=1", key)).status_code == 200
    api.read_database.linger()
    administrator = await asyncpg.connect(servers.read_admin_url)
    await administrator.execute(_END_SESSIONS)
    await administrator.fetchval("SELECT 1")  # the driver has heard its last words by then
    await administrator.close()

    statuses = [(await api.get(f"/books?price={price}", key)).status_code for price in range(2, 30)]

    assert set(statuses) == {200, 503}
    assert statuses[-1] == 200


async def test_a_preflight_does_not_hang_with_postgresql(api: Api) -> None:
    """Many of one origin are one look, and 503 within two seconds."""
    _, key = await api.shelf.open_store()
    await api.get("/books", key)
    api.read_database.hold()
    asking = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    began = time.monotonic()

    answers = await asyncio.gather(*(api.client.options("/books", headers=asking) for _ in range(3)))

    assert {answer.status_code for answer in answers} == {503}
    assert time.monotonic() - began < _LONG_BEFORE_A_HANG_SECONDS


async def test_a_view_without_a_table_is_being_built(api: Api) -> None:
    """A release whose projector has not begun yet."""
    tenant, key = await api.shelf.open_store()
    await api.shelf.project(tenant, [], state(position=7))
    await api.shelf.drop_table()

    answer = await api.get("/books", key)

    assert answer.status_code == 503
    assert answer.json()["code"] == "view_not_built"


class TestLimited:
    """Four units at once, one back in a minute."""

    @pytest.fixture
    def overrides(self, overrides: Overrides) -> Overrides:
        """A key that may ask for little."""
        limits = RateLimitSettings(tenant_per_minute=60, tenant_burst=60, key_per_minute=4, key_burst=4)
        return msgspec.structs.replace(overrides, limits=limits)

    @pytest.mark.parametrize("redis_is_there", [True, False])
    async def test_a_key_over_its_limit_is_refused(self, api: Api, *, redis_is_there: bool) -> None:
        """By Redis' clock, or by this process's share: lists cost two, so the third is one too many."""
        _, key = await api.shelf.open_store()
        if redis_is_there:
            await eventually(lambda: self._is_connected(api))
        else:
            await api.redis.shut()

        answers = [await api.get("/books", key) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[0].headers["RateLimit-Policy"] == '"tenant";q=60;w=60, "key";q=4;w=60'
        assert answers[0].headers["RateLimit"].startswith('"key";r=2;')
        assert answers[2].json()["code"] == "rate_limited"
        assert int(answers[2].headers["Retry-After"]) > 0

    @staticmethod
    async def _is_connected(api: Api) -> bool:
        # A request of nobody's makes the connection, which the greeting on it shows, and charges no key.
        await api.client.get("/health/ready")
        return api.redis.chunks > 0
