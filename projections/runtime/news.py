"""Word from outside the drains: what they know of their tenants may be wrong, and who has builds to be finished."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID


class News:
    """What one look at the database tells all of a worker's shards."""

    def __init__(self) -> None:
        self._count = 0
        self._unfinished: frozenset[UUID] | None = None
        self._next = asyncio.Event()

    @property
    def count(self) -> int:
        """How many changes there were in this process; whoever has loaded what they concern compares."""
        return self._count

    def note(self) -> None:
        """There was one more."""
        self._count += 1
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return at the next change, or after so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._next.wait()

    def note_unfinished(self, tenants: Iterable[UUID] | None) -> None:
        """These have builds that are not where they are to be; None where that is not known: each shard asks."""
        self._unfinished = None if tenants is None else frozenset(tenants)

    @property
    def nothing_is_unfinished(self) -> bool:
        """Whether it is known that no tenant has such builds."""
        return self._unfinished is not None and not self._unfinished

    def unfinished_among(self, tenants: list[UUID]) -> list[UUID]:
        """Those of these tenants that may have such builds."""
        known = self._unfinished
        return tenants if known is None else [tenant for tenant in tenants if tenant in known]
