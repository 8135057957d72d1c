"""Whose turn it is: nobody waits for another's backlog."""

from uuid import UUID

import msgspec

from projections.runtime.checkpoints import Checkpoint
from projections.runtime.turns import EVENTS_TOGETHER, TENANTS_TOGETHER, Round, ShardTenants

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
    """A shard that knows these."""
    known = ShardTenants()
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
