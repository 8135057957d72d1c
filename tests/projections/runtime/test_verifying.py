"""Verifying finds what is wrong, wherever it stands."""

import asyncpg
import pytest
import redis

from projections.order_list import PROJECTION as ORDERS
from projections.verification.verify import Difference
from shared_kernel.redis.keys import TenantKeys
from tests.builders.log_rows import write_log
from tests.builders.order_log import EMMA, OrderLog, id_of, line
from tests.builders.projecting import projected, running_projector, verify
from tests.builders.tally import tally
from tests.eventually import eventually
from tests.servers import Servers

STORE = id_of("one")


@pytest.fixture
async def store(servers: Servers) -> Servers:
    """A store with two channels, projected and in Redis."""
    log = OrderLog(STORE)
    log.place("a", [line(EMMA)], channel="web")
    log.place("b", [line(EMMA)], channel="pos")
    await write_log(servers.write_admin_url, log.events)

    async def cached() -> int:
        with redis.Redis.from_url(servers.redis_url, socket_timeout=5) as client:
            return len(client.keys("*:row:*"))

    async with running_projector(servers, projections=(tally(),)):
        await projected(servers, projections=1)
        await eventually(cached, lambda rows: rows == 2)
    return servers


async def differences(servers: Servers) -> list[Difference]:
    """What verifying finds."""
    (found,) = await verify(servers, (tally(),))
    assert found.identical == (not found.differences)
    assert (found.tenants, found.rows, found.cached_rows) == (1, 2, 2)
    return list(found.differences)


async def test_what_is_right_is_identical(store: Servers) -> None:
    """Two rows in the table and both in Redis are compared."""
    assert await differences(store) == []


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("UPDATE read.tally__v1 SET copies = 2 WHERE channel = 'web'", ("copies", 2, 1)),
        ("UPDATE read.tally__v1 SET last = 'SW-A' WHERE channel = 'web'", ("last", "SW-A", "SW-a")),
        ("UPDATE read.tally__v1 SET position = 2 WHERE channel = 'web'", ("position", 2, 1)),
        ("DELETE FROM read.tally__v1 WHERE channel = 'web'", ("*", None, "a row")),
        ("UPDATE read.tally__v1 SET channel = 'wab' WHERE channel = 'web'", ("*", None, "a row")),
    ],
)
async def test_a_damaged_table_is_found(
    store: Servers, read_admin: asyncpg.Connection, damage: str, expected: tuple[str, object, object]
) -> None:
    """One flipped byte, one row too few, one that is another's."""
    await read_admin.execute(damage)
    found = await differences(store)
    assert expected in [(one.column, one.table, one.fold) for one in found if one.key == "web"]
    assert len(found) == (2 if "wab" in damage else 1)


async def test_a_row_too_many_is_found(store: Servers, read_admin: asyncpg.Connection) -> None:
    """A row that no event made stands out."""
    await read_admin.execute(
        "INSERT INTO read.tally__v1 SELECT tenant_id, build, 'mail', copies, last, position FROM read.tally__v1 LIMIT 1"
    )
    assert await differences(store) == [Difference(tenant_id=STORE, key="mail", column="*", table="a row", fold=None)]


@pytest.mark.parametrize("damage", [b'1|{"channel":"web","copies":7,"last":"SW-a"}', b"1|", b"nonsense"])
async def test_a_wrong_row_in_redis_is_found(store: Servers, damage: bytes) -> None:
    """Redis' own rows are compared, not only the table's."""
    with redis.Redis.from_url(store.redis_url, socket_timeout=5) as client:
        mark = client.hget(TenantKeys(STORE).state_key(), "i").decode()
        name = TenantKeys(STORE).row_key(incarnation=mark, projection="tally", version=1, build=1, row_key="web")
        assert client.get(name).startswith(b'1|{"channel":"web"')
        client.set(name, damage)
    found = await differences(store)
    assert [(one.key, one.column) for one in found] == [("web", "redis")]


@pytest.mark.parametrize("key", ["mail", "a|b", "\\"])
async def test_a_row_that_only_redis_has_is_found(store: Servers, key: str) -> None:
    """Readers would be shown it, though no event made it; a deleted row's tombstone is none."""
    with redis.Redis.from_url(store.redis_url, socket_timeout=5) as client:
        mark = client.hget(TenantKeys(STORE).state_key(), "i").decode()
        for name, value in ((key, b'1|{"copies":7}'), ("gone", b"1|")):
            row = TenantKeys(STORE).row_key(incarnation=mark, projection="tally", version=1, build=1, row_key=name)
            client.set(row, value)
    found = await differences(store)
    assert [(one.key, one.column, one.fold) for one in found] == [(key, "redis", None)]


async def test_a_document_that_is_not_its_row_s_is_found(servers: Servers, read_admin: asyncpg.Connection) -> None:
    """Lists show it in the place of the row; it follows every change of the row, and the next puts it right."""
    log = OrderLog(STORE)
    first = log.place("a", [line(EMMA)])
    log.fulfil(first)
    await write_log(servers.write_admin_url, log.events)
    async with running_projector(servers, projections=(ORDERS,)):
        await projected(servers, projections=1)
        (found,) = await verify(servers, (ORDERS,))
        assert (found.identical, found.rows) == (True, 1)
        await read_admin.execute("UPDATE read.order_list__v2 SET document = replace(document, 'fulfilled', 'placed')")
        (found,) = await verify(servers, (ORDERS,))
        assert [(one.column, one.key) for one in found.differences] == [("document", f"{first}")]
        log.take_back([line(EMMA)], order_id=first)
        await write_log(servers.write_admin_url, log.events[2:])
        await projected(servers, projections=1)
        (found,) = await verify(servers, (ORDERS,))
        assert (found.identical, found.rows) == (True, 1)
