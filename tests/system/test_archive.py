"""Old events move to files, whoever is killed meanwhile, and every reader of the log goes on as if none had moved."""

import asyncio
import gzip
import subprocess
import sys
from pathlib import Path

import asyncpg
import msgspec
import pytest

from operations.archiving.planning import plan
from operations.archiving.steps import ArchiveStep, carry_on
from operations.projecting.rebuilding import RebuildRequest, rebuild_projection
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.log.archive.errors import ArchiveUnreadableError
from shared_kernel.log.reader import Want, fetch, fetch_positions, fetch_types
from tests.builders.projecting import assert_identical, projected, running_projector
from tests.command_line import on_servers
from tests.operations.installed import installation_of
from tests.servers import Servers
from tests.system.archives import EVENTS, TENANTS, ArchivedLogs, Connected, projected_logs
from tests.system.dying_archiver import VERSIONS, archive


@pytest.fixture
async def logs(servers: Servers, tmp_path: Path) -> ArchivedLogs:
    """In a folder."""
    return await projected_logs(servers, _folder(tmp_path).as_uri())


async def test_half_a_log_is_archived_though_the_archiver_dies_at_every_step(
    logs: ArchivedLogs, tmp_path: Path
) -> None:
    """Under writes: the stream stays the same all the time, and rebuild and verify find what they found before."""
    before = await logs.stream(limit=EVENTS)
    async with logs.stores.growing(1):
        deaths = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "tests.system.dying_archiver"],
            input=msgspec.json.encode(logs.errand),
            stdout=subprocess.PIPE,
            check=True,
            timeout=120,
        )
        assert deaths.stdout.decode().splitlines() == [f"{step} -9" for step in ArchiveStep]
        assert await logs.stream(limit=EVENTS) == before
        assert (await archive(logs.errand, carry_on)).events > 0
    assert await logs.in_table() == 0
    assert await logs.stream(limit=EVENTS) == before
    manifest = await logs.ask("SELECT * FROM log.archive ORDER BY tenant_id, from_position")
    assert all(row["verified_at"] <= row["removed_at"] for row in manifest)
    assert {row["tenant_id"] for row in manifest} == set(TENANTS)

    installation = installation_of(logs.servers, tmp_path)
    async with running_projector(logs.servers):
        await projected(logs.servers)
        request = RebuildRequest(name="order_list", version=2, tenant_id=None, rate=0, keep_old=False)
        assert (
            await rebuild_projection(
                installation, request, on_progress=lambda _done, _of: None, on_running=lambda _running: None
            )
        ).identical
    await assert_identical(logs.servers)


