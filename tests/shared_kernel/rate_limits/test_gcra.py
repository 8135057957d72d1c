"""GCRA in process, and the same decisions in Lua."""

import asyncio
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_kernel.rate_limits.gcra import Bucket, Decision, draw
from shared_kernel.rate_limits.gcra_lua import GCRA_LUA_FUNCTION
from shared_kernel.rate_limits.local import LocalGcra, address_key, admit_all
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.multiplexed import MultiplexedRedis
from shared_kernel.redis.replies import Reply

SECOND_US: Final = 1_000_000
NOW_US: Final = 1_800_000_000_000_000  # as large as Redis' clock: digits must not be lost on the way
PATIENT: Final = ConnectionLimits(timeout_seconds=30, stall_seconds=30, connect_seconds=30)

# ARGV: interval and burst of each of the KEYS, then pairs of now and cost. Answers every arrival of the sequence.
ALL_LUA: Final = (
    GCRA_LUA_FUNCTION
    + """
local limits, answers = {}, {}
for index, key in ipairs(KEYS) do
  limits[index] = {key, tonumber(ARGV[2 * index - 1]), tonumber(ARGV[2 * index])}
end
for index = 2 * #KEYS + 1, #ARGV, 2 do
  answers[#answers + 1] = gcra_all(limits, tonumber(ARGV[index + 1]), tonumber(ARGV[index]))
end
return answers
"""
)
ONE_LUA: Final = (
    GCRA_LUA_FUNCTION
    + """
local answers = {}
for index = 3, #ARGV, 2 do
  answers[#answers + 1] = {
    gcra(KEYS[1], tonumber(ARGV[index]), tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[index + 1]))
  }
end
return answers
"""
)

# Seconds a unit at least: keys expire by Redis' clock, which moves on by milliseconds while a sequence is played.
buckets = st.builds(
    Bucket,
    interval_us=st.integers(min_value=10 * SECOND_US, max_value=90 * SECOND_US),
    burst=st.integers(min_value=1, max_value=12),
)
# Gaps of nothing, of any size, of whole units (the edges), and a clock that is set back.
arrivals = st.lists(
    st.tuples(
        st.one_of(
            st.just(0),
            st.integers(min_value=0, max_value=200 * SECOND_US),
            st.sampled_from([10 * SECOND_US, 60 * SECOND_US, 60 * SECOND_US - 1, -SECOND_US, -3600 * SECOND_US]),
        ),
        st.integers(min_value=0, max_value=15),
    ),
    min_size=1,
    max_size=60,
)


def _times(sequence: list[tuple[int, int]]) -> list[tuple[int, int]]:
    now_us, timed = NOW_US, []
    for gap_us, cost in sequence:
        now_us += gap_us
        timed.append((now_us, cost))
    return timed


async def _play(url: str, script: str, limits: list[Bucket], timed: list[tuple[int, int]]) -> Reply:
    keys = [f"sw:test:gcra:{index}" for index in range(len(limits))]
    arguments = [number for bucket in limits for number in (bucket.interval_us, bucket.burst)]
    arguments += [number for arrival in timed for number in arrival]
    async with MultiplexedRedis.from_url(url, limits=PATIENT) as client:
        await client.connect()
        await client.call("DEL", *keys)
        return await client.call("EVAL", script, len(keys), *keys, *arguments)


def _numbers(decision: Decision) -> list[int]:
    return [decision.remaining, decision.retry_after_us, decision.reset_us]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bucket=buckets, sequence=arrivals)
def test_lua_and_python_agree_on_one_limit(redis_url: str, bucket: Bucket, sequence: list[tuple[int, int]]) -> None:
    """Decision for decision and microsecond for microsecond."""
    timed = _times(sequence)
    local: LocalGcra[str] = LocalGcra(bucket)
    decisions = [local.admit("one", now_us=now_us, cost=cost) for now_us, cost in timed]
    expected = [[int(decision.allowed), *_numbers(decision)] for decision in decisions]
    assert asyncio.run(_play(redis_url, ONE_LUA, [bucket], timed)) == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limits=st.lists(buckets, min_size=1, max_size=3), sequence=arrivals)
def test_lua_and_python_agree_on_several_limits(
    redis_url: str, limits: list[Bucket], sequence: list[tuple[int, int]]
) -> None:
    """Also on what is left of each after one of them has refused."""
    timed = _times(sequence)
    local: list[tuple[LocalGcra[str], str]] = [(LocalGcra(bucket), "one") for bucket in limits]
    expected = []
    for now_us, cost in timed:
        decisions = admit_all(local, now_us=now_us, cost=cost)
        allowed = all(decision.allowed for decision in decisions)
        expected.append([int(allowed), *(number for decision in decisions for number in _numbers(decision))])
    assert asyncio.run(_play(redis_url, ALL_LUA, limits, timed)) == expected


