"""Whose turn it is: nobody waits for another's backlog."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from projections.runtime.checkpoints import Checkpoint
from projections.runtime.turns import EVENTS_TOGETHER, TENANTS_TOGETHER, Round, ShardTenants, Turn

BUDGET = 100


def checkpoint(tenant: int, position: int, *, name: str = "orders", mode: str = "live") -> Checkpoint:
    """A projection of a store at a position."""
    return Checkpoint(
        tenant_id=UUID(int=tenant), name=name, version=1, build=1, mode=mode, position=position, as_of=None,
        revision=1, rows=1, parked=0,
    )  # fmt: skip


def heads(*positions: int) -> dict[UUID, int]:
    """How far the logs of stores 0, 1, 2 and so on go."""
    return {UUID(int=tenant): position for tenant, position in enumerate(positions)}


def choose(known: ShardTenants, *positions: int) -> Round:
    """Who is served when the logs go so far."""
    chosen = Round(budget=BUDGET, backlogs=1)
    known.offer(heads(*positions), chosen)
    return chosen


def tenants(*checkpoints: Checkpoint) -> ShardTenants:
    """A shard that knows these; what is called sums shows many events at a time."""
    known = ShardTenants(gathered={"sums"})
    known.put(checkpoints, blocked=[])
    return known


def test_a_backlog_has_a_transaction_of_its_own() -> None:
    """One store's backlog a round, beside all those a little behind; the next backlog has the next round."""
    known = tenants(*(checkpoint(tenant, 0) for tenant in range(4)))
    first = choose(known, 5_000, 3, 5_000, 0)
    assert [turn.tenant_id.int for turn in first.together] == [1]
    assert [turn.tenant_id.int for turn in first.alone] == [0]
    second = choose(known, 5_000, 3, 5_000, 0)
    assert [turn.tenant_id.int for turn in second.alone] == [2]


def test_a_round_is_bounded_and_everybody_has_a_turn() -> None:
    """More stores than fit one transaction are served in turns, the longest unserved first."""
    count = 2 * TENANTS_TOGETHER + 5
    known = tenants(*(checkpoint(tenant, 0) for tenant in range(count)))
    rounds = [choose(known, *[90] * count) for _ in range(4)]
    served = [turn.tenant_id.int for one in rounds for turn in one.together]
    assert set(served) == set(range(count))
    assert all(len(one.together) * 90 <= EVENTS_TOGETHER for one in rounds)


def test_a_new_projection_catches_up_beside_the_others() -> None:
    """One far behind neither holds its store's other projections back nor goes past them."""
    known = tenants(checkpoint(0, 500), checkpoint(0, 0, name="new"))
    turns = choose(known, 503)
    (front,), (behind,) = turns.together, turns.alone
    assert [one.name for one in front.checkpoints] == ["orders"]
    assert (front.want.after, front.want.until) == (500, None)
    assert [one.name for one in behind.checkpoints] == ["new"]
    assert (behind.want.after, behind.want.until, behind.want.limit) == (0, 500, BUDGET)
    assert (turns.backlogged, turns.waiting) == ({}, {UUID(int=0): 503})  # so that it is seen where it grows


def test_what_is_blocked_or_being_built_has_no_turn() -> None:
    """A rebuild has rounds of its own, and a parked store waits for its heal."""
    building = checkpoint(0, 0, mode="building")
    known = tenants(building)
    assert choose(known, 5).served == set()
    known.put([checkpoint(1, 0)], blocked=[checkpoint(1, 0).id])
    assert choose(known, 5, 5).together == []
    known.put([checkpoint(1, 0)], blocked=[])
    assert len(choose(known, 5, 5).together) == 1


def test_more_backlogs_under_way_than_there_may_be_allow_no_further_one() -> None:
    """Backlogs and projections behind share lanes, so that together they may take more than either would be given."""
    known = tenants(*(checkpoint(tenant, 0) for tenant in range(3)), checkpoint(3, 0), checkpoint(3, 9, name="ahead"))
    chosen = Round(budget=BUDGET, backlogs=-1)
    known.offer(heads(5_000, 5_000, 5_000, 9), chosen)
    assert chosen.alone == []


def test_newly_parked_keys_are_noticed() -> None:
    """What a batch parked is loaded again before it is relied on."""
    known = tenants(checkpoint(0, 0), checkpoint(1, 0))
    worse = msgspec.structs.replace(checkpoint(1, 4), parked=1)
    assert known.move([checkpoint(0, 4), worse]) == [UUID(int=1)]


def test_what_is_in_hand_or_rests_has_no_turn() -> None:
    """One batch at a time of the same checkpoints; a tenant whose batch failed lets the others go first."""
    known = tenants(checkpoint(0, 0), checkpoint(1, 0))
    (first, second) = choose(known, 5, 5).together
    known.take_in_hand(first)
    assert [turn.tenant_id for turn in choose(known, 5, 5).together] == [second.tenant_id]
    known.put_down(first)
    known.rest(second.tenant_id, seconds=60)
    assert [turn.tenant_id for turn in choose(known, 5, 5).together] == [first.tenant_id]


