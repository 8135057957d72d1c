"""Who has a command's position never reads an older state: through the cache, one after the other and all at once."""

import asyncio

from tests.system.shops import Visitor, good, order, position

_IN_ORDER = 200
_AT_ONCE = 800
_SHOPPERS = 16


async def test_a_command_s_effect_is_in_the_read_that_follows(shop: Visitor) -> None:
    """A thousand pairs, of which hardly any is answered from a table."""
    location_id, edition_id = await shop.shelf(10_000)
    sources: list[str] = []
    for number in range(1, _IN_ORDER + 1):
        at = position(await shop.post("/orders", order(location_id, (edition_id, 1))))
        sources.append(await _reserved_is(shop, edition_id, at, number))

    turns = iter(range(_AT_ONCE))

    async def shopper() -> list[tuple[int, str]]:  # all take their turns from the same
        return [await _placed_is_shown(shop, order(location_id, (edition_id, 1))) for _ in turns]

    shown = [one for each in await asyncio.gather(*(shopper() for _ in range(_SHOPPERS))) for one in each]
    sources += [source for _, source in shown]

    assert len(sources) == _IN_ORDER + _AT_ONCE
    assert sources.count("cache") > len(sources) // 2
    counts = await shop.ask("/store-counts", at=max(at for at, _ in shown))
    assert counts["orders"]["placed"] == len(sources)


async def _reserved_is(shop: Visitor, edition_id: str, at: int, reserved: int) -> str:
    answer = await shop.get(f"/stock/{edition_id}", at=at)
    assert good(answer)["reserved"] == reserved
    assert position(answer) >= at
    return str(answer.json()["meta"]["source"])


async def _placed_is_shown(shop: Visitor, wanted: object) -> tuple[int, str]:
    placed = await shop.post("/orders", wanted)
    answer = await shop.get(f"/orders/{good(placed)['id']}", at=position(placed))
    assert good(answer)["status"] == "placed"
    assert position(answer) >= position(placed)
    return position(placed), str(answer.json()["meta"]["source"])
