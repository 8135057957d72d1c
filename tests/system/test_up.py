"""`shelfwise up` from outside: one port, children that come back, and nothing left behind."""

import datetime as dt
import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg

from tests.command_line import CommandLine, Up, children_of, on_servers, wait_until_gone
from tests.eventually import eventually
from tests.servers import Servers

_STORE = ("tenants", "create", "Harbour Books", "--slug", "harbour", "--currency", "GBP", "--timezone", "Europe/London")


def _ask(up: Up, path: str, *, key: str | None = None, body: object = None, **headers: str) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    fields = {"Content-Type": "application/json", "Idempotency-Key": path, **headers}
    if key is not None:
        fields["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(up.url + path, data=data, headers=fields)  # noqa: S310 - http, to ourselves
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - the same
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@contextmanager
def _listening(up: Up, path: str, key: str) -> Iterator[HTTPResponse]:
    request = urllib.request.Request(up.url + path, headers={"Authorization": f"Bearer {key}"})  # noqa: S310 - as above
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - as above
        yield response


async def _is_ready(up: Up) -> bool:
    try:
        return _ask(up, "/health/ready")[0] == 200
    except OSError:
        return False


def test_both_sides_answer_on_one_port_and_end_with_ctrl_c(servers: Servers, tmp_path: Path) -> None:
    """A command's effect is read back at its position; SIGINT ends every process, with exit code 0."""
    shelfwise = on_servers(servers, tmp_path)
    with shelfwise.up("--workers", "2") as up:
        assert _ask(up, "/health/ready")[0] == 200
        shelfwise.answer(*_STORE)
        key = shelfwise.answer("keys", "create", "--tenant", "harbour", "--role", "owner")["key"]
        status, placed = _ask(up, "/api/v1/locations", key=key, body={"name": "Quay", "kind": "shop"})
        assert (status, placed["success"]) == (201, True)
        own = {"url": "http://127.0.0.1:9/hooks"}
        assert _ask(up, "/api/v1/webhooks", key=key, body=own)[0] == 422, (
            "only the demo tells receivers on this machine"
        )
        fresh = {"ShelfWise-Min-Position": f"{_positions(shelfwise)['head']}", "Prefer": "wait=10"}
        status, listed = _ask(up, "/api/v1/locations", key=key, **fresh)
        assert (status, [one["name"] for one in listed["data"]]) == (200, ["Quay"])
        assert {one["ok"] for one in shelfwise.answer("doctor")["checks"]} == {True}
        family = children_of(up.process.pid)
        assert len(family) == 5, "API, two projectors, reactions, sandbox provider"
        with _listening(up, "/api/v1/live?views=locations", key) as stream:
            assert stream.readline() == b"retry: 2000\n"
            assert up.end() == 0
            assert b'event: end\ndata: {"reason":"shutdown"}' in stream.read(), "it keeps nobody waiting"
        wait_until_gone(family)


def _positions(shelfwise: CommandLine) -> Any:  # noqa: ANN401 - decoded JSON
    (status,) = shelfwise.answer("projections", "status", "locations", "--tenant", "harbour")["projections"]
    return status


async def test_a_projection_is_seen_rebuilt_and_verified(servers: Servers, tmp_path: Path) -> None:
    """A row that was tampered with is found, with what it should be; a rebuild makes it right again."""
    shelfwise = on_servers(servers, tmp_path)
    shelfwise.answer(*_STORE)
    # Nobody projects: the command runs a projector itself for as long as it takes.
    built = shelfwise.answer("projections", "rebuild", "store")
    assert (built["name"], built["identical"], built["events"]) == ("store", True, 1)
    assert built["to_build"] > built["from_build"]
    (status,) = shelfwise.answer("projections", "status", "store")["projections"]
    assert (status["state"], status["tenants"], status["rows"], status["lag_events"]) == ("current", 1, 1, 0)
    connection = await asyncpg.connect(servers.read_admin_url)
    await connection.execute("UPDATE read.store__v1 SET name = 'Somebody else'")
    await connection.close()
    tampered = shelfwise.run("projections", "verify", "store", "--json")
    assert tampered.code == 1
    difference = next(one for one in tampered.answer["differences"] if one["column"] == "name")
    assert (difference["table"], difference["fold"]) == ("Somebody else", "Harbour Books")
    assert shelfwise.answer("projections", "rebuild", "store", "--tenant", "harbour")["identical"]
    assert shelfwise.answer("projections", "verify", "store")["identical"]


async def test_a_killed_child_comes_back(servers: Servers, tmp_path: Path) -> None:
    """Kill -9 of the API, of both workers and of the sandbox provider: ready again, with other processes."""
    shelfwise = on_servers(servers, tmp_path)
    with shelfwise.up() as up:
        before = children_of(up.process.pid)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until_gone(before)

        async def seen() -> bool:
            return len(set(children_of(up.process.pid)) - set(before)) == len(before) and await _is_ready(up)

        await eventually(seen, within_seconds=60)


def test_kill_9_leaves_no_process_behind(reachable_folder: Path) -> None:
    """The API, both workers, the sandbox provider, PostgreSQL and Valkey all end when `up` is gone without a word."""
    shelfwise = CommandLine(reachable_folder / "data", {})
    with shelfwise.up() as up:
        ours = [up.process.pid, *children_of(up.process.pid)]
        keeper = _keeper_of(reachable_folder)
        keepers_servers = children_of(keeper)
        assert (len(ours), len(keepers_servers)) == (5, 2)
        family = [*ours, keeper, *keepers_servers]
        os.kill(up.process.pid, signal.SIGKILL)
        wait_until_gone(family, within_seconds=60)
        assert not _in_folder(reachable_folder)


def _in_folder(folder: Path) -> list[int]:
    """Every process whose command line names a folder: its PostgreSQL's does."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue  # it ended while we looked
            if os.fsencode(folder) in arguments:
                found.append(int(entry.name))
    return found


def _keeper_of(folder: Path) -> int:
    """Who started the PostgreSQL of a folder; for a moment its own children still bear its command line."""
    found = _in_folder(folder)
    parents = {_parent_of(pid) for pid in found if Path(f"/proc/{pid}").exists()}
    (keeper,) = parents - set(found)
    return keeper


def _parent_of(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1])


def test_a_taken_port_is_told_in_a_sentence(servers: Servers, tmp_path: Path) -> None:
    """Exit 1, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = on_servers(servers, tmp_path).run("up", "--port", f"{port}")
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr == f"shelfwise: port {port} is taken: end what listens there, or choose another with --port\n"


async def test_the_demo_shows_ninety_days_and_goes_on(servers: Servers, tmp_path: Path) -> None:
    """Two stores with figures to look at and orders coming in; again: the same keys, and no second history."""
    shelfwise = on_servers(servers, tmp_path)
    with shelfwise.up("--demo") as up:
        stores = up.answer["stores"]
        assert [store["slug"] for store in stores] == ["harbour-books", "librairie-du-port"]
        for store in stores:
            status, figures = _ask(up, "/api/v1/kpis?period=30d&compare=previous", key=store["key"])
            assert status == 200
            revenue = figures["data"]["revenue"]
            assert revenue["current"]["amount_minor"] > 0 < revenue["previous"]["amount_minor"]
            assert revenue["current"]["currency"] == store["currency"]
        sold = _sold_before_today(up, stores[0]["key"])
        before = await _orders(up, stores[0]["key"])
        await eventually(lambda: _orders(up, stores[0]["key"]), lambda orders: orders > before, within_seconds=60)
        await eventually(lambda: _captured_of_a_customer(up, stores[0]["key"]), within_seconds=120)
        for store in stores:
            await eventually(partial(_delivered, up, store), within_seconds=60)
        assert up.end() == 0
    with shelfwise.up("--demo") as up:
        assert up.answer["stores"] == stores
        for store in stores:
            assert len(_ask(up, "/api/v1/webhooks", key=store["key"])[1]["data"]) == 1
        assert _sold_before_today(up, stores[0]["key"]) == sold


async def _orders(up: Up, key: str) -> int:
    _, counts = _ask(up, "/api/v1/store-counts", key=key)
    return int(counts["data"]["orders"]["total"])


async def _captured_of_a_customer(up: Up, key: str) -> bool:
    """Whether the sandbox provider has been asked for money, and whose it was can be seen."""
    _, payments = _ask(up, "/api/v1/payments?status=captured", key=key)
    _, customers = _ask(up, "/api/v1/customers", key=key)
    return bool(payments["data"] and customers["data"])


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as response:  # noqa: S310 - http, to ourselves
        return str(response.read(), "utf-8")


async def _delivered(up: Up, store: Mapping[str, str]) -> bool:
    """Whether something was delivered, and the receiver shows it as genuine."""
    _, delivered = _ask(up, "/api/v1/webhook-deliveries?status=delivered", key=store["key"])
    shown = _page(up.answer["webhooks"])
    return any(one["message_id"] in shown for one in delivered["data"])


def _sold_before_today(up: Up, key: str) -> Any:  # noqa: ANN401 - decoded JSON
    """Days that have passed, which no live order changes."""
    today = dt.datetime.now(ZoneInfo("Europe/London")).date()
    begin = today - dt.timedelta(days=90)
    status, sales = _ask(up, f"/api/v1/sales?by=day&from={begin}&to={today}", key=key)
    assert (status, len(sales["data"])) == (200, 90)
    return sales["data"]
