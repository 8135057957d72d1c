"""The rows of holds, given events."""

from uuid import UUID

import pytest

from projections.holds import PROJECTION, HoldNeverPlacedError, evolve
from shared_kernel.events.holds import HoldAllocated, HoldEnded, HoldPlaced
from tests.builders.folding import fold
from tests.builders.order_log import EMMA, SHOP, OrderLog, id_of

HOLD = id_of("hold")
ORDER = UUID(int=7)


def test_a_special_order_waits_is_served_and_collected() -> None:
    """The row follows, and its version is the aggregate's."""
    log = OrderLog()
    log.append(
        HoldPlaced(
            hold_id=HOLD,
            kind="special_order",
            location_id=SHOP,
            edition_id=EMMA.edition_id,
            quantity=2,
            allocated=0,
            status="waiting",
        ),
        HOLD,
    )
    seen = [_row(log)]
    log.append(HoldAllocated(hold_id=HOLD, granted=2, allocated=2, status="ready"), HOLD)
    seen.append(_row(log))
    log.append(HoldEnded(hold_id=HOLD, status="collected", released=2, order_id=ORDER), HOLD)
    seen.append(_row(log))
    assert seen == [("waiting", 0, 1, None), ("ready", 2, 2, None), ("collected", 0, 3, ORDER)]


def test_a_hold_that_was_never_placed_is_told_from_one_that_was() -> None:
    """The fold names what is wrong."""
    log = OrderLog()
    event = HoldEnded(hold_id=HOLD, status="cancelled", released=0, order_id=None)
    log.append(event, HOLD)
    with pytest.raises(HoldNeverPlacedError, match="HoldEnded at 1"):
        evolve(None, event, log.events[-1])


def _row(log: OrderLog) -> tuple[str, int, int, UUID | None]:
    row = fold(PROJECTION, log.events)[HOLD,]
    return row.status, row.allocated, row.hold_version, row.order_id
