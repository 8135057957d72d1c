"""Verifications asked for by HTTP: each in a process of its own, so that folding a log slows no answer down.

How far one is stands in the write database, where every process of this deployable finds it.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog

from shared_kernel.database.pool import Pool
from shared_kernel.errors import NotFoundError, UnavailableError

_MAX_RUNNING: Final = 2
"""Of this process: each is a core's work."""
_LOST_SECONDS: Final = 30.0
"""A running one says so every second; silent for this long its process has died."""
_END_SECONDS: Final = 5.0
_MAX_LISTED: Final = 20

_START = """
INSERT INTO operations.verification (id, name, version, only_tenant, requested_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
_SELECT = """
SELECT id, name, version, only_tenant, requested_by, requested_at, finished_at, events_done, events,
    finding::text AS finding, error,
    CASE WHEN state = 'running' AND seen_at < clock_timestamp() - make_interval(secs => $1) THEN 'lost' ELSE state END
        AS state
FROM operations.verification
"""
_ONE = f"{_SELECT} WHERE id = $2"
_RECENT = f"{_SELECT} ORDER BY requested_at DESC LIMIT $2"

log = structlog.get_logger(component="verifying")


class UnknownVerification(NotFoundError):
    """Nobody asked for that (404)."""

    code = "unknown_verification"


class TooManyVerifications(UnavailableError):
    """As many run as this process has cores for (503)."""

    code = "too_many_verifications"


class VerificationStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One verification.

    Attributes:
        state: `running`, `done`, `failed`, or `lost` with the process that ran it: ask again.
        events_done: events folded, of `events`.
        finding: what `verify` found, once done.
    """

    id: UUID
    name: str
    version: int
    only_tenant: UUID | None
    state: str
    events_done: int
    events: int | None
    finding: Any  # a Verification, as its process encoded it
    error: str | None
    requested_by: str
    requested_at: datetime
    finished_at: datetime | None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to verify, for whom."""

    id: UUID
    name: str
    version: int
    only_tenant: UUID | None
    requested_by: str


class VerificationJobs:
    """Starts verifications and sees them to their end."""

    def __init__(self, write_pool: Pool, *, variables: Mapping[str, str]) -> None:
        """Start processes with these SHELFWISE_* variables, which say where the servers are."""
        self._write_pool = write_pool
        self._variables = variables
        self._running: dict[UUID, asyncio.Task[None]] = {}

    async def start(self, job: Job) -> None:
        """Record it and begin; under one id, twice is once.

        Raises:
            TooManyVerifications: enough are running.
        """
        if job.id in self._running:
            return
        if len(self._running) >= _MAX_RUNNING:
            message = "two verifications are running; try again when one is done"
            raise TooManyVerifications(message, retry_after_seconds=5)
        await self._write_pool.execute(_START, *msgspec.structs.astuple(job))
        task = asyncio.create_task(self._run(job.id), name=f"verification {job.id}")
        self._running[job.id] = task
        task.add_done_callback(lambda _: self._running.pop(job.id, None))

    async def status(self, job_id: UUID) -> VerificationStatus:
        """How far it is.

        Raises:
            UnknownVerification: there is none with this id.
        """
        row = await self._write_pool.fetchrow(_ONE, _LOST_SECONDS, job_id)
        if row is None:
            raise UnknownVerification(f"there is no verification {job_id}")
        return _status(dict(row))

    async def recent(self) -> tuple[VerificationStatus, ...]:
        """The newest first."""
        rows = await self._write_pool.fetch(_RECENT, _LOST_SECONDS, _MAX_LISTED)
        return tuple(_status(dict(row)) for row in rows)

    async def aclose(self) -> None:
        """End what is running; its rows will say that it was lost."""
        for task in self._running.values():
            task.cancel()
        if self._running:
            await asyncio.wait({*self._running.values()}, timeout=_END_SECONDS)

    async def _run(self, job_id: UUID) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "operations.api.verifier",
            stdin=asyncio.subprocess.DEVNULL,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "PYTHONPATH": os.pathsep.join(sys.path),
                **self._variables,
                "SHELFWISE_VERIFICATION_ID": f"{job_id}",
                "SHELFWISE_PARENT_PID": f"{os.getpid()}",
            },
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            raise
        log.info("verification_ended", verification=f"{job_id}", code=code)


def _status(row: dict[str, Any]) -> VerificationStatus:  # Any: a record's columns
    finding = row.pop("finding")
    return VerificationStatus(finding=None if finding is None else msgspec.json.decode(finding), **row)
