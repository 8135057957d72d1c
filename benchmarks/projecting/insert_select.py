"""The rebuild's floor: the three tables from the log, by one statement of SQL each."""

import time
from uuid import UUID

import asyncpg

_STATEMENTS = (
    """
    CREATE TABLE floor.orders AS
    SELECT p.tenant_id, p.stream_id AS order_id, p.payload->>'number' AS number, p.occurred_at AS placed_at,
           coalesce(f.payload->>'status', p.payload->>'status') AS status,
           (p.payload->>'item_count')::int AS item_count,
           (p.payload->>'total_minor')::bigint AS total_minor
    FROM log.event p LEFT JOIN log.event f
      ON f.tenant_id = p.tenant_id AND f.stream_id = p.stream_id AND f.type = 'OrderFulfilled'
    WHERE p.type = 'OrderPlaced' AND p.tenant_id = ANY($1)
    """,
    """
    CREATE TABLE floor.days AS
    SELECT tenant_id, metadata->'store_time'->>'date' AS day, count(*) AS orders,
           sum((payload->>'item_count')::int) AS units, sum((payload->>'net_minor')::bigint) AS net_minor
    FROM log.event WHERE type = 'OrderPlaced' AND tenant_id = ANY($1) GROUP BY 1, 2
    """,
    """
    CREATE TABLE floor.sellers AS
    SELECT e.tenant_id, l.edition_id, max(l.title) AS title, sum(l.quantity) AS units, sum(l.net_minor) AS net_minor
    FROM log.event e CROSS JOIN LATERAL jsonb_to_recordset(e.payload->'lines')
        AS l(edition_id uuid, title text, quantity int, net_minor bigint)
    WHERE e.type = 'OrderPlaced' AND e.tenant_id = ANY($1) GROUP BY 1, 2
    """,
)
_KEYS = """
ALTER TABLE floor.orders ADD PRIMARY KEY (tenant_id, order_id);
ALTER TABLE floor.days ADD PRIMARY KEY (tenant_id, day);
ALTER TABLE floor.sellers ADD PRIMARY KEY (tenant_id, edition_id);
"""


async def seconds_of_insert_select(admin_url: str, tenants: list[UUID]) -> float:
    """How long filling and indexing the three tables takes, logged and durable."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute("DROP SCHEMA IF EXISTS floor CASCADE; CREATE SCHEMA floor")
        listed = ", ".join(f"'{tenant}'" for tenant in tenants)
        started = time.perf_counter()
        for statement in _STATEMENTS:
            # CREATE TABLE AS binds no parameters; these are UUIDs of ours.
            await connection.execute(statement.replace("$1", f"ARRAY[{listed}]::uuid[]"))
        await connection.execute(_KEYS)
        return time.perf_counter() - started
    finally:
        await connection.close()
