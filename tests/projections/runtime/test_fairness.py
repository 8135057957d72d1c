"""A store with a backlog does not hold up another: what is short is shown before what is long is done."""

import random
from uuid import UUID

import asyncpg
import pytest

from projections.runtime.batch import Batch, BatchResult
from projections.runtime.checkpoints import Checkpoint
from projections.runtime.rounds import Rounds
from projections.runtime.shard import Shard
from projections.runtime.slices import FEWEST_EVENTS, Slices
from projections.runtime.turns import EVENTS_TOGETHER
from shared_kernel.log.partitions import shard_of
from tests.builders.draining import parts_of
from tests.builders.projecting import open_runtime, projected, running_projector
from tests.builders.tally import tally
from tests.servers import Servers
from tests.system.killing import GrowingStores

LARGE, SMALL = UUID(int=(1 << 120) + 5), UUID(int=(2 << 120) + 5)
"""In one shard, and the large one first by every order there is."""


async def test_a_backlog_is_finished_after_what_is_short(servers: Servers) -> None:
    """The transaction that brought the small store to its head is older than the one that finished the large store."""
    for store, events in ((LARGE, 2 * EVENTS_TOGETHER + 100), (SMALL, 5)):
        await GrowingStores(servers, [store], random.Random(1)).grow(events)  # noqa: S311 - a test's choice
    async with running_projector(servers, projections=(tally(),)):
        await projected(servers, projections=1)
    admin = await asyncpg.connect(servers.read_admin_url)
    rows = await admin.fetch("SELECT tenant_id, xmin::text::bigint AS moved_in FROM projection.checkpoint")
    await admin.close()
    moved_in = {row["tenant_id"]: row["moved_in"] for row in rows}
    assert moved_in[SMALL] < moved_in[LARGE]


async def test_a_backlog_gives_way_to_those_who_have_news(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a store with news its batches are short; where more stores are far behind than have news, they are not."""
    monkeypatch.setattr("projections.runtime.rounds._OTHERS_SECONDS", 3_600.0)  # however long this takes

    async def project(_batch: Batch) -> BatchResult:
        raise AssertionError

    async with open_runtime(servers, (tally(),)) as runtime:
        parts = parts_of(runtime)
        rounds, shard = Rounds(parts, project), Shard(parts, await runtime.lease(shard_of(LARGE)))
        late = [UUID(int=(number << 120) + 5) for number in (3, 4)]
        shard.tenants.put([at_the_beginning(store) for store in (LARGE, SMALL, *late)], blocked=[])
        shard.heads = {LARGE: 50_000, SMALL: 1}
        assert not rounds.gives_way()
        (alone,) = rounds.choose([shard]).alone
        assert rounds.gives_way()
        (beside_news,) = rounds.choose([shard]).alone
        assert beside_news.want.limit < alone.want.limit
        shard.heads |= dict.fromkeys(late, 50_000)
        rounds.choose([shard])
        assert not rounds.gives_way()
        (after_an_outage,) = rounds.choose([shard]).alone
        assert after_an_outage.want.limit == alone.want.limit


async def test_the_rest_of_a_backlog_is_nobodys_news(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two far behind, the last leaves no time to the one that has just caught up; to one with news it does."""
    monkeypatch.setattr("projections.runtime.rounds._OTHERS_SECONDS", 3_600.0)

    async def project(_batch: Batch) -> BatchResult:
        raise AssertionError

    async with open_runtime(servers, (tally(),)) as runtime:
        parts = parts_of(runtime)
        rounds, shard = Rounds(parts, project), Shard(parts, await runtime.lease(shard_of(LARGE)))
        nearly_done = UUID(int=(3 << 120) + 5)
        shard.tenants.put([at_the_beginning(store) for store in (LARGE, SMALL, nearly_done)], blocked=[])
        shard.heads = {LARGE: 50_000, nearly_done: 50_000}
        rounds.choose([shard])
        shard.heads[nearly_done] = 1
        assert [turn.tenant_id for turn in rounds.choose([shard]).together] == [nearly_done]
        assert not rounds.gives_way()
        shard.heads[SMALL] = 1
        rounds.choose([shard])
        assert rounds.gives_way()


def test_a_batch_beside_others_is_as_long_as_it_may_take() -> None:
    """However fast the machine is; and the others have as long again."""
    slices = Slices()
    for _ in range(50):
        slices.note_batch(events=slices.events, seconds=1.0)
    assert slices.events == FEWEST_EVENTS
    for _ in range(50):
        slices.note_batch(events=slices.events, seconds=0.0001)
    assert slices.events > 100
    assert slices.rest_seconds(0.01) == pytest.approx(0.01)
    assert slices.rest_seconds(60.0) < 1


def test_a_backlog_that_grows_all_the_same_takes_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it does not grow: a batch may be longer and its rest is shorter, for as long as that is needed."""
    monkeypatch.setattr("projections.runtime.slices._LOOK_SECONDS", 0.0)
    slices = Slices()
    behind = 10_000
    slices.note_behind({LARGE: behind})
    for _ in range(10):
        slices.note_behind({LARGE: behind, SMALL: 10**6})  # another one's coming is no growth
    assert slices.rest_seconds(0.01) == pytest.approx(0.01)
    for _ in range(10):
        behind += 100
        slices.note_behind({LARGE: behind})
    assert slices.rest_seconds(0.1) < 0.01
    for _ in range(30):
        slices.note_batch(events=slices.events, seconds=0.2)
    assert slices.events > FEWEST_EVENTS
    for _ in range(100):
        behind -= 10
        slices.note_behind({LARGE: behind})
    assert slices.rest_seconds(0.01) == pytest.approx(0.01)


def at_the_beginning(store: UUID) -> Checkpoint:
    """The store's tally before its first event."""
    return Checkpoint(
        tenant_id=store, name="tally", version=1, build=1, mode="live", position=0, as_of=None,
        revision=0, rows=0, parked=0,
    )  # fmt: skip
