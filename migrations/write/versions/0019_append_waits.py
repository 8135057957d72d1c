"""Who waits for copies is not said to wait for the log."""

from migrations.script import run

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# A statement that locks copies and appends has the table of heads locked from its beginning. Only who waits for a row
# of it has asked for the lock of that row: the first in the queue holds it and waits for the row's holder, the others
# wait for it.
VITALS = """
CREATE OR REPLACE FUNCTION log.vitals()
RETURNS TABLE (append_waiting bigint, append_wait_seconds double precision, unfinished_archives bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH locks AS MATERIALIZED (SELECT pid, granted, waitstart, locktype, database, relation FROM pg_locks)
    SELECT count(DISTINCT waiting.pid),
        coalesce(max(extract(epoch FROM clock_timestamp() - waiting.waitstart)), 0)::double precision,
        (SELECT count(*) FROM log.archive a
         WHERE a.removed_at IS NULL AND a.written_at < clock_timestamp() - interval '5 minutes')
    FROM locks waiting
    WHERE NOT waiting.granted AND EXISTS (
        SELECT FROM locks asked
        WHERE asked.pid = waiting.pid AND asked.locktype = 'tuple' AND asked.relation = 'log.tenant_head'::regclass
            AND asked.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
$$;
"""


def upgrade() -> None:
    """Tell the two waits apart."""
    run(VITALS)
