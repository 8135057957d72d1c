"""`shelfwise doctor`: every question asked for itself, so that one dead server does not hide what the others say."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeAlias

import asyncpg
import msgspec

from migrations.apply import pending
from operations.in_house import pool_as
from operations.projecting.probing import ask_probe
from operations.projecting.state import ProjectionStatus, probes, statuses, work
from operations.reacting.standing import labour_verdict, outbox_verdict, parked_verdict, standing
from operations.servers.installation import Installation
from projections.registry import PROJECTIONS
from shared_kernel.database.pool import Pool
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.monitor.judging import STALLED_SECONDS, Judge
from shared_kernel.monitor.looking import Version, look
from shared_kernel.monitor.reacting import Reacting
from shared_kernel.redis.errors import RedisReplyError, RedisUnavailable
from shared_kernel.redis.multiplexed import MultiplexedRedis

_CHECK_TIMEOUT_SECONDS = 20.0
_CONNECT_TIMEOUT_SECONDS = 5.0
_EXPECTED = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    RedisUnavailable,
    RedisReplyError,
)

_Question: TypeAlias = Callable[[Installation], Awaitable[tuple[bool, str]]]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One question and its answer."""

    name: str
    ok: bool
    detail: str


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """Every answer; `healthy` when each is ok."""

    healthy: bool
    checks: tuple[Check, ...]


async def examine(installation: Installation) -> Examination:
    """Ask everything there is to ask."""
    questions: dict[str, _Question] = {
        "write database": _write_database,
        "read database": _read_database,
        "redis": _redis,
        "migrations": _migrations,
        "projectors": _projectors,
        "probes": _probes,
        "lag": _lag,
        "parked keys": _parked,
        **_reacting({"reactions": labour_verdict, "parked reactions": parked_verdict, "outboxes": outbox_verdict}),
    }
    checks = [await _asked(name, ask, installation) for name, ask in questions.items()]
    return Examination(healthy=all(one.ok for one in checks), checks=tuple(checks))


async def _asked(name: str, ask: _Question, installation: Installation) -> Check:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS):
            ok, detail = await ask(installation)
    except _EXPECTED as error:
        ok, detail = False, f"cannot be told: {type(error).__name__}"
    return Check(name=name, ok=ok, detail=detail)


async def _write_database(installation: Installation) -> tuple[bool, str]:
    return True, await _server_version(installation.write_database_url)


async def _read_database(installation: Installation) -> tuple[bool, str]:
    return True, await _server_version(installation.read_database_url)


async def _server_version(url: str) -> str:
    connection = await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT_SECONDS)
    try:
        version: str = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close(timeout=_CONNECT_TIMEOUT_SECONDS)
    return f"PostgreSQL {version}"


async def _redis(installation: Installation) -> tuple[bool, str]:
    async with MultiplexedRedis.from_url(installation.redis_url, client_name="command-line") as redis:
        await redis.connect()
        information = await redis.call("INFO", "server")
    assert isinstance(information, bytes)
    facts = dict(line.split(":", 1) for line in information.decode().splitlines() if ":" in line)
    if "valkey_version" in facts:
        return True, f"Valkey {facts['valkey_version']}"
    return True, f"Redis {facts.get('redis_version', 'of an unknown version')}"


async def _migrations(installation: Installation) -> tuple[bool, str]:
    missing = await pending(
        write_admin_url=installation.write_database_url, read_admin_url=installation.read_database_url
    )
    names = [f"{history} {revision}" for history, revisions in missing.items() for revision in sorted(revisions)]
    if names:
        return False, f"missing: {', '.join(names)}; run `shelfwise migrate`"
    return True, "both databases are up to date"


async def _projectors(installation: Installation) -> tuple[bool, str]:
    async with pool_as(DatabaseRole.OPERATOR, installation, read=True, size=1) as read_pool:
        now = await work(read_pool)
    if not now.workers:
        return False, "nobody projects; run `shelfwise up`, or `python -m projections.worker`"
    seen = f"{now.workers} seen, {now.owned_shards} of {now.shards} shards held"
    return now.owned_shards == now.shards, seen


async def _probes(installation: Installation) -> tuple[bool, str]:
    async with pool_as(DatabaseRole.OPERATOR, installation, read=True, size=1) as read_pool:
        addresses = await probes(read_pool)
    asked = await asyncio.gather(*(ask_probe(one) for one in addresses))
    red = [one.says for one in asked if not one.ok]
    return not red, "; ".join(red) or f"{len(asked)} of {len(asked)} answer and are well" if asked else "none to ask"


async def _lag(installation: Installation) -> tuple[bool, str]:
    """Where somebody is behind, a second look tells a backlog from a standstill."""
    versions = [Version(name=one.view.name, version=one.view.version) for one in PROJECTIONS]
    judge = Judge()
    async with _operator_pools(installation) as (write_pool, read_pool):
        sight = await look(write_pool, read_pool, versions, within_seconds=_CHECK_TIMEOUT_SECONDS)
        judge.judge(sight)
        behind = [one for one in sight.projections if one.behind]
        if not behind:
            return True, f"{len(sight.projections)} projections show everything there is"
        await asyncio.sleep(STALLED_SECONDS)
        verdict = judge.judge(await look(write_pool, read_pool, versions, within_seconds=_CHECK_TIMEOUT_SECONDS))
    worst = max((lag for one in behind for lag in one.worst), key=lambda lag: lag.lag_seconds)
    moving = (
        f"{len(behind)} of {len(sight.projections)} projections were behind, and move; the oldest event was"
        f" {worst.lag_seconds:.1f} s old (store {worst.tenant_id}, {worst.lag_events:,} events)"
    )
    return verdict.is_green, moving if verdict.is_green else verdict.text


async def _parked(installation: Installation) -> tuple[bool, str]:
    parked = [one for one in await _statuses(installation) if one.dead_letters or one.retrying]
    if not parked:
        return True, "none"
    return False, ", ".join(f"{one.name}: {one.dead_letters} dead, {one.retrying} retrying" for one in parked)


def _reacting(verdicts: Mapping[str, Callable[[Reacting], tuple[bool, str]]]) -> dict[str, _Question]:
    """Several questions about the same look, which whoever is asked first takes."""
    looks: list[Reacting] = []

    def question(verdict: Callable[[Reacting], tuple[bool, str]]) -> _Question:
        async def ask(installation: Installation) -> tuple[bool, str]:
            if not looks:
                async with pool_as(DatabaseRole.OPERATOR, installation, read=False, size=1) as write_pool:
                    looks.append(await standing(write_pool))
            return verdict(looks[0])

        return ask

    return {name: question(verdict) for name, verdict in verdicts.items()}


async def _statuses(installation: Installation) -> list[ProjectionStatus]:
    wanted = [(one.view.name, one.view.version) for one in PROJECTIONS]
    async with _operator_pools(installation) as (write_pool, read_pool):
        return await statuses(write_pool, read_pool, wanted)


@asynccontextmanager
async def _operator_pools(installation: Installation) -> AsyncIterator[tuple[Pool, Pool]]:
    async with AsyncExitStack() as stack:
        write_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=False, size=1))
        read_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=True, size=1))
        yield write_pool, read_pool
