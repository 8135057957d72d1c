"""What a loader leaves to live projection: half of the time, in short pieces, for as long as any store has news.

Its niceness does not reach PostgreSQL, which works for a loader as for anybody: long statements, and much written at
once before somebody's commit, are what live batches would wait for.
"""

import asyncio
import time

import msgspec

_HEARD_SECONDS = 0.5
"""How long it is believed that somebody has news, or that nobody has."""
_BEGIN_SECONDS = 0.2
"""The same of what was heard before there was a loader: a store that is busy enough to be spared had news since."""
_LONGEST_REST_SECONDS = 0.5
"""A statement that hung for longer did so without working: nobody is owed that time."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """How many live batches there were, and when: `time.monotonic()`, which all processes of a machine share."""

    live_revisions: int
    at: float


class Courtesy:
    """Whether somebody has news, as last heard, and how long this loader has been at work."""

    def __init__(self, heard: Heard | None = None) -> None:
        """Args: what was heard by whoever started this loader, while it was being started."""
        self.gives_way = True
        """Until it is known that nobody needs it."""
        self._began_at = time.monotonic()
        self._live_revisions = None if heard is None else heard.live_revisions
        self._heard_at = self._began_at if heard is None else heard.at
        self._is_told = heard is not None

    @property
    def is_old(self) -> bool:
        """Whether it is time to hear again."""
        return time.monotonic() - self._heard_at > (_BEGIN_SECONDS if self._is_told else _HEARD_SECONDS)

    def note(self, live_revisions: int) -> None:
        """So many live batches there were; that there were none since a moment ago says nothing yet."""
        has_news = live_revisions != self._live_revisions
        if has_news or self.is_old:
            self.gives_way = has_news
            self._live_revisions = live_revisions
            self._heard_at = time.monotonic()
            self._is_told = False

    async def rest(self) -> None:
        """A piece of work is done: leave as much time as it took."""
        if self.gives_way:
            await asyncio.sleep(min(time.monotonic() - self._began_at, _LONGEST_REST_SECONDS))
        self._began_at = time.monotonic()