@given(bucket=buckets, sequence=arrivals)
def test_taking_is_admitting_without_words(bucket: Bucket, sequence: list[tuple[int, int]]) -> None:
    """The short way lets in whom the long one lets in, and leaves the same behind."""
    short: LocalGcra[str] = LocalGcra(bucket)
    long: LocalGcra[str] = LocalGcra(bucket)
    for now_us, _ in _times(sequence):
        assert short.take("one", now_us) is long.admit("one", now_us=now_us).allowed
        assert short.look("one", now_us=now_us, cost=0) == long.look("one", now_us=now_us, cost=0)


@given(bucket=buckets, sequence=arrivals)
def test_never_more_than_the_burst_and_what_has_refilled(bucket: Bucket, sequence: list[tuple[int, int]]) -> None:
    """The bound that a limit is there for, with a clock that goes forward."""
    local: LocalGcra[str] = LocalGcra(bucket)
    timed = _times([(abs(gap_us), cost) for gap_us, cost in sequence])
    granted = 0
    for now_us, cost in timed:
        if local.admit("one", now_us=now_us, cost=cost).allowed:
            granted += min(cost, bucket.burst)
        assert granted <= bucket.burst + (now_us - timed[0][0]) / bucket.interval_us


def test_a_burst_then_one_unit_an_interval() -> None:
    """Three at once, the fourth is told when, and then is admitted, not a microsecond before."""
    local: LocalGcra[str] = LocalGcra(Bucket(interval_us=SECOND_US, burst=3))
    at_once = [local.admit("a", now_us=0) for _ in range(4)]
    assert [decision.allowed for decision in at_once] == [True, True, True, False]
    assert [decision.remaining for decision in at_once] == [2, 1, 0, 0]
    assert [decision.reset_us for decision in at_once] == [SECOND_US, 2 * SECOND_US, 3 * SECOND_US, 3 * SECOND_US]
    assert at_once[3].retry_after_us == SECOND_US
    assert not local.admit("a", now_us=SECOND_US - 1).allowed
    assert local.admit("a", now_us=SECOND_US).allowed
    assert local.admit("b", now_us=SECOND_US).remaining == 2


def test_a_cost_above_the_burst_is_admitted_by_a_full_bucket_and_empties_it() -> None:
    """Else a route that costs more than a small tenant's burst could never be used."""
    local: LocalGcra[str] = LocalGcra(Bucket(interval_us=SECOND_US, burst=3))
    assert local.admit("a", now_us=0, cost=10).allowed
    assert local.admit("a", now_us=0, cost=10).retry_after_us == 3 * SECOND_US


def test_one_refusal_charges_nobody() -> None:
    """The large bucket keeps all it has when the small one refuses, and both tell what they have."""
    large: LocalGcra[str] = LocalGcra(Bucket(interval_us=SECOND_US, burst=5))
    small: LocalGcra[str] = LocalGcra(Bucket(interval_us=SECOND_US, burst=1))
    assert [d.remaining for d in admit_all([(large, "t"), (small, "k")], now_us=0, cost=1)] == [4, 0]
    refused = admit_all([(large, "t"), (small, "k")], now_us=0, cost=1)
    assert [(d.allowed, d.remaining) for d in refused] == [(True, 4), (False, 0)]
    assert large.look("t", now_us=0, cost=0).decision.remaining == 4


def test_a_clock_set_back_locks_nobody_out() -> None:
    """A stored time far ahead counts as an empty bucket, no worse."""
    decision = draw(Bucket(interval_us=SECOND_US, burst=3), stored_tat_us=10**12, now_us=0, cost=1).decision
    assert (decision.allowed, decision.retry_after_us) == (False, SECOND_US)


def test_memory_is_bounded_and_whoever_keeps_coming_is_not_forgotten() -> None:
    """A flood of addresses pushes out those longest not seen; being refused counts as being seen."""
    local: LocalGcra[str] = LocalGcra(Bucket(interval_us=3600 * SECOND_US, burst=1), max_keys=10)
    assert local.admit("attacker", now_us=0).allowed
    for number in range(100):
        assert local.admit(f"flood {number}", now_us=number).allowed
        assert not local.admit("attacker", now_us=number).allowed
        assert len(local) <= 10
    assert local.admit("flood 0", now_us=100).allowed
    assert not local.admit("flood 99", now_us=100).allowed


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_an_ipv6_host_is_limited_by_its_site(address: str, key: str) -> None:
    """One host has 2**64 addresses, and would have as many buckets."""
    assert address_key(address) == key


def test_a_bucket_without_size_is_refused() -> None:
    """It would admit nobody, or divide by nothing."""
    for interval_us, burst in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="bucket"):
            Bucket(interval_us=interval_us, burst=burst)
    with pytest.raises(ValueError, match="max_keys"):
        LocalGcra(Bucket(interval_us=1, burst=1), max_keys=0)
