"""Running commands: positions, keys, cancellations, lost answers, lost races."""

import asyncio
from functools import partial

import asyncpg
import pytest

from shared_kernel.database.pool import Connection, Pool
from shared_kernel.errors import InFlightError
from shared_kernel.events.inventory import LocationOpened
from shared_kernel.identifiers import new_id
from tests.builders.write_side import SilentDoorbell, WriteSide, claim, edition_command
from tests.eventually import eventually
from write_side.catalog.handlers import create_edition
from write_side.command_execution.errors import (
    ConcurrentChangeError,
    IdempotencyKeyReusedError,
    OutcomeUnknownError,
)
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.forgetting import forget_old_answers
from write_side.command_execution.requests import Answer, Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.commands import LocationDecided, OpenLocation
from write_side.inventory.handlers import open_location

OPEN = partial(open_location, OpenLocation(name="Main street", kind="shop"))


async def test_positions_are_gapless_and_in_commit_order_whoever_began_first(write_side: WriteSide) -> None:
    """A begins and sleeps before its append, B begins and commits: B is first, and A waits for nobody."""
    reached, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow(work: UnitOfWork) -> Outcome:
        outcome = await OPEN(work)
        reached.set()
        await may_go_on.wait()
        return outcome

    sleeper = asyncio.create_task(write_side.run(slow))
    await reached.wait()
    quick = await asyncio.wait_for(write_side.run(OPEN), timeout=30)
    may_go_on.set()
    late = await sleeper
    assert (quick.position, late.position) == (2, 3)
    log = await write_side.log()
    assert [str(event.stream_id) for event in log[1:]] == [
        str(answer.read(LocationDecided).id) for answer in (quick, late)
    ]


async def test_many_writers_leave_no_gap(write_side: WriteSide) -> None:
    """Positions are 1 to n, and recorded times never go back."""
    answers = await asyncio.gather(*(write_side.run(OPEN) for _ in range(40)))
    assert sorted(answer.position or 0 for answer in answers) == list(range(2, 42))
    rows = await write_side.as_administrator("SELECT recorded_at FROM log.event ORDER BY position")
    times = [row["recorded_at"] for row in rows]
    assert times == sorted(times)
    assert max(position for _, position in write_side.doorbell.rung) == 41


async def test_a_key_in_use_is_refused_and_free_again_when_its_holder_is_gone(write_side: WriteSide) -> None:
    """The second waits for nobody; a failed first leaves nothing behind."""
    reached, may_go_on = asyncio.Event(), asyncio.Event()

    async def failing(_work: UnitOfWork) -> Outcome:
        reached.set()
        await may_go_on.wait()
        raise ZeroDivisionError

    first = asyncio.create_task(write_side.run(failing, idempotency=claim("k")))
    await reached.wait()
    with pytest.raises(InFlightError) as refused:
        await write_side.run(OPEN, idempotency=claim("k"))
    assert refused.value.retry_after_seconds == 1
    may_go_on.set()
    with pytest.raises(ZeroDivisionError):
        await first
    assert not (await write_side.run(OPEN, idempotency=claim("k"))).replayed


async def test_a_key_answers_again_and_only_its_own_request(write_side: WriteSide) -> None:
    """The answer is the same to the byte."""
    first = await write_side.run(OPEN, idempotency=claim("k"))
    again = await write_side.run(OPEN, idempotency=claim("k"))
    assert again.replayed
    assert (again.data, again.location, again.version, again.position) == (
        first.data,
        first.location,
        first.version,
        first.position,
    )
    with pytest.raises(IdempotencyKeyReusedError):
        await write_side.run(OPEN, idempotency=claim("k", "another request"))
    other = write_side.as_tenant(await write_side.another_store())
    assert not (await other.run(OPEN, idempotency=claim("k"))).replayed


async def test_a_client_that_leaves_does_not_stop_its_command(write_side: WriteSide) -> None:
    """It is committed and rung all the same, and a retry finds the answer."""
    reached, may_go_on = asyncio.Event(), asyncio.Event()

    async def slow(work: UnitOfWork) -> Outcome:
        reached.set()
        await may_go_on.wait()
        return await OPEN(work)

    leaving = asyncio.create_task(write_side.run(slow, idempotency=claim("k")))
    await reached.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    may_go_on.set()
    await eventually(lambda: _rung(write_side, 2))
    assert (await write_side.run(OPEN, idempotency=claim("k"))).replayed
    assert len(await write_side.log()) == 2


async def test_a_client_kept_too_long_is_told_and_its_command_goes_on(write_side: WriteSide) -> None:
    """The outcome is unknown to it, and its key finds it."""
    may_go_on = asyncio.Event()

    async def slow(work: UnitOfWork) -> Outcome:
        await may_go_on.wait()
        return await OPEN(work)

    impatient = CommandExecution(pool=write_side.pool, doorbell=write_side.doorbell, patience_seconds=0.01)
    with pytest.raises(OutcomeUnknownError):
        await impatient.execute(write_side.request(idempotency=claim("k")), slow)
    may_go_on.set()
    await impatient.aclose()
    assert (await write_side.run(OPEN, idempotency=claim("k"))).replayed
    assert len(await write_side.log()) == 2


