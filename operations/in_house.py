"""Commands and look-ups from inside the house: the command line and the demo act without a key and without HTTP."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import structlog
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from operations.servers.installation import Installation
from shared_kernel.access.revocations import RevocationMessages
from shared_kernel.database.pool import KEYED_LOOK_UPS, OpeningPool, Pool, PoolSettings, build_pool
from shared_kernel.database.roles import DatabaseRole, url_as
from shared_kernel.doorbell import RedisDoorbell, decode_job, encode_job
from shared_kernel.redis.errors import RedisUnavailable
from shared_kernel.redis.multiplexed import MultiplexedRedis
from write_side.command_execution.execution import CommandExecution

_LONG_STATEMENT_SECONDS = 60.0
"""A bulk import's batch, or a verification's page; interactive commands end far below."""
_LONG_TRANSACTION_SECONDS = 60.0

log = structlog.get_logger()


class InHouse(msgspec.Struct, frozen=True, kw_only=True):
    """What commands from inside need: the write side's own way to run them, and an operator's eyes."""

    execution: CommandExecution
    revocations: RevocationMessages
    write_pool: Pool
    """Logged in as the write API."""
    operator_pool: Pool
    """The write database, logged in as the operator, who may look across stores and change nothing."""
    secret_key: str


@asynccontextmanager
async def in_house(installation: Installation) -> AsyncIterator[InHouse]:
    """Open everything, in this order, and close it in the reverse."""
    async with AsyncExitStack() as stack:
        operator_pool = await stack.enter_async_context(pool_as(DatabaseRole.OPERATOR, installation, read=False))
        write_pool = await stack.enter_async_context(pool_as(DatabaseRole.WRITE_API, installation, read=False))
        redis = await stack.enter_async_context(
            MultiplexedRedis.from_url(installation.redis_url, client_name="command-line")
        )
        try:
            await redis.connect()
        except RedisUnavailable:
            log.warning("redis_away", consequence="projectors hear of this a second later")
        jobs = ArqRedis(
            ConnectionPool.from_url(installation.redis_url, socket_timeout=2, socket_connect_timeout=2),
            job_serializer=encode_job,
            job_deserializer=decode_job,
        )
        stack.push_async_callback(jobs.aclose, close_connection_pool=True)
        doorbell = RedisDoorbell(redis, jobs)
        stack.push_async_callback(doorbell.aclose)
        execution = CommandExecution(pool=write_pool, doorbell=doorbell)
        stack.push_async_callback(execution.aclose)
        yield InHouse(
            execution=execution,
            revocations=RevocationMessages(redis),
            write_pool=write_pool,
            operator_pool=operator_pool,
            secret_key=installation.secret_key,
        )


def pool_as(role: DatabaseRole, installation: Installation, *, read: bool, size: int = 4) -> OpeningPool:
    """A pool on one of the two databases, logged in as one role.

    Args:
        role: who acts.
        installation: where the databases are.
        read: the read database; else the write database.
        size: connections at most.
    """
    server = installation.read_database_url if read else installation.write_database_url
    return build_pool(
        url_as(role, server, installation.role_passwords.of(role)),
        PoolSettings(
            application_name="shelfwise-command-line",
            max_size=size,
            acquire_timeout_seconds=10.0,
            command_timeout_seconds=_LONG_STATEMENT_SECONDS,
            statement_timeout_seconds=_LONG_STATEMENT_SECONDS,
            idle_in_transaction_timeout_seconds=_LONG_TRANSACTION_SECONDS,
            planner={} if role is DatabaseRole.OPERATOR else KEYED_LOOK_UPS,
        ),
    )
