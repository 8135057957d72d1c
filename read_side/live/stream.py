"""One client's stream: the newest state of each of its topics, and how much of that it has been told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import filterfalse
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from read_side.live.news import Heard, News, event, event_id
from read_side.live.topics import Topic

Ending: TypeAlias = Literal["time", "key", "shutdown", "fault"]
"""Why a stream ends: its time is up, its key opens it no more, the process ends, or something went wrong."""
StillMay: TypeAlias = Callable[[], Awaitable[Ending | None]]
"""What ends a stream because of the key that opened it; None where the key still does."""

_COME_BACK: Final = b"retry: 2000\n"
"""A client whose stream has ended comes back after two seconds."""


class Stream:
    """Nothing is queued: of each topic only the newest state is kept, however slowly the client reads."""

    def __init__(
        self,
        *,
        tenant_id: UUID,
        key_id: UUID,
        topics: Sequence[Topic],
        heard: Heard,
        lasts_seconds: float,
        heartbeat_seconds: float,
        still_may: StillMay,
    ) -> None:
        self.tenant_id = tenant_id
        self.key_id = key_id
        self.topics = tuple(topics)
        self._heard = heard
        self._lasts_seconds = lasts_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._still_may = still_may
        self._newest: dict[str, News] = {}
        self._told: dict[str, News] = {}
        self._ending: Ending | None = None
        self._woken = asyncio.Event()
        self.told_to_end = asyncio.Event()
        """Set once it is; it may take the client a while to hear of it."""

    def begin_with(self, news: Mapping[str, News]) -> None:
        """Note where its topics stood when it looked, but for those of which it has been offered newer states since."""
        self.offer({name: newest for name, newest in news.items() if name not in self._newest})

    def offer(self, news: Mapping[str, News]) -> None:
        """Note where its topics stand now, and wake it if that is worth telling."""
        for newest in self._of_topics(news):
            self._newest[newest.view] = newest
            if self._knows(newest):
                self._told[newest.view] = newest  # nothing to tell, up to a later position
            else:
                self._woken.set()

    def lacks(self, news: Mapping[str, News]) -> bool:
        """Whether there is anything in it that is worth telling."""
        return not all(self._knows(newest) for newest in self._of_topics(news))

    def end(self, ending: Ending) -> None:
        """Have it end at once."""
        self._ending = self._ending or ending
        self.told_to_end.set()
        self._woken.set()

    async def frames(self) -> AsyncIterator[bytes]:
        """What to write, until it ends: events as they come, at most as often as its topics are offered."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._lasts_seconds
        beats_at = loop.time() + self._heartbeat_seconds
        yield self._beginning()
        while not self._is_over() and loop.time() < ends_at:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(ends_at, beats_at)):
                    await self._woken.wait()
            self._woken.clear()
            if not self._is_over() and (due := self._due()):
                yield due
            if not self._is_over() and loop.time() >= beats_at:
                if (ending := await self._still_may()) is not None:
                    self.end(ending)
                    break
                beats_at = loop.time() + self._heartbeat_seconds
                yield self._heartbeat()
        yield event("end", msgspec.json.encode({"reason": self._ending or "time"}))

    def _of_topics(self, news: Mapping[str, News]) -> Iterable[News]:
        """Its own; one that came while the store was looked at has looked for itself."""
        return (news[topic.name] for topic in self.topics if topic.name in news)

    def _knows(self, newest: News) -> bool:
        told = self._told.get(newest.view)
        return self._heard.includes(newest) if told is None else told.mark == newest.mark

    def _is_over(self) -> bool:
        return self._ending is not None

    def _beginning(self) -> bytes:
        due = self._due()
        # An id without data is remembered by the client, and shown to nobody.
        return _COME_BACK + (b"\n" if due else b"id: %b\n\n" % self._id()) + due

    def _heartbeat(self) -> bytes:
        return b": here\nid: %b\n\n" % self._id()

    def _due(self) -> bytes:
        """An event for each topic that has changed; each one's id includes what was told before it, and no more."""
        written = []
        for news in filterfalse(self._knows, self._newest.values()):
            self._told[news.view] = news
            written.append(event(news.view, msgspec.json.encode(news), id_text=event_id(self._told.values())))
        return b"".join(written)

    def _id(self) -> bytes:
        return event_id(self._told.values()).encode("ascii")
