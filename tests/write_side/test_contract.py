"""The command API as its clients see it."""

import asyncio

from shared_kernel.access.roles import Role
from shared_kernel.identifiers import new_id
from tests.builders.write_api import EDITION, WriteApi, made, money, order, receipt, shelf


async def test_a_store_sells_a_book(write_api: WriteApi) -> None:
    """From an empty store to a fulfilled order, each answer in the contract's shape."""
    location = made(await write_api.post("/locations", {"name": "Main street", "kind": "shop"}))["id"]
    edition = made(await write_api.post("/editions", EDITION | {"isbn13": "0-14-143957-1"}), status=422)
    assert edition["errors"][0]["pointer"] == "/isbn13"
    edition = made(await write_api.post("/editions", EDITION | {"isbn13": "0-306-40615-2"}))
    assert (edition["isbn13"], edition["sku"], edition["version"]) == ("9780306406157", "9780306406157", 1)
    received = made(await write_api.post("/stock/receipts", receipt(location, edition["id"], 20)))
    assert received["stock"][0]["available"] == 20

    placed = await write_api.post("/orders", order(location, (edition["id"], 3)))
    data = made(placed)
    assert placed.headers["Location"] == f"/api/v1/orders/{data['id']}"
    assert placed.headers["ETag"] == '"1"'
    assert int(placed.headers["ShelfWise-Position"]) == (await write_api.write_side.log())[-1].position
    assert data["total"] == money(2697)
    assert data["lines"][0]["unit_price"] == money(899)
    assert data["number"].startswith("SW-")

    part = {"lines": [{"line_id": data["lines"][0]["line_id"], "quantity": 1}]}
    partly = made(await write_api.post(f"/orders/{data['id']}/fulfilments", part))
    assert (partly["status"], partly["fulfilment_status"]) == ("placed", "partial")
    refused = await write_api.post(f"/orders/{data['id']}/cancellation", {"reason": "changed my mind"})
    assert (refused.status_code, refused.json()["code"]) == (409, "order_already_fulfilled")
    wholly = made(await write_api.post(f"/orders/{data['id']}/fulfilments", {}))
    assert (wholly["status"], wholly["version"]) == ("fulfilled", 3)
    back = made(await write_api.post(f"/orders/{data['id']}/returns", part))
    assert back["total"] == money(899)
    assert back["order_id"] == data["id"]
    returned = (await write_api.write_side.log())[-2].payload
    assert (returned["order_id"], returned["order_status"]) == (data["id"], "fulfilled")
    too_much = {"lines": [{"line_id": data["lines"][0]["line_id"], "quantity": 3}]}
    assert (await write_api.post(f"/orders/{data['id']}/returns", too_much)).status_code == 409
    rest = {"lines": [{"line_id": data["lines"][0]["line_id"], "quantity": 2}]}
    made(await write_api.post(f"/orders/{data['id']}/returns", rest))
    assert (await write_api.write_side.log())[-2].payload["order_status"] == "returned"


async def test_a_cancelled_order_gives_its_copies_back(write_api: WriteApi) -> None:
    """And cannot be cancelled twice, or fulfilled."""
    location, edition = await shelf(write_api)
    placed = made(await write_api.post("/orders", order(location, (edition, 5))))
    path = f"/orders/{placed['id']}"
    cancelled = made(await write_api.post(f"{path}/cancellation", {"reason": "lost interest"}), status=200)
    assert cancelled["status"] == "cancelled"
    assert made(await write_api.post("/orders", order(location, (edition, 20))))["status"] == "placed"
    again = await write_api.post(f"{path}/cancellation", {"reason": "again"})
    assert (again.status_code, again.json()["code"]) == (409, "order_already_cancelled")
    assert (await write_api.post(f"{path}/fulfilments", {})).status_code == 409


async def test_goods_come_back_without_a_receipt(write_api: WriteApi) -> None:
    """At the price that is paid back."""
    location, edition = await shelf(write_api)
    line = {"edition_id": edition, "quantity": 2, "unit_price": money(450)}
    body = {"location_id": location, "channel": "pos", "lines": [line]}
    assert made(await write_api.post("/returns", body))["total"] == money(900)
    unknown = body | {"location_id": str(new_id()), "lines": [line, line | {"edition_id": str(new_id())}]}
    refused = made(await write_api.post("/returns", unknown), status=422)
    assert [error["pointer"] for error in refused["errors"]] == ["/location_id", "/lines/1/edition_id"]


async def test_a_discontinued_edition_cannot_be_ordered(write_api: WriteApi) -> None:
    """Whatever is in stock."""
    location, edition = await shelf(write_api)
    made(await write_api.post(f"/editions/{edition}/discontinuation", {"reason": "out of print"}), status=200)
    refused = await write_api.post("/orders", order(location, (edition, 1)))
    assert (refused.status_code, refused.json()["code"]) == (409, "edition_discontinued")
    twice = await write_api.post(f"/editions/{edition}/discontinuation", {"reason": "out of print"})
    assert (twice.status_code, twice.json()["code"]) == (409, "edition_already_discontinued")


