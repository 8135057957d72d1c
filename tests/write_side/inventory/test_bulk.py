"""A large delivery."""

from tests.builders.write_side import WriteSide, edition_command
from write_side.catalog.bulk import MAX_EDITIONS, import_editions
from write_side.inventory.bulk import MAX_RECEIPT_LINES, DeliveryLine, receive_stock


async def test_the_largest_delivery_is_one_command(write_side: WriteSide) -> None:
    """Of accounts that are yet to begin; and with its key only once."""
    location = await write_side.location()
    editions = []
    for _ in range(MAX_RECEIPT_LINES // MAX_EDITIONS):
        batch = [edition_command() for _ in range(MAX_EDITIONS)]
        done = await import_editions(write_side.execution, write_side.tenant, batch, actor="import")
        editions += [added.edition_id for added in done.added]
    lines = [DeliveryLine(edition_id=edition, quantity=3, unit_cost_minor=100) for edition in editions]

    async def receive() -> int:
        delivered = await receive_stock(
            write_side.execution,
            write_side.tenant,
            location_id=location,
            lines=lines,
            actor="import",
            idempotency_key="delivery 1",
        )
        return delivered.lines

    async with write_side.counting() as trips:
        assert await receive() == MAX_RECEIPT_LINES
    assert len(trips) == 6, trips
    assert await receive() == MAX_RECEIPT_LINES
    sums = await write_side.as_administrator("SELECT count(*), sum(on_hand) AS copies FROM write.stock")
    assert (sums[0]["count"], sums[0]["copies"]) == (MAX_RECEIPT_LINES, 3 * MAX_RECEIPT_LINES)
