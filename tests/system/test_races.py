"""Many at once for the same thing, over HTTP and to the end: nobody gets what is not there, or the same thing twice."""

import asyncio

from tests.system.shops import Visitor, good, order, position

_BUYERS = 50
_COPIES = 20


async def test_fifty_buyers_for_twenty_copies(shop: Visitor) -> None:
    """Twenty succeed, thirty are told why not, and the shelf is empty on both sides."""
    location_id, edition_id = await shop.shelf(_COPIES)
    wanted = order(location_id, (edition_id, 1))

    answers = await asyncio.gather(*(shop.post("/orders", wanted, key=f"buyer {number}") for number in range(_BUYERS)))

    sold = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(sold) == _COPIES
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(409, "insufficient_stock")}
    at = max(position(answer) for answer in sold)
    stock = await shop.ask(f"/stock/{edition_id}", at=at)
    assert (stock["on_hand"], stock["reserved"], stock["available"]) == (_COPIES, _COPIES, 0)
    handed_over = await asyncio.gather(*(shop.post(f"/orders/{good(answer)['id']}/fulfilments", {}) for answer in sold))
    stock = await shop.ask(f"/stock/{edition_id}", at=max(position(answer) for answer in handed_over))
    assert (stock["on_hand"], stock["reserved"], stock["available"]) == (0, 0, 0)


async def test_fifty_racing_requests_with_one_key(shop: Visitor) -> None:
    """One order; everybody who is answered gets the same, and who came too early is told to come again."""
    location_id, edition_id = await shop.shelf(_BUYERS)
    wanted = order(location_id, (edition_id, 1))

    answers = await asyncio.gather(*(shop.post("/orders", wanted, key="the one") for _ in range(_BUYERS)))

    told = [answer for answer in answers if answer.status_code == 201]
    early = [answer for answer in answers if answer.status_code != 201]
    assert {answer.content for answer in told} == {told[0].content}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in told) == 1
    assert {answer.headers["ShelfWise-Position"] for answer in told} == {told[0].headers["ShelfWise-Position"]}
    assert {(answer.status_code, answer.json()["code"]) for answer in early} <= {(409, "idempotency_key_in_flight")}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in early)
    again = await shop.post("/orders", wanted, key="the one")
    assert again.content == told[0].content
    counts = await shop.ask("/store-counts", at=position(again))
    assert counts["orders"]["total"] == 1
    assert (await shop.ask(f"/stock/{edition_id}", at=position(again)))["reserved"] == 1