async def test_the_same_isbn_or_sku_twice_is_a_conflict(write_api: WriteApi) -> None:
    """Of one store; another sells the same book."""
    made(await write_api.post("/editions", EDITION | {"isbn13": "9780306406157"}))
    for again in ({"isbn13": "0306406152", "sku": "OWN"}, {"isbn13": "0-306-40615-2"}):
        same_isbn = await write_api.post("/editions", EDITION | again)
        assert (same_isbn.status_code, same_isbn.json()["code"]) == (409, "isbn_taken")
    same_sku = await write_api.post("/editions", EDITION | {"sku": "9780306406157"})
    assert (same_sku.status_code, same_sku.json()["code"]) == (409, "sku_taken")
    other = await write_api.another(tenant=await write_api.write_side.another_store())
    made(await other.post("/editions", EDITION | {"isbn13": "9780306406157"}))


async def test_every_fault_of_a_body_is_told_at_once(write_api: WriteApi) -> None:
    """Those of its shape together, then those of its meaning together."""
    shape = made(await write_api.post("/editions", {"title": "", "format": 1, "colour": "red"}), status=422)
    assert {error["pointer"] for error in shape["errors"]} == {
        "/title",
        "/format",
        "/contributors",
        "/list_price",
        "/colour",
    }
    wrong = EDITION | {
        "isbn13": "9780306406158",
        "tax_class": "luxury",
        "published_on": "2026-02-30",
        "list_price": {"amount_minor": 1, "currency": "EUR"},
    }
    meaning = made(await write_api.post("/editions", wrong), status=422)
    pointers = {error["pointer"] for error in meaning["errors"]}
    assert pointers == {"/isbn13", "/tax_class", "/published_on", "/list_price/currency"}


