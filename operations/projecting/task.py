"""A projector inside another command's process, for as long as nobody else projects."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from operations.in_house import pool_as
from operations.projecting.state import work
from operations.servers.installation import Installation
from projections.worker import ProjectorSettings, run_projector
from shared_kernel.database.roles import DatabaseRole, url_as

_STOP_SECONDS = 15.0


@asynccontextmanager
async def somebody_projects(installation: Installation) -> AsyncIterator[None]:
    """Have a projector at work for the block: the installation's own, or else one in this process."""
    async with pool_as(DatabaseRole.OPERATOR, installation, read=True, size=1) as read_pool:
        is_served = (await work(read_pool)).workers > 0
    if is_served:
        yield
        return
    projector = asyncio.create_task(run_projector(projector_settings(installation)), name="projector")
    block = asyncio.current_task()
    assert block is not None
    failed = False

    def end_block(ended: asyncio.Task[None]) -> None:
        nonlocal failed
        if not ended.cancelled():
            failed = True
            block.cancel()

    projector.add_done_callback(end_block)
    try:
        yield
    except asyncio.CancelledError:
        if failed:
            block.uncancel()
            projector.result()
        raise
    finally:
        projector.remove_done_callback(end_block)
        projector.cancel()
        await asyncio.wait({projector}, timeout=_STOP_SECONDS)


def projector_settings(installation: Installation) -> ProjectorSettings:
    """The projector's own view of an installation."""
    password = installation.role_passwords.of(DatabaseRole.PROJECTOR)
    return ProjectorSettings(
        write_database_url=url_as(DatabaseRole.PROJECTOR, installation.write_database_url, password),
        read_database_url=url_as(DatabaseRole.PROJECTOR, installation.read_database_url, password),
        redis_url=installation.redis_url,
        probe_port=0,
    )
