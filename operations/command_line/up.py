"""`shelfwise up`."""

import asyncio
import os
import shlex
from contextlib import ExitStack

import click
import msgspec

from operations.command_line.invocation import Invocation, command
from operations.demo.keys import DemoStore
from operations.demo.living import place_live_orders
from operations.demo.opening import open_demo
from operations.demo.receiver import Receiver, demo_receiver
from operations.demo.telling import tell_receiver
from operations.up.running import Site, run_until_stopped

_MAX_WORKERS = 16
"""More projectors than shards would idle."""


class UpAndRunning(msgspec.Struct, frozen=True, kw_only=True):
    """Where it answers, and what opens it."""

    url: str
    pid: int
    probes: tuple[str, ...]
    stores: tuple[DemoStore, ...] = ()
    webhooks: str | None = None
    """Where the demo's receiver of webhooks shows what it was told."""


@click.command()
@click.option("--demo", is_flag=True, help="Two stores with a catalogue, ninety days of orders, and orders that go on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="0: any free one.")
@click.option("--workers", type=click.IntRange(1, _MAX_WORKERS), default=1, show_default=True, help="Projectors.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the demo's chance.")
@command
def up(invocation: Invocation, *, demo: bool, port: int, workers: int, seed: int) -> None:
    """Run everything on this machine, until Ctrl-C.

    Servers are started unless the three URLs are set; the databases are migrated; the API and the projectors are
    restarted when they die, at most five times in a row. SHELFWISE_LOG_LEVEL=info shows every request.
    """
    with invocation.installation() as installation, ExitStack() as stack:
        receiver = stack.enter_context(demo_receiver(installation.data_dir)) if demo else None

        async def when_ready(site: Site) -> None:
            if receiver is None:
                _announce(invocation, site)
            else:
                await _run_demo(invocation, site, receiver, seed=seed)

        asyncio.run(
            run_until_stopped(installation, port=port, workers=workers, allows_loopback=demo, when_ready=when_ready)
        )


async def _run_demo(invocation: Invocation, site: Site, receiver: Receiver, *, seed: int) -> None:
    invocation.say("filling two demo stores …")
    stores = await open_demo(site.installation, seed=seed, say=invocation.say)
    for store in stores:
        await tell_receiver(site.client, store, receiver)
    _announce(invocation, site, stores, receiver)
    async with asyncio.TaskGroup() as group:
        for number, store in enumerate(stores):
            group.create_task(place_live_orders(site.client, store, seed=seed + number))


def _announce(
    invocation: Invocation, site: Site, stores: tuple[DemoStore, ...] = (), receiver: Receiver | None = None
) -> None:
    told = None if receiver is None else receiver.url
    answer = UpAndRunning(url=site.url, pid=os.getpid(), probes=site.probes, stores=stores, webhooks=told)
    lines = [f"\nShelfWise is up: {site.url}   (Ctrl-C ends it)\n"]
    lines += [f"  {store.name:<20} {store.currency}   owner's key  {store.key}" for store in stores]
    lines.append(f"  operators' console: {site.url}/console, with a key of `shelfwise keys create --role operator`")
    lines += [f"  projector's probe: {probe}/health/ready and {probe}/metrics" for probe in site.probes]
    if told is not None:
        lines.append(f"  webhooks: {told} shows what a receiver on this machine is told")
    if stores:
        lines += ["\nTry:\n", *(f"  {line}\n" for line in _curl_lines(site, stores[0]))]
    else:
        where = f" --data {shlex.quote(str(invocation.data_dir))}"
        lines.append(f"A store: shelfwise tenants create NAME --slug S --currency GBP --timezone Europe/London{where}")
        lines.append(f"Its key: shelfwise keys create --tenant S --role owner{where}\n")
    invocation.answer(answer, *lines)


def _curl_lines(site: Site, store: DemoStore) -> tuple[str, ...]:
    api, key = f"{site.url}/api/v1", f"-H 'Authorization: Bearer {store.key}'"
    lines = [{"edition_id": str(store.edition_id), "quantity": 1}]
    order = msgspec.json.encode({"location_id": str(store.location_id), "channel": "web", "lines": lines}).decode()
    fields = f"{key} -H \"Idempotency-Key: try-$(date +%s)\" -H 'Content-Type: application/json'"
    return (
        f"curl -s {key} '{api}/kpis?period=30d&compare=previous'",
        f"curl -s {key} '{api}/best-sellers?window=30d&limit=5'",
        f"curl -s {fields} -d '{order}' {api}/orders",
        f"curl -s {key} '{api}/webhook-deliveries?limit=5'",
    )
