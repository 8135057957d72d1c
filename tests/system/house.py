"""A whole installation for tests: both APIs as compose.yaml starts them, a projector, and a Valkey of their own.

Every process is one of ours to end, by its own pid, and ends with the test run even when that is killed.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import msgspec

from operations.servers.ports import choose_port
from operations.servers.valkey import RunningValkey
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.process import die_with_parent
from tests.eventually import eventually
from tests.servers import Run, Servers, fresh_databases, own_valkey

_END_SECONDS = 15.0
_ROOMY = {
    f"SHELFWISE_{limited}_PER_MINUTE": "6000000" for limited in ("TENANT", "KEY", "ADDRESS")
}  # the tests ask more of one store than any store does
_PROJECT = Path(__file__).parents[2]


class Deployable(msgspec.Struct, kw_only=True):
    """One process, the port that it answers on, and the file that its logs go to."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Of its HTTP server."""
        return f"http://127.0.0.1:{self.port}"

    def end(self) -> None:
        """By its own pid, politely and then not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class House(msgspec.Struct, frozen=True, kw_only=True):
    """The running installation."""

    servers: Servers
    folder: Path
    valkey: RunningValkey
    write_api: Deployable
    read_api: Deployable
    projector: Deployable

    def deployables(self) -> tuple[Deployable, ...]:
        """The processes of ours."""
        return self.write_api, self.read_api, self.projector

    def logs(self) -> dict[str, str]:
        """What each of them has logged."""
        return {one.name: one.log.read_text(errors="replace") for one in self.deployables()}


@contextmanager
def open_house(run: Run) -> Iterator[House]:
    """An installation of its own, for a block of a test run."""
    folder = Path(tempfile.mkdtemp(prefix="shelfwise-house-"))
    folder.chmod(0o711)  # the servers' account passes through
    try:
        with ExitStack() as stack:
            yield _open(run, folder, stack)
    finally:
        shutil.rmtree(folder)


def _open(run: Run, folder: Path, stack: ExitStack) -> House:
    runner = stack.enter_context(asyncio.Runner())
    databases = fresh_databases(run)
    migrated = runner.run(databases.__aenter__())
    stack.callback(lambda: runner.run(databases.__aexit__(None, None, None)))
    valkey, redis_url = stack.enter_context(own_valkey(folder))
    servers = msgspec.structs.replace(migrated, redis_url=redis_url)
    started = [start(servers, folder) for start in (start_write_api, start_read_api, start_projector)]
    for one in started:
        stack.callback(one.end)
    runner.run(all_ready(started))
    write_api, read_api, projector = started
    return House(
        servers=servers, folder=folder, valkey=valkey, write_api=write_api, read_api=read_api, projector=projector
    )


def start_write_api(servers: Servers, folder: Path, *, port: int | None = None, **changes: str) -> Deployable:
    """As compose.yaml does; on this port, and with these variables changed, where any are given."""
    variables = {"WRITE_DATABASE_URL": servers.url_as(DatabaseRole.WRITE_API), **changes}
    return _start_api("write_side.app:app", servers, folder, variables, port=port)


def start_read_api(servers: Servers, folder: Path) -> Deployable:
    """As compose.yaml does; its login to the write database may ask for the head of a log and nothing else."""
    variables = {
        "READ_DATABASE_URL": servers.url_as(DatabaseRole.READ_API),
        "WRITE_DATABASE_URL": servers.url_as(DatabaseRole.READ_API, read=False),
    }
    return _start_api("read_side.app:app", servers, folder, variables)


def start_projector(servers: Servers, folder: Path) -> Deployable:
    """As compose.yaml does."""
    port = choose_port(None)
    variables = {
        "WRITE_DATABASE_URL": servers.url_as(DatabaseRole.PROJECTOR, read=False),
        "READ_DATABASE_URL": servers.url_as(DatabaseRole.PROJECTOR),
        "PROBE_PORT": f"{port}",
    }
    arguments = ("-m", "projections.worker")
    return _start("projector", arguments, port=port, servers=servers, folder=folder, variables=variables)


def start_reactions(servers: Servers, folder: Path) -> Deployable:
    """As compose.yaml does."""
    port = choose_port(None)
    variables = {
        "WRITE_DATABASE_URL": servers.url_as(DatabaseRole.REACTIONS),
        "READ_DATABASE_URL": servers.url_as(DatabaseRole.REACTIONS, read=True),
        "PROBE_PORT": f"{port}",
    }
    arguments = ("-m", "write_side.worker")
    return _start("reactions", arguments, port=port, servers=servers, folder=folder, variables=variables)


def _start_api(
    target: str, servers: Servers, folder: Path, variables: Mapping[str, str], *, port: int | None = None
) -> Deployable:
    port = port or choose_port(None)
    granian = ("-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", f"{port}", "--loop", "uvloop")
    name = target.partition(".")[0]
    arguments = (*granian, "--no-ws", "--log-level", "warning", target)
    return _start(name, arguments, port=port, servers=servers, folder=folder, variables=variables)


def _start(
    name: str, arguments: tuple[str, ...], *, port: int, servers: Servers, folder: Path, variables: Mapping[str, str]
) -> Deployable:
    own = {f"SHELFWISE_{variable}": value for variable, value in variables.items()}
    environment = {
        **{kept: os.environ[kept] for kept in ("PATH", "HOME", "COVERAGE_PROCESS_START") if kept in os.environ},
        **_ROOMY,
        **own,
        "SHELFWISE_REDIS_URL": servers.redis_url,
        "SHELFWISE_SECRET_KEY": servers.secret_key,
        "SHELFWISE_LOG_LEVEL": "debug",
        "SHELFWISE_LOG_FORMAT": "json",
    }
    log = folder / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            (sys.executable, *arguments),
            cwd=_PROJECT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # Tests run in the main thread, which lives as long as the run.
            preexec_fn=partial(die_with_parent, parent_pid=os.getpid()),  # noqa: PLW1509  # see above
        )
    return Deployable(name=name, process=process, port=port, log=log)


async def all_ready(started: Sequence[Deployable]) -> None:
    """Wait until each of them says so."""
    async with httpx.AsyncClient(timeout=30) as client:

        async def unready() -> dict[str, str]:
            return {one.name: _state(one) for one in started if not await _is_ready(client, one)}

        await eventually(unready, lambda left: not left, within_seconds=60)


async def _is_ready(client: httpx.AsyncClient, one: Deployable) -> bool:
    try:
        return (await client.get(f"{one.url}/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


def _state(one: Deployable) -> str:
    ended = one.process.poll()
    assert ended is None, f"{one.name} ended with {ended}:\n{one.log.read_text(errors='replace')[-2000:]}"
    return "not ready"
