"""Keys are of one tenant, and no two things share one."""

from uuid import UUID

import pytest

from shared_kernel.redis.keys import TenantKeys

TENANT = UUID("01890000-0000-7000-8000-000000000001")
OTHER = UUID("01890000-0000-7000-8000-000000000002")


def every_key(tenant_id: UUID) -> list[str]:
    """One key of each kind."""
    keys = TenantKeys(tenant_id)
    return [
        keys.state_key(),
        keys.head_key(),
        keys.row_key(incarnation="i1", projection="order_list", version=2, build=7, row_key="a:b"),
        keys.row_key(incarnation="i1", projection="order_list", version=27, build=7, row_key="a:b"),
        keys.row_key(incarnation="i2", projection="order_list", version=2, build=7, row_key="a:b"),
        keys.response_key(b"\x01\xff"),
        keys.tenant_limit_key(),
        keys.principal_limit_key(TENANT),
        keys.principal_limit_key(OTHER),
    ]


def test_every_key_is_in_its_tenants_slot_and_names_one_thing() -> None:
    """The hash tag is the tenant, whatever a row's key looks like, and nothing collides between kinds or tenants."""
    keys = every_key(TENANT) + every_key(OTHER)
    assert len(set(keys)) == len(keys)
    for key in every_key(TENANT):
        assert key[key.index("{") + 1 : key.index("}")] == TENANT.hex
    row = TenantKeys(TENANT).row_key(incarnation="i", projection="p", version=1, build=1, row_key="{" + OTHER.hex + "}")
    assert row[row.index("{") + 1 : row.index("}")] == TENANT.hex


@pytest.mark.parametrize(("incarnation", "projection"), [("i:1", "p"), ("i", "p:1")])
def test_parts_that_would_run_into_each_other_are_refused(incarnation: str, projection: str) -> None:
    """Only the last part of a row's key is free text."""
    with pytest.raises(ValueError, match="colon"):
        TenantKeys(TENANT).row_key(incarnation=incarnation, projection=projection, version=1, build=1, row_key="r")
