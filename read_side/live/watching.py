"""One look at a store for all the streams of it: when the projector has shown something, and now and then."""

import asyncio
from contextlib import ExitStack, suppress
from contextvars import Context
from typing import Any
from uuid import UUID

import structlog

from read_side.live.news import News, news_of
from read_side.live.settings import LiveSettings
from read_side.live.stream import Stream
from read_side.live.topics import Topic
from read_side.query_execution.errors import ViewNotBuiltError
from read_side.query_execution.states import Standing, States
from read_side.query_execution.waking import Sleeper, WaitingRoom
from shared_kernel.errors import UnavailableError
from shared_kernel.views import View

log = structlog.get_logger(component="live")


class Watch:
    """Of one store, for as long as anybody streams it."""

    def __init__(self, tenant_id: UUID, *, states: States, room: WaitingRoom, settings: LiveSettings) -> None:
        self.streams: set[Stream] = set()
        self._tenant_id = tenant_id
        self._states = states
        self._settings = settings
        self._stack = ExitStack()
        sleeper = self._stack.enter_context(room.listening(tenant_id))
        # Of nobody's request: it outlives the one that began it.
        self.task = asyncio.create_task(self._run(sleeper), name="live watch", context=Context())

    def close(self) -> None:
        """Look no more."""
        self.task.cancel()
        self._stack.close()

    async def look(self, stream: Stream) -> dict[str, News]:
        """Where its topics stand now, for a stream that begins; raises as `States.of` does."""
        return await self._newest(stream.topics, (stream,))

    async def _run(self, sleeper: Sleeper) -> None:
        try:
            # As long as there are streams: whoever takes the last one away closes the watch.
            while True:
                await sleeper.sleep(self._settings.poll_seconds)
                await self._tell()
                # What comes meanwhile is told together.
                await asyncio.sleep(self._settings.spacing_seconds)
        except Exception:  # the edge of a task that nobody waits for
            log.exception("live_watch_failed")
            for stream in self.streams:
                stream.end("fault")

    async def _tell(self) -> None:
        # Not those that join meanwhile: they look for themselves, and see what this look may be too early for.
        streams = tuple(self.streams)
        topics = tuple({topic.name: topic for stream in streams for topic in stream.topics}.values())
        try:
            news = await self._newest(topics, streams)
        except UnavailableError as error:
            # Nobody can tell just now: what was told holds until somebody can.
            log.debug("live_look_failed", reason=error.code)
            return
        for stream in streams:
            stream.offer(news)

    async def _newest(self, topics: tuple[Topic, ...], streams: tuple[Stream, ...]) -> dict[str, News]:
        """Of all topics together; where a view is not built yet, of each that does without it, if there is any."""
        try:
            return await self._together(topics, streams)
        except ViewNotBuiltError as error:
            log.debug("live_view_not_built", reason=error.code)
            news: dict[str, News] = {}
            for topic in topics:
                with suppress(ViewNotBuiltError):
                    news |= await self._together((topic,), streams)
            if not news:
                raise
            return news

    async def _together(self, topics: tuple[Topic, ...], streams: tuple[Stream, ...]) -> dict[str, News]:
        standing = await self._states.of(self._tenant_id, _views_of(topics))
        news = _news_of(topics, standing)
        # A store in which nothing happens is no reason to ask its log again and again.
        if any(stream.lacks(news) for stream in streams):
            news = _news_of(topics, await self._states.with_head(self._tenant_id, standing))
        return news


def _views_of(topics: tuple[Topic, ...]) -> tuple[View[Any], ...]:  # Any: rows of every kind
    return tuple({view.label: view for topic in topics for view in topic.views}.values())


def _news_of(topics: tuple[Topic, ...], standing: Standing) -> dict[str, News]:
    return {topic.name: news_of(topic, standing) for topic in topics}
