"""The same archive in S3: whoever is killed, locked out or finds a file changed, no event is lost, no secret told."""

import asyncio
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from operations.archiving.steps import ArchiveStep, carry_on
from operations.projecting.explaining import explain_row
from operations.projecting.rebuilding import RebuildRequest, rebuild_projection
from shared_kernel.log.archive.errors import ArchiveUnreadableError
from shared_kernel.log.reader import Want, fetch
from tests.builders.projecting import assert_identical, projected, running_projector
from tests.command_line import on_servers
from tests.operations.installed import installation_of
from tests.s3_server import KEY_ID, SECRET, S3Server, running_s3
from tests.servers import Servers
from tests.system.archives import EVENTS, TENANTS, ArchivedLogs, projected_logs
from tests.system.dying_archiver import archive

_DEATHS = (ArchiveStep.WRITTEN, ArchiveStep.READ_BACK, ArchiveStep.VERIFIED)
_EVERYBODY = 1_000_000_000


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """One for all tests here."""
    with running_s3() as running:
        yield running


@pytest.fixture
async def logs(servers: Servers, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> ArchivedLogs:
    """In a bucket of their own, found by what the environment says."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    bucket = f"history-{servers.secret_key[:8].encode().hex()}"
    s3.ask("PUT", bucket)
    return await projected_logs(servers, f"s3://{bucket}/of/ours")


async def test_killed_archivers_lose_nothing_and_every_reader_crosses_the_seam(
    logs: ArchivedLogs, tmp_path: Path
) -> None:
    """Written, read back, compared, removed; then the log's readers, a rebuild, verify and explain."""
    before = await logs.stream(limit=EVENTS)
    deaths = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.system.dying_archiver"],
        input=msgspec.json.encode(msgspec.structs.replace(logs.errand, deaths=_DEATHS)),
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert deaths.stdout.decode().splitlines() == [f"{step} -9" for step in _DEATHS]
    assert await logs.stream(limit=EVENTS) == before
    assert (await archive(logs.errand, carry_on)).events > 0
    assert await logs.in_table() == 0
    assert await logs.stream(limit=EVENTS) == before
    manifest = await logs.ask("SELECT * FROM log.archive")
    assert all(row["uri"].startswith(logs.url) and row["verified_at"] <= row["removed_at"] for row in manifest)

    installation = installation_of(logs.servers, tmp_path)
    async with running_projector(logs.servers):
        request = RebuildRequest(name="order_list", version=2, tenant_id=None, rate=0, keep_old=False)
        assert (
            await rebuild_projection(
                installation, request, on_progress=lambda _done, _of: None, on_running=lambda _running: None
            )
        ).identical
        await projected(logs.servers)
    await assert_identical(logs.servers)
    first = before[0]
    explained = await explain_row(installation, "order_list", f"{first.stream_id}", tenant_id=TENANTS[0], limit=10)
    assert explained.changes[0].position == first.position
    _assert_untold(deaths.stdout, deaths.stderr)


async def test_a_changed_or_missing_file_is_named(
    logs: ArchivedLogs, s3: S3Server, capfd: pytest.CaptureFixture[str]
) -> None:
    """By its URI and what is wrong with it; put back, it is read again."""
    await archive(logs.errand, carry_on)
    rows = await logs.ask("SELECT uri FROM log.archive WHERE tenant_id = $1 ORDER BY from_position", TENANTS[0])
    paths = [row["uri"].removeprefix("s3://") for row in rows[:2]]
    contents = [s3.ask("GET", path) for path in paths]
    s3.ask("DELETE", paths[0])
    s3.ask("PUT", paths[1], contents[0])
    async with logs.log() as connection:
        for after, path, reason in ((0, paths[0], "is not there"), (9, paths[1], "has been changed")):
            with pytest.raises(ArchiveUnreadableError, match=f"{reason}.*{path}"):
                await fetch(connection, [Want(tenant_id=TENANTS[0], after=after, limit=5)])
        for path, content in zip(paths, contents, strict=True):
            s3.ask("PUT", path, content)
        assert len(await fetch(connection, [Want(tenant_id=TENANTS[0], after=0, limit=20)])) == 20
    _assert_untold(*capfd.readouterr())


async def test_who_is_not_let_in_removes_nothing_and_tells_no_secret(
    logs: ArchivedLogs, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence says what to look at, and the whole traceback no more than that."""
    s3.let_in(requests=0)
    try:
        order = ("log", "archive", "--before", "2099-01-01", "--to", logs.url)
        refused = on_servers(logs.servers, tmp_path).run(*order, variables={"SHELFWISE_DEBUG": "1"})
    finally:
        s3.let_in(requests=_EVERYBODY)
    assert refused.code == 1
    assert "the AWS_… variables let us in" in refused.stderr
    unknown = msgspec.structs.replace(logs.errand, archive_url="s3://no-such-bucket/of/ours")
    with pytest.raises(FileNotFoundError, match=r"no such bucket.*no-such-bucket"):
        await archive(unknown, carry_on)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(OSError, match="see that it can be reached") as nowhere:
        await archive(logs.errand, carry_on)
    assert await logs.in_table() == len(TENANTS) * (EVENTS // 2 - 1)
    _assert_untold(refused.stdout, refused.stderr, "".join(traceback.format_exception(nowhere.value)))


def _assert_untold(*texts: str | bytes) -> None:
    for text in texts:
        said = text if isinstance(text, str) else text.decode()
        assert SECRET not in said
        assert KEY_ID not in said
