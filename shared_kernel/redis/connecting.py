"""Opening one connection: the socket, then who we are and which database, all within one deadline."""

import asyncio
from collections.abc import Callable
from ssl import SSLContext

from shared_kernel.redis.address import RedisAddress
from shared_kernel.redis.errors import RedisAway, RedisReplyError, RedisUnavailable
from shared_kernel.redis.limits import ConnectionLimits
from shared_kernel.redis.replies import Command, pack_own
from shared_kernel.redis.wire import Wire

# TimeoutError and ssl.SSLError are OSErrors; UnicodeError is what a host name that cannot be encoded raises.
CONNECTION_FAILURES = (OSError, UnicodeError, RedisUnavailable, RedisReplyError)


async def open_wire(
    address: RedisAddress,
    *,
    limits: ConnectionLimits,
    client_name: str,
    tls: SSLContext | None,
    on_lost: Callable[[Wire, str], None],
) -> Wire:
    """Connect, authenticate, select the database.

    Raises: one of CONNECTION_FAILURES; the socket is closed then.
    """
    wire = Wire(limits=limits, on_lost=on_lost)
    try:
        async with asyncio.timeout(limits.connect_seconds):
            await open_socket(address, wire, tls)
            await _shake_hands(address, wire, client_name)
    except BaseException:
        wire.abort("the handshake with Redis failed")
        raise
    return wire


async def open_socket(address: RedisAddress, protocol: asyncio.Protocol, tls: SSLContext | None) -> None:
    """Connect a protocol, which has yet to say who it is.

    Raises: one of CONNECTION_FAILURES.
    """
    loop = asyncio.get_running_loop()
    if address.path:
        await loop.create_unix_connection(lambda: protocol, address.path)
    else:
        await loop.create_connection(lambda: protocol, address.host, address.port, ssl=tls)


def handshake(address: RedisAddress, client_name: str) -> list[Command]:
    """Who we are and which database; each command is answered by one reply."""
    commands: list[Command] = []
    if address.password:
        commands.append(("AUTH", *([address.username] if address.username else []), address.password))
    if address.database:
        commands.append(("SELECT", address.database))
    # Always one command that must be answered: a server that accepts and then hangs is not connected to.
    commands.append(("CLIENT", "SETNAME", client_name))
    return commands


async def _shake_hands(address: RedisAddress, wire: Wire, client_name: str) -> None:
    for reply in await wire.send_all([pack_own(command) for command in handshake(address, client_name)]):
        if isinstance(reply, RedisReplyError):
            raise reply
    if not wire.alive:  # lost in the very tick in which the handshake was answered
        reason = "Redis closed the connection after the handshake"
        raise RedisAway(reason)
