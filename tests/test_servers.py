"""The fixtures themselves: what every other test stands on."""

import asyncpg
import redis

from shared_kernel.database.roles import DatabaseRole
from tests.servers import Servers


async def test_every_role_logs_in_to_its_database(servers: Servers) -> None:
    """The migrated pair knows the four login roles by this run's passwords."""
    for role in DatabaseRole:
        connection = await asyncpg.connect(servers.url_as(role))
        assert await connection.fetchval("SELECT current_user") == role.value
        await connection.close()


async def test_a_test_begins_with_an_empty_redis(servers: Servers) -> None:
    """Whatever an earlier test left is gone."""
    with redis.Redis.from_url(servers.redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


async def test_the_next_test_does_too(servers: Servers) -> None:
    """The same claim again, so that the first one's leftovers would be seen in either order."""
    with redis.Redis.from_url(servers.redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")
