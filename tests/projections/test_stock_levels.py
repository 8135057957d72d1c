"""The rows of stock levels, given events."""

from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from projections.stock_levels import PROJECTION
from read_side.stock_levels.view import VIEW, LocationEntry
from shared_kernel.events.envelope import Event
from tests.builders.catalogue_events import (
    EDITION_ID,
    SHOP_ID,
    WAREHOUSE_ID,
    edition_created,
    edition_discontinued,
    edition_revised,
    log_of,
    stock_received,
)
from tests.builders.folding import fold


def test_a_new_edition_has_no_stock_yet_but_a_row() -> None:
    """So `/stock` lists it, and `/stock/low` tells of it."""
    row = fold(PROJECTION, log_of(edition_created()))[EDITION_ID,]

    assert (row.on_hand, row.reserved, row.available, row.value_minor, row.locations) == (0, 0, 0, 0, ())
    assert (row.sku, row.title, row.title_order, row.status) == (
        "AUS-001",
        "Pride and Prejudice",
        "pride and prejudice",
        "active",
    )


def test_each_location_shows_what_its_last_event_says() -> None:
    """Absolutes replace, other locations stay."""
    row = fold(
        PROJECTION,
        log_of(
            stock_received(on_hand=5, value_minor=2000, location_id=WAREHOUSE_ID),
            stock_received(on_hand=2, reserved=1, value_minor=700),
            stock_received(on_hand=9, reserved=4, value_minor=3600, location_id=WAREHOUSE_ID),
        ),
    )[EDITION_ID,]

    assert row.locations == (
        LocationEntry(location_id=SHOP_ID, on_hand=2, reserved=1, value_minor=700),
        LocationEntry(location_id=WAREHOUSE_ID, on_hand=9, reserved=4, value_minor=3600),
    )
    assert (row.on_hand, row.reserved, row.available, row.value_minor) == (11, 5, 6, 4300)


def test_stock_of_an_edition_nobody_created_counts_until_its_facts_come() -> None:
    """The title is null before, and there after; the copies are the same."""
    before = fold(PROJECTION, log_of(stock_received()))[EDITION_ID,]
    after = fold(PROJECTION, log_of(stock_received(), edition_created()))[EDITION_ID,]

    assert (before.sku, before.title, before.on_hand) == (None, None, 5)
    assert (after.sku, after.title, after.on_hand) == ("AUS-001", "Pride and Prejudice", 5)


def test_title_and_status_follow_the_edition() -> None:
    """Revised before or after stock moved, and at the end discontinued."""
    created = edition_created()
    row = fold(
        PROJECTION, log_of(created, stock_received(), edition_revised(created, title="Emma"), edition_discontinued())
    )[EDITION_ID,]

    assert (row.title, row.title_order, row.status, row.on_hand) == ("Emma", "emma", "discontinued", 5)


def test_the_body_does_not_tell_what_copies_cost() -> None:
    """It is served to the till as well."""
    row = fold(PROJECTION, log_of(edition_created(), stock_received(on_hand=5, reserved=2)))[EDITION_ID,]

    assert VIEW.body is not None
    assert msgspec.json.decode(VIEW.body(row)) == {
        "edition_id": f"{EDITION_ID}",
        "sku": "AUS-001",
        "title": "Pride and Prejudice",
        "status": "active",
        "on_hand": 5,
        "reserved": 2,
        "available": 3,
        "locations": [{"location_id": f"{SHOP_ID}", "on_hand": 5, "reserved": 2, "available": 3}],
    }


def _stock_event(place: tuple[int, int, int, int]) -> Event:
    location, on_hand, reserved, value = place
    return stock_received(
        location_id=UUID(int=location), on_hand=on_hand, reserved=min(reserved, on_hand), value_minor=value
    )


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 50), st.integers(0, 50), st.integers(0, 10_000)), min_size=1)
)
def test_totals_are_the_sums_of_the_locations(places: list[tuple[int, int, int, int]]) -> None:
    """Whatever happened where, in whatever order."""
    events = [_stock_event(place) for place in places]
    row = fold(PROJECTION, log_of(*events))[EDITION_ID,]

    assert row.on_hand == sum(entry.on_hand for entry in row.locations)
    assert row.reserved == sum(entry.reserved for entry in row.locations)
    assert row.available == row.on_hand - row.reserved
    assert row.value_minor == sum(entry.value_minor for entry in row.locations)
    assert [entry.location_id for entry in row.locations] == sorted({UUID(int=place[0]) for place in places})
