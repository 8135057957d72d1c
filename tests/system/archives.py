"""Two stores' logs, half of which is old: what the archiver's tests begin with."""

import random
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from operations.archiving.steps import ArchiveStep
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.log.archive import reading
from shared_kernel.log.reader import StoredEvent, Want, fetch
from tests.builders.projecting import projected, running_projector
from tests.servers import Servers
from tests.system.dying_archiver import Errand
from tests.system.killing import GrowingStores

TENANTS: Final = tuple(UUID(int=(number << 120) + number) for number in (1, 2))
EVENTS: Final = 60
_HOURLY = "UPDATE log.event SET recorded_at = '2026-01-01'::timestamptz + position * interval '1 hour'"
_HALF = "SELECT recorded_at FROM log.event WHERE tenant_id = $1 AND position = $2"


class Connected:
    """A connection to a URL, for as long as a block."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None

    async def __aenter__(self) -> asyncpg.Connection:
        self._connection = await asyncpg.connect(self._url)
        return self._connection

    async def __aexit__(self, *_error: object) -> None:
        assert self._connection is not None
        await self._connection.close()


class ArchivedLogs:
    """Two stores whose first half is to be archived."""

    def __init__(self, servers: Servers, url: str, stores: GrowingStores, before: datetime) -> None:
        self.servers = servers
        self.url = url
        self.stores = stores
        self.errand = Errand(
            write_url=servers.url_as(DatabaseRole.OPERATOR),
            read_url=servers.url_as(DatabaseRole.OPERATOR, read=True),
            archive_url=url,
            before=before,
            events_per_file=9,
            deaths=tuple(ArchiveStep),
        )

    async def stream(self, *, limit: int = 1_000) -> list[StoredEvent]:
        """Both logs, as a projector reads them."""
        async with self.log() as connection:
            return await fetch(connection, [Want(tenant_id=one, after=0, limit=limit) for one in TENANTS])

    def log(self) -> Connected:
        """The log, as a projector."""
        return Connected(self.servers.url_as(DatabaseRole.PROJECTOR, read=False))

    async def ask(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """As the administrator."""
        async with Connected(self.servers.write_admin_url) as connection:
            found: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return found

    async def in_table(self) -> int:
        """How many of the first half of the logs are still in the table."""
        found = await self.ask("SELECT count(*) FROM log.event WHERE position < $1", EVENTS // 2)
        return int(found[0][0])


async def projected_logs(servers: Servers, url: str) -> ArchivedLogs:
    """Projected, so that nothing holds an archiver back.

    Args:
        servers: fresh ones.
        url: where the archive is to be.
    """
    stores = GrowingStores(servers, TENANTS, random.Random(8))  # noqa: S311 - a test's choice
    await stores.grow(EVENTS)
    async with Connected(servers.write_admin_url) as connection:
        await connection.execute(_HOURLY)
    async with running_projector(servers):
        await projected(servers)
    async with Connected(servers.write_admin_url) as connection:
        half: datetime = await connection.fetchval(_HALF, TENANTS[0], EVENTS // 2 + 1)
    reading._kept.clear()  # noqa: SLF001 - what another test read of other files
    return ArchivedLogs(servers, url, stores, half)
