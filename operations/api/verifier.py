"""One verification, in a process of its own: `python -m operations.api.verifier`, as the operators' API starts it."""

import asyncio
import os
from contextlib import suppress
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from operations.api.installation import OperatorLogins, installation_of
from operations.projecting.verifying import verify_projection
from operations.servers.installation import Installation
from shared_kernel.database.pool import Connection
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.observability.logging import configure_logging
from shared_kernel.process import collect_rarely, die_with_parent
from shared_kernel.settings import read_settings

_SAY_SECONDS: Final = 1.0

_TASK = "SELECT name, only_tenant FROM operations.verification WHERE id = $1"
_SAY = """
UPDATE operations.verification SET seen_at = clock_timestamp(), events_done = $2, events = $3 WHERE id = $1
"""
_DONE = """
UPDATE operations.verification SET state = 'done', finding = $2::jsonb, finished_at = clock_timestamp() WHERE id = $1
"""
_FAILED = """
UPDATE operations.verification SET state = 'failed', error = $2, finished_at = clock_timestamp() WHERE id = $1
"""


class VerifierSettings(OperatorLogins, frozen=True, kw_only=True):
    """What this process reads from `SHELFWISE_*`."""

    verification_id: UUID
    parent_pid: int


async def verify(settings: VerifierSettings) -> None:
    """Do it, saying every second how far it is."""
    installation = installation_of(settings)
    connection = await asyncpg.connect(settings.write_database_url, timeout=10, command_timeout=30)
    try:
        task = await connection.fetchrow(_TASK, settings.verification_id)
        assert task is not None, "the row is there before the process"
        try:
            finding = await _told(connection, settings.verification_id, installation, task)
        except Exception as error:
            # Its name only: what a database says may repeat a row.
            await connection.execute(_FAILED, settings.verification_id, type(error).__name__)
            raise
        await connection.execute(_DONE, settings.verification_id, finding)
    finally:
        await connection.close(timeout=5)


async def _told(connection: Connection, job_id: UUID, installation: Installation, task: asyncpg.Record) -> str:
    progress: tuple[int, int | None] = (0, None)

    def on_events(done: int, of: int) -> None:
        nonlocal progress
        progress = (done, of)

    async def keep_saying() -> None:
        while True:
            await connection.execute(_SAY, job_id, *progress)
            await asyncio.sleep(_SAY_SECONDS)

    saying = asyncio.create_task(keep_saying())
    try:
        found = await verify_projection(
            installation, task["name"], tenant_id=task["only_tenant"], on_events=on_events, role=DatabaseRole.OPERATOR
        )
    finally:
        saying.cancel()
        with suppress(asyncio.CancelledError):
            await saying
    await connection.execute(_SAY, job_id, *progress)
    return msgspec.json.encode(found).decode()


def main() -> None:
    """The process's entry."""
    settings = read_settings(VerifierSettings, os.environ)
    configure_logging(level=settings.log_level, log_format=settings.log_format)
    die_with_parent(parent_pid=settings.parent_pid)
    collect_rarely()
    asyncio.run(verify(settings))


if __name__ == "__main__":
    main()
