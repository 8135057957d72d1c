"""One request can be followed through all processes by its id, and no log line holds what it should not."""

import json
import re
from collections.abc import Iterator
from typing import Any

from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id
from tests.eventually import eventually
from tests.system.house import House
from tests.system.shops import Visitor, good, inside, order, position

_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_PERSONAL = "Mrs. Bennet of Longbourn, 07700 900123"


async def test_a_request_is_followed_from_http_through_the_projector(shop: Visitor) -> None:
    """By its id, with tenant, actor and position."""
    location_id, edition_id = await shop.shelf()
    request_id = f"req-{new_id()}"
    headers = {"X-Request-Id": request_id, "traceparent": _TRACE}

    placed = await shop.post("/orders", order(location_id, (edition_id, 1)), headers=headers)
    at = position(placed)
    shown = await shop.get(f"/orders/{good(placed)['id']}", at=at, headers={"X-Request-Id": request_id})

    assert placed.headers["X-Request-Id"] == shown.headers["X-Request-Id"] == request_id
    expected = {"write_side", "read_side", "projector"}
    lines = await eventually(lambda: _lines_of(shop.house, request_id), lambda found: set(found) == expected)
    for name, line in lines.items():
        assert line["tenant"] == str(shop.tenant.id), name
        assert line["actor"], name
        assert int(line["position"]) >= at, name
    assert lines["write_side"]["actor"] == lines["read_side"]["actor"] == lines["projector"]["actor"]
    assert lines["write_side"]["status"] == 201
    assert lines["read_side"]["route"].endswith("/orders/{order_id}")


async def test_no_log_line_holds_a_key_a_secret_or_what_people_wrote(shop: Visitor) -> None:
    """Neither when all goes well nor when clients err; and every line of ours is JSON."""
    location_id, edition_id = await shop.shelf()
    placed = await shop.post("/orders", order(location_id, (edition_id, 1)))
    await shop.post(f"/orders/{good(placed)['id']}/cancellation", {"reason": _PERSONAL})
    await shop.post("/locations", {"name": _PERSONAL, "kind": "castle"})
    await shop.post("/editions", {"title": _PERSONAL, "surprise": _PERSONAL})
    await shop.get(f"/editions?q={_PERSONAL}")
    await shop.get(f"/editions?api_key={shop.key}&password=hunter2")
    await shop.with_key(shop.key[:-1]).get("/store")
    async with inside(shop.house.servers) as administration:
        issued = await administration.issue_key(shop.tenant)
        await administration.revoke_key(shop.tenant, issued)
    last = f"req-{new_id()}"
    await shop.get("/store", headers={"X-Request-Id": last})
    await eventually(lambda: _lines_of(shop.house, last), bool)

    logs = shop.house.logs()

    servers = shop.house.servers
    secrets = {
        *(servers.role_passwords.of(role) for role in DatabaseRole),
        servers.secret_key,
        shop.key,
        issued.key,
        "hunter2",
        "Bennet",
        "07700",
    }
    for name, text in logs.items():
        assert not [secret for secret in secrets if secret in text], name
        assert not re.search(r"sw_(live|test)_[0-9A-Za-z]{8}", text), name
        assert not re.search(r"Authorization|Bearer [^\[\"]", text), name
        assert "Traceback" not in text, name
        assert all(_is_json(line) for line in text.splitlines() if line), name


async def _lines_of(house: House, request_id: str) -> dict[str, dict[str, Any]]:
    """The last line of each process about a request, by the process's name."""
    return {name: line for name, text in house.logs().items() for line in _parsed(text, request_id)}


def _parsed(text: str, request_id: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if request_id in line:
            yield json.loads(line)


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
