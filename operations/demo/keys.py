"""The demo's keys, kept in the data folder for its owner alone: `up` is run again, and a key is shown once."""

from pathlib import Path
from uuid import UUID

import msgspec

from operations.demo.kept import keep, kept
from operations.in_house import InHouse
from shared_kernel.access.api_keys import hash_api_key
from shared_kernel.access.roles import Role
from shared_kernel.tenancy import Tenant
from write_side.tenants.administration import issue_key
from write_side.tenants.commands import IssueKey

KEYS_FILE = "demo-keys.json"
ACTOR = "demo"
_IS_VALID = """
SELECT EXISTS (SELECT FROM access.api_key WHERE tenant_id = $1 AND key_hash = $2 AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > clock_timestamp()))
"""


class DemoStore(msgspec.Struct, frozen=True, kw_only=True):
    """A demo store, with its owner's key and what an order to try needs."""

    slug: str
    name: str
    currency: str
    key: str
    location_id: UUID
    edition_id: UUID


async def key_of(house: InHouse, tenant: Tenant, data_dir: Path) -> str:
    """The key handed out earlier, where it is still known and still opens the store; else a new one."""
    path = data_dir / KEYS_FILE
    known = kept(path, dict[str, str]) or {}
    key = known.get(tenant.slug)
    if key is not None and await house.operator_pool.fetchval(
        _IS_VALID, tenant.id, hash_api_key(key, house.secret_key)
    ):
        return key
    wanted = IssueKey(name="demo", role=Role.OWNER, live=False)
    issued = await issue_key(house.execution, tenant, wanted, secret_key=house.secret_key, actor=ACTOR)
    keep(path, {**known, tenant.slug: issued.key})
    return issued.key
