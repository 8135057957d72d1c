"""Callbacks: kept once if somebody vouches for them, put aside if they cannot be read, refused otherwise."""

import pytest

from shared_kernel.identifiers import new_id
from tests.builders import sandbox
from tests.builders.sandbox import CALLBACK_SECRET, signed
from tests.builders.write_side import WriteSide
from write_side.payments.errors import CallbackNotTrusted
from write_side.payments.inbox import Inbox
from write_side.payments.providers import callback_reader


def inbox_of(write_side: WriteSide) -> Inbox:
    """As the API builds it."""
    reader = callback_reader(secret=CALLBACK_SECRET)
    return Inbox(pool=write_side.pool, execution=write_side.execution, reader=reader)


def event(write_side: WriteSide, **changes: object) -> bytes:
    """About a payment of this store."""
    marks = {"shelfwise_tenant": str(write_side.tenant.id), "shelfwise_payment": str(new_id())}
    return sandbox.event(marks=marks, **changes)


async def count(write_side: WriteSide, table: str) -> int:
    """How many rows a table of the inbox has."""
    rows = await write_side.as_administrator(f"SELECT count(*) AS count FROM write.{table}")  # noqa: S608 - a constant
    return int(rows[0]["count"])


async def test_a_callback_is_kept_once_however_often_it_comes(write_side: WriteSide) -> None:
    """The sender is thanked each time."""
    inbox, body = inbox_of(write_side), event(write_side)
    for _ in range(3):
        assert (await inbox.receive(body, signed(body))).received
    assert await count(write_side, "provider_callback") == 1


@pytest.mark.parametrize("way", ["unsigned", "another secret", "too old", "from the future", "changed", "no time"])
async def test_what_nobody_vouches_for_is_refused(write_side: WriteSide, way: str) -> None:
    """And not kept."""
    body = event(write_side)
    headers = {
        "unsigned": {},
        "another secret": signed(body, secret="whsec_other"),  # noqa: S106 - of a test
        "too old": signed(body, seconds_ago=400),
        "from the future": signed(body, seconds_ago=-400),
        "changed": signed(body + b" "),
        "no time": {"stripe-signature": "v1=" + "0" * 64},
    }[way]
    with pytest.raises(CallbackNotTrusted):
        await inbox_of(write_side).receive(body, headers)
    assert await count(write_side, "provider_callback") == 0


async def test_one_that_cannot_be_read_is_put_aside_for_its_store(write_side: WriteSide) -> None:
    """With its shape, not its values."""
    body = event(write_side, created="soon")
    assert (await inbox_of(write_side).receive(body, signed(body))).received
    assert await count(write_side, "quarantined_answer") == 1
    kept = await write_side.as_administrator("SELECT source, outline::text AS outline FROM write.quarantined_answer")
    assert kept[0]["source"] == "callback"
    assert "evt_1" not in kept[0]["outline"]


async def test_one_about_a_store_that_is_not_here_is_not_kept(write_side: WriteSide) -> None:
    """Signed by the right secret, and still nobody's."""
    body = event(write_side, data={"object": {"metadata": {"shelfwise_tenant": str(new_id())}}})
    assert not (await inbox_of(write_side).receive(body, signed(body))).received