async def test_every_way_to_read_the_log_crosses_the_seam(logs: ArchivedLogs) -> None:
    """By limit, by bound, by type and by position, from anywhere."""
    whole = [event for event in await logs.stream() if event.tenant_id == TENANTS[0]]
    types = sorted({event.type for event in whole})[:1]
    await archive(logs.errand, carry_on)
    last = len(whole)
    async with logs.log() as connection:
        for after in (0, 8, 9, 10, EVENTS // 2 - 1, EVENTS // 2, last - 1, last):
            for limit, until in ((1, None), (20, None), (1_000, None), (1_000, EVENTS // 2 - 3), (5, after + 7)):
                want = Want(tenant_id=TENANTS[0], after=after, limit=limit, until=until)
                there = [event for event in whole if after < event.position <= (until or last)]
                assert await fetch(connection, [want]) == there[:limit], want
                of_type = [event for event in there if event.type in types]
                assert await fetch_types(connection, want, types) == of_type[:limit], want
        assert await fetch_positions(connection, TENANTS[0], [last, 1, 9]) == [whole[0], whole[8], whole[-1]]


async def test_a_missing_or_changed_file_is_named_and_nothing_is_parked(logs: ArchivedLogs, tmp_path: Path) -> None:
    """Whoever needs it says what to do; others go on."""
    await archive(logs.errand, carry_on)
    first, second = sorted((_folder(tmp_path) / f"{TENANTS[0]}").iterdir())[:2]
    content = second.read_bytes()
    second.write_bytes(gzip.compress(gzip.decompress(content).replace(b"web", b"pos"), mtime=0))
    first.rename(first.with_suffix(".gone"))
    async with logs.log() as connection:
        with pytest.raises(ArchiveUnreadableError, match=f"is not there.*{first.name}"):
            await fetch(connection, [Want(tenant_id=TENANTS[0], after=0, limit=5)])
        with pytest.raises(ArchiveUnreadableError, match=f"has been changed.*{second.name}"):
            await fetch(connection, [Want(tenant_id=TENANTS[0], after=9, limit=5)])
        assert await fetch(connection, [Want(tenant_id=TENANTS[1], after=0, limit=5)])


async def test_events_leave_by_a_proved_file_alone(logs: ArchivedLogs) -> None:
    """No role deletes; the function refuses what was not read back, what differs, a gap, and the head."""
    async with Connected(logs.servers.url_as(DatabaseRole.OPERATOR)) as operator:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await operator.execute("DELETE FROM log.event")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await operator.execute("UPDATE log.archive SET verified_at = now()")
        note = "SELECT log.note_archive($1, $2, $3, 'file:///x', 10, $4)"
        for first, last in ((2, 9), (1, 10_000)):
            with pytest.raises(asyncpg.RaiseError, match="not what is to be archived next"):
                await operator.execute(note, TENANTS[0], first, last, "0" * 64)
        await operator.execute(note, TENANTS[0], 1, 9, "0" * 64)
        with pytest.raises(asyncpg.RaiseError, match="no verified archive file"):
            await operator.execute("SELECT log.remove_archived($1, 1, 'x')", TENANTS[0])
        with pytest.raises(asyncpg.DataError, match="does not hold what the log holds"):
            await operator.execute("SELECT log.verify_archive($1, 1, 'x')", TENANTS[0])
    # The file of that row was never written: it is given up, and everything is archived all the same.
    await archive(logs.errand, carry_on)
    assert await logs.in_table() == 0


async def test_what_somebody_has_still_to_fold_stays(logs: ArchivedLogs) -> None:
    """A parked key, a build that is being filled, a store that a projection has not begun."""
    async with (
        Connected(logs.errand.write_url) as write,
        Connected(logs.errand.read_url) as read,
        Connected(logs.servers.read_admin_url) as admin,
    ):

        async def until() -> list[int]:
            plans = await plan(write, read, before=logs.errand.before, tenant_id=None, versions=VERSIONS)
            return [one.until for one in sorted(plans, key=lambda one: one.tenant_id)]

        free = await until()
        assert free[0] == EVENTS // 2
        await admin.execute(
            "INSERT INTO projection.parked_key (id, tenant_id, name, version, build, key, state, first_position,"
            " attempts, error, next_attempt_at)"
            " VALUES (gen_random_uuid(), $1, 'order_list', 2, 1, 'a', 'dead', 7, 5, 'x', now())",
            TENANTS[0],
        )
        assert await until() == [6, free[1]]
        await admin.execute("DELETE FROM read.active_build WHERE (tenant_id, name) = ($1, 'sales')", TENANTS[1])
        await admin.execute("DELETE FROM projection.checkpoint WHERE (tenant_id, name) = ($1, 'sales')", TENANTS[1])
        assert await until() == [6, 0]


async def test_an_operator_archives_from_the_command_line(logs: ArchivedLogs, tmp_path: Path) -> None:
    """First to see what would move, then to move it; a URL that names no storage is refused."""
    shelfwise = on_servers(logs.servers, tmp_path)
    variables = {"SHELFWISE_ARCHIVE_URL": logs.url}
    said = shelfwise.run("log", "archive", "--before", "2099-01-01", "--dry-run", "--json", variables=variables)
    assert said.answer["events"] >= 2 * (EVENTS - 2)
    assert not _folder(tmp_path).exists()
    done = shelfwise.run("log", "archive", "--before", "2099-01-01", "--json", variables=variables)
    assert (done.code, done.answer["events"]) == (0, said.answer["events"])
    refused = shelfwise.run("log", "archive", "--before", "2099-01-01", "--to", "ftp://x")
    assert refused.code == 1
    assert "file:///an/absolute/folder" in refused.stderr
    await assert_identical(logs.servers)


def _folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"
