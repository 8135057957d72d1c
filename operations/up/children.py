"""Child processes: started, restarted when they die, ended in order."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from operations.errors import CommandFailed

FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0
MAX_RESTARTS = 5
"""In a row: a process that dies sooner than it settles, six times, will not get better by itself."""
_SETTLED_SECONDS = 60.0
_END_SECONDS = 10.0
"""For a drain; then SIGKILL."""
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "COVERAGE_PROCESS_START")
"""Of our environment a child sees this much: another role's passwords are none of its business."""

log = structlog.get_logger()


class ChildSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What to run: a module of ours, and its `SHELFWISE_*` variables."""

    name: str
    module: str
    variables: Mapping[str, str]


class Child:
    """One process that is kept running."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self._process: asyncio.subprocess.Process | None = None
        self._ending = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._process is None else self._process.pid

    async def keep_running(self) -> None:
        """Start it, and start it again when it dies; returns once `end` was called.

        Raises:
            CommandFailed: it died too often.
        """
        loop = asyncio.get_running_loop()
        restarts = 0
        while not self._ending.is_set():  # bounded: MAX_RESTARTS in a row
            started_at = loop.time()
            self._process = await self._start()
            if self._ending.is_set():  # asked to while it was being started
                self._process.terminate()
            code = await self._process.wait()
            if self._ending.is_set():
                return
            restarts = 0 if loop.time() - started_at > _SETTLED_SECONDS else restarts + 1
            if restarts > MAX_RESTARTS:
                message = f"{self.spec.name} ended with {code} {restarts} times in a row: what it said stands above"
                raise CommandFailed(message)
            pause_seconds = min(_LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** max(0, restarts - 1))
            log.warning("child_restarts", child=self.spec.name, code=code, pause_seconds=pause_seconds)
            await asyncio.wait({asyncio.ensure_future(self._ending.wait())}, timeout=pause_seconds)

    async def end(self) -> None:
        """Let it drain and end; kill it when it does not in time."""
        self._ending.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_END_SECONDS):
                await process.wait()
        except TimeoutError:
            log.warning("child_killed", child=self.spec.name)
            process.kill()
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        own = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self.spec.module,
            env={**own, **self.spec.variables, "SHELFWISE_PARENT_PID": f"{os.getpid()}"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sys.stderr,  # stdout is for our own answer
            start_new_session=True,  # Ctrl-C in the terminal is for us, who end them in order
        )


async def end_in_order(children: Sequence[Sequence[Child]]) -> None:
    """End each group together, one group after the other."""
    for group in children:
        await asyncio.gather(*(child.end() for child in group))