def test_what_two_have_in_hand_is_free_when_both_have_put_it_down() -> None:
    """A batch that is taken apart holds all of it for as long as a part of it is under way."""
    known = tenants(checkpoint(0, 0))
    (turn,) = choose(known, 5).together
    for _ in range(2):
        known.take_in_hand(turn)
    known.put_down(turn)
    assert choose(known, 5).together == []
    known.put_down(turn)
    assert choose(known, 5).together == [turn]
    assert not known.are_in_hand


def gather(known: ShardTenants, *positions: int, events: int = BUDGET) -> Round:
    """The same, and it is also the turn of sums."""
    chosen = choose(known, *positions)
    chosen.gather(events=events)
    return chosen


def test_sums_have_turns_of_their_own() -> None:
    """Where they are a little behind, none waits for the other, and nobody counts that as a backlog."""
    known = tenants(checkpoint(0, 20), checkpoint(0, 5, name="sums"))
    without = choose(known, 23)
    assert (names(without.together), without.gathered, without.is_late) == ([["orders"]], [], True)
    chosen = gather(known, 23)
    assert (names(chosen.together), names(chosen.gathered), chosen.is_late) == ([["orders"]], [["sums"]], False)
    assert [turn.want.after for turn in (*chosen.together, *chosen.gathered)] == [20, 5]
    assert (chosen.alone, chosen.backlogged, chosen.waiting) == ([], {}, {})
    assert known.is_behind(heads(20))


def test_sums_that_show_the_oldest_have_room_first() -> None:
    """A busy store's sums do not take the turn of those that waited longer, and what there was no room for is late."""
    old, new = (datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in (1, 2))
    known = tenants(
        msgspec.structs.replace(checkpoint(0, 0, name="sums"), as_of=new),
        msgspec.structs.replace(checkpoint(1, 5, name="sums"), as_of=old),
    )
    chosen = gather(known, 90, 10, events=5)
    assert ([turn.tenant_id.int for turn in chosen.gathered], chosen.is_late) == ([1], True)
    chosen = gather(known, 90, 10, events=20)
    assert ([turn.want.limit for turn in chosen.gathered], chosen.is_late) == ([20, 15], True)
    assert not gather(known, 90, 10, events=95).is_late


def test_a_backlog_is_read_once_for_all_paces() -> None:
    """Those a little ahead wait until the others are there; then all go on in one transaction."""
    known = tenants(checkpoint(0, 20), checkpoint(0, 5, name="sums"))
    chosen = gather(known, 5_000)
    (turn,) = chosen.alone
    assert ([one.name for one in turn.checkpoints], turn.want.after, turn.want.until) == (["sums"], 5, 20)
    known.move([checkpoint(0, 20, name="sums")])
    chosen = gather(known, 5_000)
    (turn,) = chosen.alone
    assert ([one.name for one in turn.checkpoints], turn.want.until) == (["orders", "sums"], None)
    assert (chosen.together, chosen.gathered, chosen.waiting) == ([], [], {UUID(int=0): 4_980})


def test_sums_far_behind_catch_up_beside_the_rest() -> None:
    """As any projection far behind: in turns of their own, which go up to where the others are."""
    known = tenants(checkpoint(0, 2_500), checkpoint(0, 5, name="sums"))
    chosen = gather(known, 2_503)
    (turn,) = chosen.alone
    assert (names(chosen.together), chosen.gathered) == ([["orders"]], [])
    assert ([one.name for one in turn.checkpoints], turn.want.after, turn.want.until) == (["sums"], 5, 2_500)
    assert chosen.waiting == {UUID(int=0): 2_498}


@pytest.mark.parametrize("lag", [BUDGET + 14, 1_500])
def test_sums_that_a_stall_left_behind_go_on_together(lag: int) -> None:
    """No lane each: there are few, and each rests; each store has its budget, and what is left has the next turn."""
    known = tenants(*(one for tenant in range(10) for one in (
        checkpoint(tenant, lag), checkpoint(tenant, 0, name="sums")
    )))  # fmt: skip
    chosen = gather(known, *[lag] * 10, events=EVENTS_TOGETHER)
    assert ([turn.want.limit for turn in chosen.gathered], chosen.is_late) == ([BUDGET] * 10, True)
    assert (chosen.alone, chosen.waiting) == ([], {})


def test_a_sum_behind_the_others_holds_none_of_them_back() -> None:
    """One that was just rebuilt is ahead of the others, or one was parked: each pace has its own front."""
    known = tenants(checkpoint(0, 20, name="sums"), msgspec.structs.replace(checkpoint(0, 8, name="sums"), build=2))
    chosen = gather(known, 23)
    assert [turn.want.after for turn in chosen.gathered] == [20]
    assert [(turn.want.after, turn.want.until) for turn in chosen.alone] == [(8, 20)]


def names(turns: list[Turn]) -> list[list[str]]:
    """Whose turns these are."""
    return [[one.name for one in turn.checkpoints] for turn in turns]
