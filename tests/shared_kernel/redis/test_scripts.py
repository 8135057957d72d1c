"""Scripts by digest, on servers that have forgotten them."""

import pytest

from shared_kernel.redis.errors import RedisReplyError
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.scripts import Script, ScriptCall, run_scripts

PATIENT = ConnectionLimits(timeout_seconds=10, stall_seconds=10, connect_seconds=10)

COUNT = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
APPEND = Script("return redis.call('APPEND', KEYS[1], ARGV[1])")
BROKEN = Script("redis.call('INCR', KEYS[1]) return redis.error_reply('WRONG on purpose')")


async def test_a_script_runs_once_whether_or_not_the_server_knows_it(redis_url: str) -> None:
    """The fallback is within the same call and has no second effect."""
    async with MultiplexedRedis.from_url(redis_url, limits=PATIENT) as client:
        await client.connect()
        await client.call("SCRIPT", "FLUSH")
        assert await COUNT.run(client, keys=["n"], args=[2]) == 2
        assert await client.call("SCRIPT", "EXISTS", COUNT.digest) == [1]
        assert await COUNT.run(client, keys=["n"], args=[3]) == 5


async def test_a_pipeline_of_several_scripts_teaches_only_those_that_are_unknown(redis_url: str) -> None:
    """Each call runs exactly once, replies are in the order of the calls, and errors stay in their places."""
    calls = [
        ScriptCall(script=COUNT, keys=("n",), args=(1,)),
        ScriptCall(script=APPEND, keys=("text",), args=("ab",)),
        ScriptCall(script=BROKEN, keys=("failures",)),
        ScriptCall(script=COUNT, keys=("n",), args=(10,)),
        ScriptCall(script=APPEND, keys=("text",), args=("c",)),
    ]
    async with MultiplexedRedis.from_url(redis_url, limits=PATIENT) as client:
        await client.connect()
        await client.call("SCRIPT", "FLUSH")
        await COUNT.run(client, keys=["warmed"], args=[1])
        for round_number in range(2):
            await client.call("DEL", "n", "text", "failures")
            first, second, broken, fourth, fifth = await run_scripts(client, calls)
            assert (first, second, fourth, fifth) == (1, 2, 11, 3), round_number
            assert isinstance(broken, RedisReplyError)
            assert await client.pipeline([("GET", "n"), ("GET", "text"), ("GET", "failures")]) == [b"11", b"abc", b"1"]


async def test_a_script_that_is_wrong_raises_its_own_error(redis_url: str) -> None:
    """Only NOSCRIPT is taken for a script that is unknown: what failed is not run again."""
    async with MultiplexedRedis.from_url(redis_url, limits=PATIENT) as client:
        await client.connect()
        for _ in range(2):
            with pytest.raises(RedisReplyError, match="on purpose"):
                await BROKEN.run(client, keys=["failures"])
        assert await client.call("GET", "failures") == b"2"
