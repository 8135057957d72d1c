"""Every route of the contract with a key of every role, and with none: allowed or refused exactly as declared."""

from functools import partial

import pytest

from shared_kernel.access.api_keys import new_api_key
from shared_kernel.access.roles import Role
from tests.contract.document import OPERATIONS
from tests.eventually import eventually
from tests.system.requests_from_contract import asked, ids_of
from tests.system.shops import Visitor, inside

_ROLES = (Role.OWNER, Role.MANAGER, Role.CLERK, Role.ANALYST)


def test_every_role_of_a_store_is_told_apart() -> None:
    """By what the contract lets it do; otherwise the test below would show little."""
    allowed = {role: frozenset(o.name for o in OPERATIONS if role in o.described["x-roles"]) for role in _ROLES}

    assert allowed[Role.ANALYST] < allowed[Role.OWNER]
    assert allowed[Role.CLERK] < allowed[Role.OWNER]
    assert len({*allowed.values()}) >= 3


async def test_every_route_asks_for_the_declared_role(shop: Visitor) -> None:
    """403 `forbidden` for the others, and for those who may, anything but that."""
    ids = await ids_of(shop)
    keys = {}
    async with inside(shop.house.servers) as administration:
        for role in _ROLES:
            keys[role] = (await administration.issue_key(shop.tenant, role)).key
    for key in keys.values():
        visitor = shop.with_key(key)
        await eventually(partial(visitor.get, "/store"), lambda answer: answer.status_code == 200)

    faults = []
    for operation in OPERATIONS:
        for role, key in keys.items():
            answer = await asked(operation, ids).send(shop, key=key)
            if role in operation.described["x-roles"]:
                is_as_declared = answer.status_code < 500 and answer.status_code not in {401, 403, 404, 405, 422}
            else:
                is_as_declared = answer.status_code == 403 and answer.json()["code"] == "forbidden"
            if not is_as_declared:
                faults.append((operation.name, role, answer.status_code, answer.text))

    assert not faults


@pytest.mark.parametrize("key", [None, "nonsense", "unknown", "mangled"])
async def test_every_route_asks_for_a_key(shop: Visitor, key: str | None) -> None:
    """401, never saying which part was wrong, and saying it before anything else."""
    ids = await ids_of(shop)
    sent = {"unknown": new_api_key(), "mangled": shop.key[:-1] + ("a" if shop.key[-1] != "a" else "b")}
    bodies = set()
    for operation in OPERATIONS:
        answer = await asked(operation, ids).send(shop, key=sent.get(key, key) if key else None)
        assert answer.status_code == 401, operation.name
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        problem = answer.json()
        bodies.add((problem["code"], problem["title"], problem["detail"]))

    assert len(bodies) == 1
