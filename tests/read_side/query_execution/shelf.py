"""Stands in for the projector: writes rows and states where it would."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec
from redis.asyncio import Redis
from sqlalchemy.dialects.postgresql import JSONB

from projections.principal import PROJECTION as PRINCIPALS
from projections.runtime.catalog import Catalog, ensure_tables
from projections.store import PROJECTION as STORES
from shared_kernel.access.api_keys import hash_api_key, new_api_key
from shared_kernel.database.roles import DatabaseRole
from shared_kernel.identifiers import new_id
from shared_kernel.redis.keys import TenantKeys
from shared_kernel.redis.state import ProjectionState, encode_state
from shared_kernel.views import encode_key
from tests.read_side.query_execution.books import (
    AS_OF,
    INCARNATION,
    PROJECTION,
    VIEW,
    BookRow,
    book_body,
    book_document,
    state,
)
from tests.servers import Servers


class Shelf:
    """Writes what the projector would: rows and checkpoints in PostgreSQL, rows and states in Redis."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    async def prepare(self) -> None:
        """Make the tables, each with its first build."""
        connection = await self._as_projector()
        try:
            await ensure_tables(connection, Catalog((PROJECTION, PRINCIPALS, STORES)))
        finally:
            await connection.close()

    async def open_store(self, *, role: str = "owner") -> tuple[UUID, str]:
        """A store that exists, and a key of it."""
        tenant_id, key = new_id(), new_api_key()
        connection = await self._as_projector()
        try:
            for name in ("principal", "store"):
                await self._checkpoint(connection, tenant_id, name, state(position=1))
            await connection.execute(
                "INSERT INTO read.principal__v1 (tenant_id, build, position, key_hash, key_id, principal_id, role,"
                " expires_at, revoked) VALUES ($1, 1, 1, $2, $3, $4, $5, NULL, false)",
                tenant_id,
                hash_api_key(key, self._servers.secret_key),
                new_id(),
                new_id(),
                role,
            )
            await _insert_store(connection, tenant_id)
        finally:
            await connection.close()
        return tenant_id, key

    async def project(self, tenant_id: UUID, rows: Sequence[BookRow], shown: ProjectionState) -> None:
        """Replace the tenant's rows in PostgreSQL, and say what they are the rows of."""
        connection = await self._as_projector()
        try:
            async with connection.transaction():
                await self._checkpoint(connection, tenant_id, VIEW.name, shown)
                await connection.execute("DELETE FROM read.tested_book__v1 WHERE tenant_id = $1", tenant_id)
                await connection.executemany(
                    "INSERT INTO read.tested_book__v1 (tenant_id, build, position, book_id, title, price_minor,"
                    " published_at, tags, document) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9)",
                    [_values(tenant_id, shown, row) for row in rows],
                )
        finally:
            await connection.close()

    async def park(self, tenant_id: UUID, key: str, *, first_position: int) -> None:
        """Park a key's events from a position on; `*` parks them all."""
        connection = await self._as_projector()
        try:
            await connection.execute(
                "INSERT INTO projection.parked_key (tenant_id, name, version, build, key, id, state, first_position,"
                " attempts, error, next_attempt_at) VALUES ($1, $2, 1, 1, $3, $4, 'dead', $5, 5, 'poison', now())",
                tenant_id,
                VIEW.name,
                key,
                new_id(),
                first_position,
            )
        finally:
            await connection.close()

    async def analyze(self) -> None:
        """Tell the planner how many rows there are."""
        connection = await asyncpg.connect(self._servers.read_admin_url)
        try:
            await connection.execute("ANALYZE read.tested_book__v1")
        finally:
            await connection.close()

    async def drop_table(self) -> None:
        """Take the view's table away, as if no projector of this release had ever run."""
        connection = await asyncpg.connect(self._servers.read_admin_url)
        try:
            await connection.execute("DROP TABLE read.tested_book__v1")
        finally:
            await connection.close()

    async def write_through(
        self, tenant_id: UUID, shown: ProjectionState, rows: Iterable[BookRow] = (), *, gone: Iterable[UUID] = ()
    ) -> None:
        """Put the state, these rows, and tombstones for those that are gone, to Redis."""
        keys = TenantKeys(tenant_id)
        written = [(row.book_id, book_body(row)) for row in rows] + [(book_id, b"") for book_id in gone]
        async with Redis.from_url(self._servers.redis_url) as redis:
            for book_id, body in written:
                key = keys.row_key(
                    incarnation=INCARNATION,
                    projection=VIEW.name,
                    version=1,
                    build=shown.build,
                    row_key=encode_key((book_id,)),
                )
                await redis.set(key, f"{shown.position}|".encode() + body)
            fields = {"i": INCARNATION, "e": "1", VIEW.label: encode_state(shown)}
            await redis.hset(keys.state_key(), mapping=fields)
            await redis.set(keys.head_key(), shown.position)

    async def set_head(self, tenant_id: UUID, position: int) -> None:
        """Say where the log ends, in the write database."""
        connection = await asyncpg.connect(self._servers.write_admin_url)
        try:
            await connection.execute(
                "INSERT INTO write.tenant (tenant_id, version, slug, name, currency, timezone, prices_include_tax,"
                " tax_rates, allowed_origins, created_at) VALUES ($1, 1, $2, 'A store', 'GBP', 'Europe/London', true,"
                " '{}', '{}', now()) ON CONFLICT DO NOTHING",
                tenant_id,
                f"s-{tenant_id.hex}",
            )
            await connection.execute(
                "INSERT INTO log.tenant_head (tenant_id, shard, position, recorded_at) VALUES ($1, 0, $2, now())"
                " ON CONFLICT (tenant_id) DO UPDATE SET position = excluded.position",
                tenant_id,
                position,
            )
        finally:
            await connection.close()

    async def _as_projector(self) -> asyncpg.Connection:
        return await asyncpg.connect(self._servers.url_as(DatabaseRole.PROJECTOR))

    async def _checkpoint(
        self, connection: asyncpg.Connection, tenant_id: UUID, name: str, shown: ProjectionState
    ) -> None:
        await connection.execute(
            "INSERT INTO projection.checkpoint (tenant_id, name, version, build, mode, position, as_of, revision, rows,"
            " parked) VALUES ($1, $2, 1, $3, 'live', $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, name, version, build)"
            " DO UPDATE SET position = $4, as_of = $5, revision = $6, rows = $7, parked = $8",
            tenant_id,
            name,
            shown.build,
            shown.position,
            shown.as_of,
            shown.revision,
            shown.rows,
            shown.parked,
        )
        await connection.execute(
            "INSERT INTO read.active_build (tenant_id, name, version, build) VALUES ($1, $2, 1, $3)"
            " ON CONFLICT DO NOTHING",
            tenant_id,
            name,
            shown.build,
        )


async def _insert_store(connection: asyncpg.Connection, tenant_id: UUID) -> None:
    """Whatever columns the view has, with something in each that may not be null."""
    table = STORES.view.table
    samples = {str: "x", bool: False, int: 1, UUID: tenant_id, datetime: AS_OF}
    known = {"tenant_id": tenant_id, "store_id": tenant_id, "currency": "GBP", "timezone": "Europe/London"}
    values = {
        column.name: known[column.name]
        if column.name in known
        else ("[]" if isinstance(column.type, JSONB) else samples[column.type.python_type])
        for column in table.columns
        if not column.nullable
    }
    bound = ", ".join(f"${index}" for index in range(1, len(values) + 1))
    await connection.execute(
        f"INSERT INTO {table.fullname} ({', '.join(values)}) VALUES ({bound})",  # noqa: S608 - the view's own names
        *values.values(),
    )


def _values(tenant_id: UUID, shown: ProjectionState, row: BookRow) -> tuple[object, ...]:
    tags = msgspec.json.encode(row.tags).decode()
    common = (tenant_id, shown.build, shown.position)
    return (*common, row.book_id, row.title, row.price_minor, row.published_at, tags, book_document(row))