@pytest.mark.parametrize("kept_connections", [0, 1])
@pytest.mark.parametrize("is_committed", [True, False])
async def test_an_answer_lost_at_commit_is_found_by_the_retry(
    write_side: WriteSide,
    is_committed: bool,  # noqa: FBT001 - a parameter of pytest's
    kept_connections: int,
) -> None:
    """Whether the commit arrived or not: the client hears 503, retries, and there is one event."""
    pool = _PoolLosingCommits(write_side.pool, reaches_server=is_committed)
    losing = CommandExecution(pool=pool, doorbell=SilentDoorbell(), kept_connections=kept_connections)
    with pytest.raises(OutcomeUnknownError):
        await losing.execute(write_side.request(idempotency=claim("k")), OPEN)
    await losing.aclose()
    retried = await eventually(lambda: _retried(write_side))
    assert retried is not None
    assert retried.replayed is is_committed
    assert [event.type for event in await write_side.log()] == ["StoreOpened", "LocationOpened"]


async def test_a_kept_connection_carries_nothing_from_command_to_command(write_side: WriteSide) -> None:
    """Neither a tenant nor what a failed command wrote; and whoever finds none kept asks the pool."""
    kept = CommandExecution(pool=write_side.pool, doorbell=write_side.doorbell, kept_connections=1)
    other = await write_side.another_store()
    seen: list[tuple[int, int]] = []

    async def looking(work: UnitOfWork) -> Outcome:
        row = await work.connection.fetchrow("SELECT pg_backend_pid(), (SELECT count(*) FROM write.location)")
        seen.append(tuple(row))
        return await OPEN(work)

    async def failing(work: UnitOfWork) -> Outcome:
        await looking(work)
        raise ZeroDivisionError

    await kept.execute(write_side.request(), looking)
    await kept.execute(write_side.request(tenant=other), looking)
    await kept.execute(write_side.request(tenant=other, dry_run=True), looking)
    with pytest.raises(ZeroDivisionError):
        await kept.execute(write_side.request(tenant=other), failing)
    await kept.execute(write_side.request(tenant=other), looking)
    assert [count for _, count in seen] == [0, 0, 1, 1, 1]
    assert seen[0][0] == seen[1][0] == seen[2][0]
    answers = await asyncio.gather(*(kept.execute(write_side.request(), OPEN) for _ in range(12)))
    assert sorted(answer.position or 0 for answer in answers) == list(range(3, 15))
    await kept.aclose()


async def test_a_race_for_a_stream_version_is_decided_once_more(write_side: WriteSide) -> None:
    """The loser is decided anew; one that loses always is told."""
    tries = []

    async def colliding_once(work: UnitOfWork) -> Outcome:
        tries.append(1)
        outcome = await create_edition(edition_command(), work)
        if len(tries) == 1:
            work.record(_opened_again(), stream_id=write_side.tenant.id, stream_version=1)
        return outcome

    assert (await write_side.run(colliding_once)).position == 2
    assert len(tries) == 2

    async def colliding(work: UnitOfWork) -> Outcome:
        outcome = await create_edition(edition_command(), work)
        work.record(_opened_again(), stream_id=write_side.tenant.id, stream_version=1)
        return outcome

    with pytest.raises(ConcurrentChangeError):
        await write_side.run(colliding)
    assert len(await write_side.log()) == 2


async def test_a_dry_run_leaves_neither_rows_nor_a_key(write_side: WriteSide) -> None:
    """It neither rings nor claims."""
    answer = await write_side.run(OPEN, idempotency=claim("k"), dry_run=True)
    assert (answer.status, answer.position, answer.location, answer.version) == (200, None, None, None)
    assert await write_side.as_administrator("SELECT 1 FROM write.location") == []
    assert await write_side.as_administrator("SELECT 1 FROM access.idempotent_response") == []


async def test_answers_are_forgotten_after_seven_days_and_not_before(write_side: WriteSide) -> None:
    """Of every store, by a role that could not read them."""
    await write_side.run(OPEN, idempotency=claim("old"))
    other = write_side.as_tenant(await write_side.another_store())
    await other.run(OPEN, idempotency=claim("older"))
    await write_side.as_administrator(
        "UPDATE access.idempotent_response SET created_at = now() - interval '7 days 1 minute'"
    )
    await write_side.run(OPEN, idempotency=claim("young"))
    assert await forget_old_answers(write_side.pool) == 2
    assert await forget_old_answers(write_side.pool) == 0
    assert (await write_side.run(OPEN, idempotency=claim("young"))).replayed


class _PoolLosingCommits:
    """A pool whose connections break at COMMIT, before or after the server has it."""

    def __init__(self, pool: Pool, *, reaches_server: bool) -> None:
        self._pool = pool
        self._reaches_server = reaches_server

    async def acquire(self, **options: object) -> Connection:
        connection: Connection = await self._pool.acquire(**options)
        return _Losing(connection, reaches_server=self._reaches_server)

    async def release(self, losing: "_Losing", **options: object) -> None:
        await self._pool.release(losing.connection, **options)


class _Losing:
    def __init__(self, connection: Connection, *, reaches_server: bool) -> None:
        self.connection = connection
        self._reaches_server = reaches_server

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)

    async def execute(self, query: str, *arguments: object, **options: object) -> object:
        if query != "COMMIT":
            return await self.connection.execute(query, *arguments, **options)
        if self._reaches_server:
            await self.connection.execute(query)
        self.connection.terminate()
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


def _opened_again() -> LocationOpened:
    """For a stream and version that are taken."""
    return LocationOpened(location_id=new_id(), name="Main street", kind="shop")


async def _retried(write_side: WriteSide) -> Answer | None:
    """None until the server has noticed that the first connection is gone."""
    try:
        return await write_side.run(OPEN, idempotency=claim("k"))
    except InFlightError:
        return None


async def _rung(write_side: WriteSide, position: int) -> bool:
    return any(rung == position for _, rung in write_side.doorbell.rung)
