"""A key opens both sides soon after it is issued, and neither soon after it is revoked."""

import httpx

from shared_kernel.access.roles import Role
from tests.eventually import eventually
from tests.system.shops import Visitor, inside, order

_ISSUED_WITHIN_SECONDS = 5.0
_REVOKED_WITHIN_SECONDS = 2.0
"""With Redis there, which tells every process at once; without it, what they remember ends within seconds."""


async def test_a_key_is_known_and_forgotten_on_both_sides(shop: Visitor) -> None:
    """Of a store that goes on with its other key."""
    location_id, edition_id = await shop.shelf()
    wanted = order(location_id, (edition_id, 1))
    async with inside(shop.house.servers) as administration:
        issued = await administration.issue_key(shop.tenant, Role.CLERK)
        clerk = shop.with_key(issued.key)

        assert (await clerk.post("/orders", wanted)).status_code == 201
        await eventually(
            lambda: clerk.get("/orders"),
            lambda answer: answer.status_code == 200,
            within_seconds=_ISSUED_WITHIN_SECONDS,
        )
        assert (await clerk.ask("/store"))["role"] == "clerk"

        await administration.revoke_key(shop.tenant, issued)

    for ask in (lambda: clerk.get("/orders"), lambda: clerk.post("/orders", wanted)):
        refused = await eventually(
            ask, lambda answer: answer.status_code == 401, within_seconds=_REVOKED_WITHIN_SECONDS
        )
        assert refused.json()["code"] == "unauthenticated"
    assert (await shop.post("/orders", wanted)).status_code == 201
    assert (await shop.get("/orders")).status_code == 200


def _is_good(answer: httpx.Response) -> bool:
    return answer.status_code == 200
