"""ONE auto-pipelining connection per process: concurrent callers share round trips, nobody waits for a reconnection."""

import asyncio
from collections.abc import Sequence
from itertools import count
from ssl import SSLContext, create_default_context
from types import TracebackType
from typing import Self

import structlog

from shared_kernel.redis.address import RedisAddress, parse_redis_url
from shared_kernel.redis.connecting import CONNECTION_FAILURES, open_wire
from shared_kernel.redis.errors import RedisAway
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.replies import Argument, Command, Reply, pack_shared
from shared_kernel.redis.wire import Wire

_log = structlog.get_logger(__name__)


class MultiplexedRedis:
    """Redis for one event loop; opens nothing until first used, and reconnects by itself until closed.

    A command on a connection that breaks or times out may or may not have run: only what can be repeated is sent.
    """

    def __init__(
        self,
        address: RedisAddress,
        *,
        limits: ConnectionLimits | None = None,
        client_name: str = "shelfwise",
        tls: SSLContext | None = None,
    ) -> None:
        self._address = address
        self._limits = limits or ConnectionLimits()
        self._client_name = client_name
        self._tls = (tls or create_default_context()) if address.tls else None
        self._wire: Wire | None = None
        self._connected = asyncio.Event()
        self._connector: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    def from_url(cls, url: str, *, limits: ConnectionLimits | None = None, client_name: str = "shelfwise") -> Self:
        """Build from `redis://`, `rediss://` or `unix://`; raises ValueError, which does not repeat the URL."""
        return cls(parse_redis_url(url), limits=limits, client_name=client_name)

    @property
    def connected(self) -> bool:
        """Whether calls are sent now."""
        return self._wire is not None

    @property
    def in_flight(self) -> int:
        """Commands sent and not answered yet."""
        return 0 if self._wire is None else self._wire.in_flight

    async def call(self, *args: Argument) -> Reply:
        """Run one command.

        Raises: RedisUnavailable when Redis cannot serve, at once or after `timeout_seconds`; RedisReplyError for an
        error reply; ValueError for a command that needs a connection of its own.
        """
        return await self._open_wire().send(pack_shared(args))

    def send(self, packed: bytes) -> asyncio.Future[Reply]:
        """Run a command that `pack_shared` has encoded, for whoever sends the same one again and again; as `call`."""
        return self._open_wire().send(packed)

    async def pipeline(self, commands: Sequence[Command]) -> list[Reply]:
        """Run commands in one flush; an error reply is returned, in its place, as a RedisReplyError.

        Raises: RedisUnavailable when not all replies came; ValueError for more commands than may ever be in flight.
        """
        if len(commands) > self._limits.max_in_flight:
            message = f"{len(commands)} commands in one pipeline; at most {self._limits.max_in_flight} may be in flight"
            raise ValueError(message)
        if not commands:
            return []
        return await self._open_wire().send_all([pack_shared(command) for command in commands])

    async def connect(self) -> None:
        """Wait until connected, at most `connect_seconds`; attempts go on in the background whatever happens here.

        Raises: RedisAway.
        """
        self._start_connecting()
        try:
            async with asyncio.timeout(self._limits.connect_seconds):
                await self._connected.wait()
        except TimeoutError:
            reason = "Redis could not be reached in time"
            raise RedisAway(reason) from None

    async def aclose(self) -> None:
        """Close for good; what is in flight fails with RedisAway."""
        self._closed = True
        connector, self._connector = self._connector, None
        if connector is not None:
            connector.cancel()
            await asyncio.gather(connector, return_exceptions=True)
        if self._wire is not None:
            self._wire.abort("this client of Redis is closed")

    async def __aenter__(self) -> Self:
        """Start connecting, but do not wait: a process starts, and serves, without Redis."""
        self._start_connecting()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _open_wire(self) -> Wire:
        if self._wire is None:
            self._start_connecting()
            reason = "there is no connection to Redis"
            raise RedisAway(reason)
        return self._wire

    def _start_connecting(self) -> None:
        if self._closed:
            reason = "this client of Redis is closed"
            raise RedisAway(reason)
        if self._wire is None and (self._connector is None or self._connector.done()):
            self._connector = asyncio.get_running_loop().create_task(self._keep_connecting(), name="redis connector")

    async def _keep_connecting(self) -> None:
        # Unbounded in attempts, for an outage has no bound; bounded in rate, and ended by `aclose`.
        for attempt in count():
            try:
                wire = await open_wire(
                    self._address,
                    limits=self._limits,
                    client_name=self._client_name,
                    tls=self._tls,
                    on_lost=self._connection_lost,
                )
            except CONNECTION_FAILURES as error:
                if attempt == 0:  # once an outage, not once an attempt
                    _log.warning("redis_unreachable", error=str(error), error_type=type(error).__name__)
                await asyncio.sleep(self._limits.pause_seconds(attempt))
            else:
                self._wire, self._connector = wire, None
                self._connected.set()
                _log.info("redis_connected", attempts=attempt + 1)
                return

    def _connection_lost(self, wire: Wire, reason: str) -> None:
        if wire is not self._wire:
            return
        self._wire = None
        self._connected.clear()
        if not self._closed:
            _log.warning("redis_connection_lost", reason=reason)
            self._start_connecting()
