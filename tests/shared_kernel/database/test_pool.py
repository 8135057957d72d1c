"""A pool ends, whatever its database does."""

import pytest

from shared_kernel.database.pool import PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole
from tests.read_side.query_execution.proxy import proxy_to
from tests.servers import Servers


async def test_a_pool_whose_database_hangs_is_cut_off(servers: Servers, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an error, long before its commands would be given up, and it is said."""
    url = servers.url_as(DatabaseRole.READ_API)
    patient = PoolSettings(application_name="patient", command_timeout_seconds=3600)
    async with proxy_to(url) as door, build_pool(door.url(url), patient) as pool:
        assert await pool.fetchval("SELECT 1") == 1
        door.hold()
    assert "pool_cut_off" in capsys.readouterr().out
