"""Headers that contradict themselves, or hold what belongs elsewhere."""

import pytest

from shared_kernel.access.api_keys import new_api_key
from tests.shared_kernel.http.small_store import SmallStore, assert_problem


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
    """Whether asked for, without a key, or told with a 405."""
    async with store.client() as client:
        asked = await client.options("/seen")
        told = await client.delete("/seen")
        nothing_to_get = await client.options("/sales")
    assert asked.headers["allow"] == told.headers["allow"] == "GET, HEAD, OPTIONS"
    assert nothing_to_get.headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("text/html, application/*;q=0.5", 200),
        ("*/*", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/json; q=0.0, text/csv", 406),
    ],
)
async def test_who_accepts_no_json_gets_a_406(store: SmallStore, accept: str, status: int) -> None:
    """Without `Accept` anything is acceptable."""
    async with store.client(store.key()) as client:
        response = await client.get("/seen", headers={"Accept": accept})
    assert response.status_code == status
    if status != 200:
        assert_problem(response, 406, "not_acceptable")
