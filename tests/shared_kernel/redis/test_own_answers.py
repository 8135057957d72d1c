"""Whatever callers do, every answer that arrives is the caller's own."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_kernel.redis.errors import RedisReplyError, RedisTimeout
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.replies import Reply
from tests.shared_kernel.redis.stoppable import StoppableValkey

TIMEOUT_SECONDS = 0.02
# Spins for some 0 to 60 ms, past the timeout, and answers with its own argument.
SLOW_ECHO = "for i = 1, tonumber(ARGV[2]) do end return ARGV[1]"

plans = st.lists(
    st.tuples(
        st.sampled_from(["echo", "echo", "echo", "pipeline", "error", "slow"]),
        st.integers(min_value=0, max_value=4),  # ticks of the loop before the caller starts
        st.one_of(st.none(), st.integers(min_value=0, max_value=6)),  # ticks after which it is cancelled
    ),
    min_size=20,
    max_size=120,
)


async def _ask(redis: MultiplexedRedis, kind: str, mine: bytes) -> None:
    match kind:
        case "echo":
            assert await redis.call("ECHO", mine) == mine
        case "pipeline":
            wanted: list[Reply] = [mine + b"%d" % n for n in range(5)]
            assert await redis.pipeline([("ECHO", mine + b"%d" % n) for n in range(5)]) == wanted
        case "error":
            with pytest.raises(RedisReplyError) as caught:
                await redis.call("EVAL", "return redis.error_reply(ARGV[1])", 0, b"MINE " + mine)
            assert str(caught.value) == f"MINE {mine.decode()}"
        case _:
            assert await redis.call("EVAL", SLOW_ECHO, 0, mine, 3_000_000) == mine


async def _caller(redis: MultiplexedRedis, kind: str, mine: bytes, ticks: int) -> str:
    for _ in range(ticks):
        await asyncio.sleep(0)
    try:
        await _ask(redis, kind, mine)
    except RedisTimeout:
        return "timed out"
    return "answered"


async def _cancel_after(task: asyncio.Task[str], ticks: int) -> None:
    for _ in range(ticks):
        await asyncio.sleep(0)
    task.cancel()


async def _play(url: str, plan: list[tuple[str, int, int | None]]) -> list[BaseException]:
    """What went wrong for any caller who was not cancelled."""
    limits = ConnectionLimits(timeout_seconds=TIMEOUT_SECONDS, stall_seconds=30, connect_seconds=30)
    async with MultiplexedRedis.from_url(url, limits=limits) as redis:
        await redis.connect()
        callers, cancellations = [], []
        for number, (kind, ticks, cancelled_after) in enumerate(plan):
            task = asyncio.create_task(_caller(redis, kind, b"caller %d" % number, ticks))
            callers.append(task)
            if cancelled_after is not None:
                cancellations.append(_cancel_after(task, cancelled_after))
        await asyncio.gather(*cancellations)
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        wrong = [o for o in outcomes if isinstance(o, BaseException) and not isinstance(o, asyncio.CancelledError)]
        async with asyncio.timeout(30):
            while redis.in_flight:  # late replies
                await asyncio.sleep(0.002)
        assert await redis.call("ECHO", "last") == b"last"
    return wrong


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=plans)
def test_every_caller_gets_its_own_answer(
    valkey: StoppableValkey,
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
    plan: list[tuple[str, int, int | None]],
) -> None:
    """Echoes, pipelines, errors, cancellations and timeouts mixed at random on one connection."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(_play(valkey.url, plan)) == []