async def test_a_merge_patch_changes_what_it_names(write_api: WriteApi) -> None:
    """By the version its author has read: without one 428, with an old one 412."""
    edition = made(await write_api.post("/editions", EDITION | {"isbn13": "9780306406157", "publisher": "Penguin"}))
    path, patch = f"/editions/{edition['id']}", {"title": "Emma, a novel", "publisher": None}
    missing = await write_api.send("PATCH", path, patch, key=None)
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    merge_patch = {"If-Match": '"1"', "Content-Type": "application/merge-patch+json"}
    revised = await write_api.send("PATCH", path, patch, key=None, headers=merge_patch)
    data = made(revised, status=200)
    assert (data["title"], data["publisher"], data["format"]) == ("Emma, a novel", None, "paperback")
    assert revised.headers["ETag"] == '"2"'
    stale = await write_api.send("PATCH", path, patch, key=None, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    same = await write_api.send("PATCH", path, patch, key=None, headers={"If-Match": '"2"'})
    assert (same.status_code, same.headers["ETag"]) == (200, '"2"')
    assert [event.type for event in await write_api.write_side.log()].count("EditionRevised") == 1


async def test_of_two_writers_on_one_version_one_is_told(write_api: WriteApi) -> None:
    """Exactly one."""
    edition = made(await write_api.post("/editions", EDITION | {"isbn13": "9780306406157"}))
    answers = await asyncio.gather(
        *(
            write_api.send(
                "PUT",
                f"/editions/{edition['id']}/price",
                {"list_price": money(900 + number)},
                headers={"If-Match": '"1"'},
            )
            for number in range(2)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_a_retry_gets_the_first_answer(write_api: WriteApi) -> None:
    """Status, headers, body, however the body is spelled; another request with the key is 422."""
    location, edition = await shelf(write_api)
    body = order(location, (edition, 2))
    first = await write_api.post("/orders", body, key='"the key"')
    again = await write_api.post("/orders", dict(reversed(body.items())), key="the key")
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for field in ("Location", "ETag", "ShelfWise-Position"):
        assert again.headers[field] == first.headers[field]
    other = await write_api.post("/orders", order(location, (edition, 3)), key="the key")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    colleague = await write_api.another()
    assert (await colleague.post("/orders", body, key="the key")).json()["data"]["id"] != first.json()["data"]["id"]


async def test_a_key_is_required_where_something_is_created(write_api: WriteApi) -> None:
    """Else a retry would create it twice."""
    refused = await write_api.post("/locations", {"name": "Main street", "kind": "shop"}, key=None)
    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_required")


async def test_a_refusal_does_not_burn_the_key(write_api: WriteApi) -> None:
    """Once the copies are there, the same request succeeds."""
    location, edition = await shelf(write_api)
    body = order(location, (edition, 21))
    assert (await write_api.post("/orders", body, key="k")).status_code == 409
    made(await write_api.post("/stock/receipts", receipt(location, edition, 1)))
    made(await write_api.post("/orders", body, key="k"))


async def test_fifty_racing_requests_with_one_key_place_one_order(write_api: WriteApi) -> None:
    """Each is either answered alike or told to wait."""
    location, edition = await shelf(write_api)
    body = order(location, (edition, 1))
    answers = await asyncio.gather(*(write_api.post("/orders", body, key="one") for _ in range(50)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["data"]["id"] for answer in answers if answer.status_code == 201}) == 1
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 409)
    assert [event.type for event in await write_api.write_side.log()].count("OrderPlaced") == 1


async def test_a_dry_run_decides_and_changes_nothing(write_api: WriteApi) -> None:
    """200 without Location or Position, and the key stays free."""
    location, edition = await shelf(write_api)
    before = len(await write_api.write_side.log())
    dry = {"ShelfWise-Dry-Run": "true"}
    answer = await write_api.post("/orders", order(location, (edition, 2)), key="k", headers=dry)
    assert (answer.status_code, answer.json()["data"]["total"]) == (200, money(1798))
    assert not {"location", "shelfwise-position"} & set(answer.headers)
    assert len(await write_api.write_side.log()) == before
    refused = await write_api.post("/orders", order(location, (edition, 21)), headers=dry)
    assert refused.status_code == 409
    made(await write_api.post("/orders", order(location, (edition, 20)), key="k"))


async def test_another_store_is_answered_as_if_there_were_nothing(write_api: WriteApi) -> None:
    """The same status, code and pointers as for ids that were never given out."""
    location, edition = await shelf(write_api)
    placed = made(await write_api.post("/orders", order(location, (edition, 1))))
    stranger = await write_api.another(tenant=await write_api.write_side.another_store())
    for order_id, place, book in ((placed["id"], location, edition), (*(str(new_id()) for _ in range(3)),)):
        for path, body in (("cancellation", {"reason": "x"}), ("fulfilments", {})):
            answer = await stranger.post(f"/orders/{order_id}/{path}", body)
            assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")
        patched = await stranger.send("PATCH", f"/editions/{book}", {"title": "x"}, headers={"If-Match": "*"})
        assert (patched.status_code, patched.json()["code"]) == (404, "edition_not_found")
        answer = await stranger.post("/orders", order(place, (book, 1)))
        assert answer.status_code == 422
        pointers = [error["pointer"] for error in answer.json()["errors"]]
        assert pointers == ["/location_id", "/lines/0/edition_id"]
        answer = await stranger.post("/stock/receipts", receipt(place, book, 1))
        assert [error["code"] for error in answer.json()["errors"]] == ["unknown_location", "unknown_edition"]


async def test_roles_may_do_what_they_may(write_api: WriteApi) -> None:
    """A clerk sells but does not price; an analyst does neither."""
    location, edition = await shelf(write_api)
    clerk, analyst = await write_api.another(role=Role.CLERK), await write_api.another(role=Role.ANALYST)
    made(await clerk.post("/orders", order(location, (edition, 1))))
    assert (await clerk.post("/editions", EDITION)).status_code == 403
    assert (await analyst.post("/orders", order(location, (edition, 1)))).status_code == 403


async def test_stock_is_adjusted_counted_and_transferred(write_api: WriteApi) -> None:
    """By the version of the account where the client names one; never below what is promised."""
    location, edition = await shelf(write_api)
    place = {"location_id": location, "edition_id": edition}
    adjusted = made(await write_api.post("/stock/adjustments", place | {"delta": -2, "reason": "damaged"}))
    assert (adjusted["on_hand"], adjusted["version"], adjusted["value"]) == (18, 2, money(9000))
    stale = await write_api.post("/stock/counts", place | {"counted": 10}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    made(await write_api.post("/orders", order(location, (edition, 5))))
    below = await write_api.post("/stock/counts", place | {"counted": 4})
    assert (below.status_code, below.json()["code"]) == (409, "counted_below_reserved")
    assert made(await write_api.post("/stock/counts", place | {"counted": 10}))["available"] == 5
    cellar = made(await write_api.post("/locations", {"name": "Cellar", "kind": "warehouse"}))["id"]
    move = {
        "from_location_id": location,
        "to_location_id": cellar,
        "lines": [{"edition_id": edition, "quantity": 2}, {"edition_id": edition, "quantity": 3}],
    }
    moved = made(await write_api.post("/stock/transfers", move))["stock"]
    assert [(account["on_hand"], account["value"]["amount_minor"]) for account in moved] == [(5, 2500), (5, 2500)]
    assert (await write_api.post("/stock/transfers", move)).json()["code"] == "insufficient_stock"


async def test_limits_are_told_and_kept(write_api: WriteApi) -> None:
    """Every answer says what is left."""
    answer = await write_api.post("/locations", {"name": "Main street", "kind": "shop"})
    assert answer.headers["RateLimit"].startswith('"')
    assert "RateLimit-Policy" in answer.headers
