"""Which pages a browser lets read answers."""

from tests.shared_kernel.http.small_store import ORIGIN, SmallStore, a_sale


async def test_a_preflight_is_answered_for_origins_some_store_lists(store: SmallStore) -> None:
    """Before authentication, which browsers do not send with it."""
    store.key(allowed_origins=(ORIGIN,))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,if-match"}
    async with store.client() as client:
        known = await client.options("/sales", headers={**asked, "Origin": ORIGIN})
        unknown = await client.options("/sales", headers={**asked, "Origin": "https://evil.example"})
    assert known.status_code == unknown.status_code == 204
    assert known.headers["access-control-allow-origin"] == ORIGIN
    assert {"If-Match", "Last-Event-ID"} <= set(known.headers["access-control-allow-headers"].split(", "))
    assert "access-control-allow-origin" not in unknown.headers
    assert known.headers["vary"] == unknown.headers["vary"] == "Origin"


async def test_an_answer_may_be_read_by_origins_its_own_store_lists(store: SmallStore) -> None:
    """Another store's list opens nothing."""
    mine, theirs = store.key(allowed_origins=(ORIGIN,)), store.key()
    async with store.client() as client:
        headers = {"Origin": ORIGIN, "Idempotency-Key": "1"}
        good = await client.post("/sales", json=a_sale(), headers={**headers, "Authorization": f"Bearer {mine}"})
        other = await client.post("/sales", json=a_sale(), headers={**headers, "Authorization": f"Bearer {theirs}"})
        nobody = await client.get("/seen", headers=headers)
    assert good.headers["access-control-allow-origin"] == ORIGIN
    for name in ("ETag", "Location", "Link", "Retry-After", "RateLimit", "ShelfWise-Position", "Idempotent-Replayed"):
        assert name in good.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in other.headers
    assert "access-control-allow-origin" not in nobody.headers
    assert good.headers["vary"] == other.headers["vary"] == nobody.headers["vary"] == "Origin"
