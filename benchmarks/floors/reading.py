"""Bare Litestar handlers: the same bytes, one round trip to Redis, one row set from PostgreSQL. No more."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import msgspec
from litestar import Litestar, Response, get
from redis.asyncio import Redis

from shared_kernel.database.pool import PoolSettings, build_pool
from shared_kernel.redis.multiplexed import MultiplexedRedis

BODY_KEY = "bench:body"
DASHBOARD_KEY = "bench:dashboard"
COMPRESSED_KEY = "bench:dashboard:gzip"
_POOL_SIZE = 10
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL app.tenant_id = '{}'"
_PREPARED = "SELECT body FROM bench.prepared_row WHERE tenant_id = $1 ORDER BY place LIMIT 20"
_SAME_TABLE = """
SELECT document FROM read.order_list__v2
WHERE tenant_id = $1 AND build = $2 ORDER BY placed_at DESC, order_id DESC LIMIT 20
"""
_GZIP = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}


class FloorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the floors read from `BENCH_*`."""

    read_url: str
    redis_url: str
    tenant_id: UUID
    build: int


class _Open:
    """What the handlers use, once the loop runs."""

    body: bytes
    multiplexed: MultiplexedRedis
    pooled: Redis
    pool: asyncpg.Pool
    tenant_id: UUID
    build: int


_open = _Open()


def _json(content: bytes) -> Response[bytes]:
    return Response(content, media_type="application/json")


@get("/bytes")
async def same_bytes() -> Response[bytes]:
    """The body from memory."""
    return _json(_open.body)


@get("/multiplexed")
async def multiplexed() -> Response[bytes]:
    """The body from Redis, over the one connection that all requests share."""
    body = await _open.multiplexed.call("GET", BODY_KEY)
    assert isinstance(body, bytes)
    return _json(body)


@get("/multiplexed-dashboard")
async def multiplexed_dashboard() -> Response[bytes]:
    """The dashboard's bytes in the same way: what moving so many of them costs alone."""
    body = await _open.multiplexed.call("GET", DASHBOARD_KEY)
    assert isinstance(body, bytes)
    return _json(body)


@get("/multiplexed-dashboard-compressed")
async def multiplexed_compressed() -> Response[bytes]:
    """The dashboard as a browser asks for it: its gzip bytes, compressed long before."""
    body = await _open.multiplexed.call("GET", COMPRESSED_KEY)
    assert isinstance(body, bytes)
    return Response(body, media_type="application/json", headers=_GZIP)


@get("/pooled")
async def pooled() -> Response[bytes]:
    """The body from Redis, through redis-py and its pool."""
    return _json(await _open.pooled.get(BODY_KEY))


@get("/prepared")
async def prepared() -> Response[bytes]:
    """Twenty prepared rows, in a transaction that names its tenant to row-level security."""
    async with _open.pool.acquire() as connection:
        await connection.execute(_BEGIN.format(_open.tenant_id))
        rows = await connection.fetch(_PREPARED, _open.tenant_id)
        await connection.execute("COMMIT")
    return _json(b"[" + b",".join(row["body"] for row in rows) + b"]")


@get("/same-sql")
async def same_sql() -> Response[bytes]:
    """The first page of the very table, whose rows carry their JSON, in the same kind of transaction."""
    async with _open.pool.acquire() as connection:
        await connection.execute(_BEGIN.format(_open.tenant_id))
        rows = await connection.fetch(_SAME_TABLE, _open.tenant_id, _open.build)
        await connection.execute("COMMIT")
    return _json(f"[{','.join(row['document'] for row in rows)}]".encode())


@asynccontextmanager
async def _lifespan(_app: Litestar) -> AsyncIterator[None]:
    settings = msgspec.convert(
        {name: os.environ[f"BENCH_{name.upper()}"] for name in FloorSettings.__struct_fields__},
        FloorSettings,
        strict=False,
    )
    _open.tenant_id, _open.build = settings.tenant_id, settings.build
    pool_settings = PoolSettings(application_name="bench-floor", min_size=_POOL_SIZE, max_size=_POOL_SIZE)
    async with (
        MultiplexedRedis.from_url(settings.redis_url, client_name="bench-floor") as _open.multiplexed,
        Redis.from_url(settings.redis_url) as _open.pooled,
        build_pool(settings.read_url, pool_settings) as _open.pool,
    ):
        await _open.multiplexed.connect()
        _open.body = await _open.pooled.get(BODY_KEY)
        yield


_HANDLERS = [same_bytes, multiplexed, multiplexed_dashboard, multiplexed_compressed, pooled, prepared, same_sql]
app = Litestar(_HANDLERS, lifespan=[_lifespan], openapi_config=None)
