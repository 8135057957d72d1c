"""All the streams of this process: who may open one, how many there are, and that they end."""

import asyncio
from collections.abc import Sequence
from random import SystemRandom
from typing import Final
from uuid import UUID

from read_side.live.checking import check_of
from read_side.live.errors import StreamsFullError, TooManyStreamsError
from read_side.live.news import Heard
from read_side.live.settings import LiveSettings
from read_side.live.stream import Ending, Stream
from read_side.live.topics import Topic
from read_side.live.watching import Watch
from read_side.query_execution.admitting import Admitting
from read_side.query_execution.states import States
from read_side.query_execution.waking import WaitingRoom
from shared_kernel.access.principals import Principal
from shared_kernel.http.authentication import Authentication
from shared_kernel.http.health import Draining

_SHORTEST: Final = 0.9
"""Of the time that a stream lasts: those that began together do not come back together."""
_CLOSE_ONE_SECONDS: Final = 30
_random: Final = SystemRandom()


class LiveStreams:
    """Opens streams, and lets go of them."""

    def __init__(
        self,
        *,
        admitting: Admitting,
        states: States,
        room: WaitingRoom,
        authentication: Authentication,
        draining: Draining,
        settings: LiveSettings,
    ) -> None:
        self.settings = settings
        self.admitting = admitting
        self._states = states
        self._room = room
        self._authentication = authentication
        self._draining = draining
        self._watches: dict[UUID, Watch] = {}
        self._ended: set[asyncio.Task[None]] = set()
        draining.then(lambda: self.end_all("shutdown"))

    @property
    def count(self) -> int:
        """How many are open."""
        return sum(len(watch.streams) for watch in self._watches.values())

    async def open(
        self,
        principal: Principal,
        topics: Sequence[Topic],
        *,
        authorization: bytes | None,
        heard: Heard,
        lasts_seconds: float | None,
    ) -> Stream:
        """A stream that knows where its topics stand; whoever has it gives it back with `leave`.

        Args:
            principal: who asks, and may read the topics.
            topics: that it tells of.
            authorization: by which the principal is known, now and later.
            heard: what the client knows already.
            lasts_seconds: None for as long as streams last here.

        Raises:
            TooManyStreamsError: of this key, or this store.
            StreamsFullError: of this process.
            UnavailableError: neither Redis nor PostgreSQL can tell where the topics stand.
        """
        self._refuse_too_many(principal)
        usual = self.settings.lasts_seconds * _random.uniform(_SHORTEST, 1)
        stream = Stream(
            tenant_id=principal.tenant.id,
            key_id=principal.key_id,
            topics=topics,
            heard=heard,
            lasts_seconds=usual if lasts_seconds is None else lasts_seconds,
            heartbeat_seconds=self.settings.heartbeat_seconds,
            still_may=check_of(
                self._authentication,
                authorization,
                principal=principal,
                topics=topics,
                unchecked_seconds=self.settings.unchecked_seconds,
            ),
        )
        watch = self._watch_of(stream.tenant_id)
        watch.streams.add(stream)
        try:
            stream.begin_with(await watch.look(stream))
        except BaseException:
            self.leave(stream)
            raise
        return stream

    def leave(self, stream: Stream) -> None:
        """It is over; with the last one of a store nobody looks at the store any more."""
        watch = self._watches.get(stream.tenant_id)
        if watch is None:
            return
        watch.streams.discard(stream)
        if not watch.streams:
            del self._watches[stream.tenant_id]
            self._close(watch)

    def end_all(self, ending: Ending) -> None:
        """Have every stream end."""
        for watch in self._watches.values():
            for stream in watch.streams:
                stream.end(ending)

    async def aclose(self) -> None:
        """End what is left."""
        self.end_all("shutdown")
        for watch in self._watches.values():
            self._close(watch)
        self._watches.clear()
        if self._ended:
            await asyncio.wait(self._ended, timeout=1.0)

    def _refuse_too_many(self, principal: Principal) -> None:
        watch = self._watches.get(principal.tenant.id)
        streams = set() if watch is None else watch.streams
        of_key = sum(stream.key_id == principal.key_id for stream in streams)
        if of_key >= self.settings.max_streams_of_key or len(streams) >= self.settings.max_streams_of_tenant:
            raise TooManyStreamsError(
                "As many streams are open as one key, or one store, may have; one stream tells of many views.",
                retry_after_seconds=_CLOSE_ONE_SECONDS,
            )
        if self._draining.is_on or self.count >= self.settings.max_streams:
            raise StreamsFullError("This process takes no more streams; try again, perhaps another answers.")

    def _watch_of(self, tenant_id: UUID) -> Watch:
        watch = self._watches.get(tenant_id)
        if watch is None or watch.task.done():
            if watch is not None:
                self._close(watch)  # it has failed, and ended its streams
            watch = Watch(tenant_id, states=self._states, room=self._room, settings=self.settings)
            self._watches[tenant_id] = watch
        return watch

    def _close(self, watch: Watch) -> None:
        watch.close()
        self._ended.add(watch.task)
        watch.task.add_done_callback(self._ended.discard)
