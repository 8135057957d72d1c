"""The demo's keys: handed out once, kept for their owner alone."""

import stat
from pathlib import Path

from operations.demo.keys import KEYS_FILE, key_of
from shared_kernel.access.api_keys import hash_api_key
from tests.operations.installed import opened_house
from tests.servers import Servers
from write_side.tenants.administration import revoke_key

_ID = "SELECT key_id FROM access.api_key WHERE key_hash = $1"


async def test_a_key_is_kept_in_a_folder_that_nobody_has_made(servers: Servers, tmp_path: Path) -> None:
    """On servers of one's own `up --demo` is the first to write there; the next run shows the same key."""
    folder = tmp_path / "not" / "made"
    async with opened_house(servers, tmp_path) as (house, tenant):
        key = await key_of(house, tenant, folder)
        assert stat.S_IMODE((folder / KEYS_FILE).stat().st_mode) == 0o600
        assert await key_of(house, tenant, folder) == key


async def test_a_revoked_key_is_replaced(servers: Servers, tmp_path: Path) -> None:
    """What is in the file is shown only while it opens the store."""
    async with opened_house(servers, tmp_path) as (house, tenant):
        key = await key_of(house, tenant, tmp_path)
        key_id = await house.operator_pool.fetchval(_ID, hash_api_key(key, house.secret_key))
        await revoke_key(house.execution, tenant, key_id, revocations=house.revocations, actor="test")
        assert await key_of(house, tenant, tmp_path) != key
