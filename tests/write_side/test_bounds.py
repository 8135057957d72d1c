"""What the command API refuses at its edges, and how long it keeps anybody waiting."""

import asyncpg
import httpx
import pytest

from tests.builders.write_api import EDITION, WriteApi, made, order, shelf
from tests.eventually import eventually


@pytest.mark.parametrize(
    "field",
    [
        {"published_on": "1813\n"},
        {"published_on": "-0750-01-28\n"},
        {"published_on": "-0000"},
        {"published_on": "-0750-02-31"},
        {"published_on": "0000-02-30"},
        {"published_on": "1900-02-29"},
        {"language": "en\n"},
        {"sku": "EMMA\n"},
    ],
)
async def test_what_only_looks_right_is_refused(write_api: WriteApi, field: dict[str, str]) -> None:
    """A line feed at the end, which Python's `$` passes over, and days that no year had, also before our era."""
    refused = made(await write_api.post("/editions", EDITION | {"sku": "EMMA"} | field), status=422)
    assert [(error["pointer"], error["code"]) for error in refused["errors"]] == [
        (f"/{next(iter(field))}", "wrong_format")
    ]


async def test_a_day_before_our_era_may_be_one(write_api: WriteApi) -> None:
    """0000 was a leap year."""
    for number, day in enumerate(("0000-02-29", "-0004-02-29", "-0750-12-31", "2024-02-29")):
        created = await write_api.post("/editions", EDITION | {"sku": f"{number}", "published_on": day})
        assert made(created)["published_on"] == day


async def test_who_waits_for_a_lock_is_answered_within_two_seconds(write_api: WriteApi) -> None:
    """503 with Retry-After; once the lock is gone the command ends, and a retry with its key learns how."""
    location, edition = await shelf(write_api)
    administrator = await asyncpg.connect(write_api.write_side.servers.write_admin_url)
    try:
        async with administrator.transaction():
            await administrator.execute("SELECT 1 FROM write.stock FOR UPDATE")
            refused = await write_api.post("/orders", order(location, (edition, 1)), key="k")
    finally:
        await administrator.close()
    assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (
        503,
        "outcome_unknown",
        "1",
    )
    assert refused.elapsed.total_seconds() < 10
    retried = await eventually(lambda: _placed(write_api, order(location, (edition, 1))))
    assert retried is not None
    assert retried.headers["Idempotent-Replayed"] == "true"


async def test_who_waits_to_be_known_is_answered_within_two_seconds(write_api: WriteApi) -> None:
    """A key that this process has not seen needs the database, which does not answer."""
    administrator = await asyncpg.connect(write_api.write_side.servers.write_admin_url)
    try:
        async with administrator.transaction():
            await administrator.execute("LOCK TABLE access.api_key IN ACCESS EXCLUSIVE MODE")
            refused = await write_api.post("/locations", {"name": "Main street", "kind": "shop"})
    finally:
        await administrator.close()
    assert (refused.status_code, refused.json()["code"], refused.headers["Retry-After"]) == (
        503,
        "database_unavailable",
        "1",
    )
    assert refused.elapsed.total_seconds() < 10
    made(await write_api.post("/locations", {"name": "Main street", "kind": "shop"}))


async def _placed(write_api: WriteApi, body: dict[str, object]) -> httpx.Response | None:
    """None while the first request is still being decided."""
    answer = await write_api.post("/orders", body, key="k")
    return answer if answer.status_code == 201 else None
