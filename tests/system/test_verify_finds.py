"""`shelfwise projections verify` beside a running installation, against what nobody would ever notice."""

from pathlib import Path

import asyncpg
import redis

from shared_kernel.redis.keys import TenantKeys
from tests.command_line import CommandLine, on_servers
from tests.system.house import House
from tests.system.shops import Visitor, good, order

_FLIP = """
UPDATE read.order_detail__v1 SET number = overlay(number PLACING chr(ascii(right(number, 1)) # 1) FROM length(number))
WHERE tenant_id = $1 AND order_id = $2
"""
_BUILD = "SELECT build FROM read.active_build WHERE tenant_id = $1 AND name = 'order_detail'"


def findings(shelfwise: CommandLine, store: str) -> tuple[int, list[tuple[str, str]]]:
    """The exit code, and key and column of each difference."""
    done = shelfwise.run("projections", "verify", "order_detail", "--tenant", store, "--json")
    assert done.answer["identical"] == (done.code == 0), done.stderr
    assert done.answer["cached_rows"] > 0
    return done.code, [(one["key"], one["column"]) for one in done.answer["differences"]]


async def test_a_flipped_byte_is_found_in_a_table_and_in_redis(house: House, shop: Visitor, tmp_path: Path) -> None:
    """Each by its row and column, with exit 1, while the store goes on selling."""
    location, edition = await shop.shelf()
    placed = await shop.post("/orders", order(location, (edition, 1)))
    key = str(good(placed)["id"])
    await shop.ask(f"/orders/{key}", at=int(placed.headers["ShelfWise-Position"]))
    shelfwise = on_servers(house.servers, tmp_path)
    assert findings(shelfwise, shop.tenant.slug) == (0, [])

    admin = await asyncpg.connect(house.servers.read_admin_url)
    await admin.execute(_FLIP, shop.tenant.id, key)
    assert findings(shelfwise, shop.tenant.slug) == (1, [(key, "number")])
    await admin.execute(_FLIP, shop.tenant.id, key)
    build = await admin.fetchval(_BUILD, shop.tenant.id)  # a test before may have had it rebuilt
    await admin.close()

    with redis.Redis.from_url(house.servers.redis_url, socket_timeout=5) as client:
        mark = client.hget(TenantKeys(shop.tenant.id).state_key(), "i").decode()
        name = TenantKeys(shop.tenant.id).row_key(
            incarnation=mark, projection="order_detail", version=1, build=build, row_key=key
        )
        stands = client.get(name)
        flipped = bytearray(stands)
        flipped[-3] ^= 1
        client.set(name, bytes(flipped))
        assert findings(shelfwise, shop.tenant.slug) == (1, [(key, "redis")])
        client.set(name, stands)
        await shop.post("/orders", order(location, (edition, 1)))
        assert findings(shelfwise, shop.tenant.slug) == (0, [])
