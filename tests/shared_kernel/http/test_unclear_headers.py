"""Headers that contradict themselves, or hold what belongs elsewhere."""

import pytest

from shared_kernel.access.api_keys import new_api_key
from tests.shared_kernel.http.small_store import SmallStore


async def test_two_keys_are_none(store: SmallStore) -> None:
    """Whoever stands before us may have looked at the other one."""
    both = [("Authorization", f"Bearer {store.key()}"), ("Authorization", f"Bearer {store.key()}")]
    async with store.client() as client:
        assert (await client.get("/seen", headers=both[:1])).status_code == 200
        assert (await client.get("/seen", headers=both)).status_code == 401


async def test_a_key_is_no_request_id(store: SmallStore) -> None:
    """It would be kept in logs and in events."""
    key = new_api_key()
    async with store.client(store.key()) as client:
        response = await client.get("/seen", headers={"X-Request-Id": f"try-{key}"})
    assert key not in response.text
    assert key not in response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json;q=0, */*", 406),
        ("*/*, application/json;q=0", 406),
        ("*/*;q=0, application/json", 200),
        ("application/*;q=0, */*;q=1", 406),
    ],
)
async def test_the_most_specific_range_of_accept_decides(store: SmallStore, accept: str, status: int) -> None:
    """RFC 9110, section 12.5.1."""
    async with store.client(store.key()) as client:
        assert (await client.get("/seen", headers={"Accept": accept})).status_code == status


async def test_where_get_is_allowed_head_is(store: SmallStore) -> None:
    """Whether asked for, or told with a 405."""
    async with store.client() as client:
        asked = await client.options("/seen")
        told = await client.delete("/seen")
    assert asked.headers["allow"] == told.headers["allow"] == "GET, HEAD, OPTIONS"
