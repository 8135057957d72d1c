"""The archive's manifest, and the only way to delete events: by a file that holds the very rows, and was read back."""

from migrations.script import crossing, isolation, run

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# `sha256` is of the file as it lies there; `verified_at`, when it was read back and found to hold the very rows.
TABLE = """
CREATE TABLE log.archive (
    tenant_id uuid NOT NULL REFERENCES write.tenant,
    from_position bigint NOT NULL CHECK (from_position > 0),
    to_position bigint NOT NULL,
    uri text NOT NULL CHECK (length(uri) BETWEEN 1 AND 2000),
    events integer NOT NULL CHECK (events = to_position - from_position + 1),
    bytes bigint NOT NULL CHECK (bytes > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    written_at timestamptz NOT NULL,
    verified_at timestamptz,
    removed_at timestamptz CHECK (removed_at IS NULL OR verified_at IS NOT NULL),
    PRIMARY KEY (tenant_id, from_position)
);
"""

# Every function locks the store's manifest, so that two archivers, or one that was believed dead, do a thing once.
FUNCTIONS = """
CREATE FUNCTION log.lock_archive(tenant uuid) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('log.archive ' || tenant::text, 0))
$$;
-- What a range of a log says, in one number: everything of every row, so that nothing can differ unseen.
CREATE FUNCTION log.digest_of(tenant uuid, first bigint, last bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT encode(sha256(convert_to(coalesce(string_agg(concat_ws('|', e.position, e.event_id, e.stream_type,
        e.stream_id, e.stream_version, e.type, e.schema_version,
        (extract(epoch FROM e.occurred_at) * 1000000)::bigint, (extract(epoch FROM e.recorded_at) * 1000000)::bigint,
        e.payload::text, e.metadata::text), E'\\n' ORDER BY e.position), ''), 'UTF8')), 'hex')
    FROM log.event e WHERE e.tenant_id = tenant AND e.position BETWEEN first AND last
$$;
-- A log is archived from its beginning, without a gap, and never to its end: the last event of a store stays.
CREATE FUNCTION log.note_archive(tenant uuid, first bigint, last bigint, at_uri text, size bigint, checksum text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    expected bigint;
    head bigint;
BEGIN
    PERFORM log.lock_archive(tenant);
    SELECT coalesce(max(to_position), 0) + 1 INTO expected FROM log.archive WHERE tenant_id = tenant;
    SELECT position INTO head FROM log.tenant_head WHERE tenant_id = tenant;
    IF first <> expected OR last < first OR head IS NULL OR last >= head THEN
        RAISE EXCEPTION 'events % to % are not what is to be archived next: it is from %, before %',
            first, last, expected, head;
    END IF;
    INSERT INTO log.archive (tenant_id, from_position, to_position, uri, events, bytes, sha256, written_at)
    VALUES (tenant, first, last, at_uri, last - first + 1, size, checksum, clock_timestamp());
END
$$;
-- `read_back` was worked out from the file, by whoever read it; the rows themselves must say the same.
CREATE FUNCTION log.verify_archive(tenant uuid, first bigint, read_back text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    file log.archive;
BEGIN
    PERFORM log.lock_archive(tenant);
    SELECT * INTO file FROM log.archive WHERE tenant_id = tenant AND from_position = first;
    IF NOT FOUND OR file.removed_at IS NOT NULL THEN
        RAISE EXCEPTION 'there is no archive file from % whose events are still here', first;
    END IF;
    IF log.digest_of(tenant, file.from_position, file.to_position) IS DISTINCT FROM read_back THEN
        RAISE EXCEPTION 'the file of events % to % does not hold what the log holds', file.from_position,
            file.to_position USING ERRCODE = 'data_exception';
    END IF;
    UPDATE log.archive SET verified_at = clock_timestamp() WHERE tenant_id = tenant AND from_position = first;
END
$$;
CREATE FUNCTION log.remove_archived(tenant uuid, first bigint, read_back text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    file log.archive;
    removed bigint;
BEGIN
    PERFORM log.lock_archive(tenant);
    SELECT * INTO file FROM log.archive WHERE tenant_id = tenant AND from_position = first;
    IF NOT FOUND OR file.verified_at IS NULL OR file.removed_at IS NOT NULL THEN
        RAISE EXCEPTION 'there is no verified archive file from % whose events are still here', first;
    END IF;
    IF EXISTS (SELECT FROM log.archive WHERE tenant_id = tenant AND from_position < first AND removed_at IS NULL) THEN
        RAISE EXCEPTION 'earlier events than % are still here', first;
    END IF;
    IF log.digest_of(tenant, file.from_position, file.to_position) IS DISTINCT FROM read_back THEN
        RAISE EXCEPTION 'the file of events % to % does not hold what the log holds', file.from_position,
            file.to_position USING ERRCODE = 'data_exception';
    END IF;
    DELETE FROM log.event WHERE tenant_id = tenant AND position BETWEEN file.from_position AND file.to_position;
    GET DIAGNOSTICS removed = ROW_COUNT;
    IF removed <> file.events THEN
        RAISE EXCEPTION '% of % events were there', removed, file.events;
    END IF;
    UPDATE log.archive SET removed_at = clock_timestamp() WHERE tenant_id = tenant AND from_position = first;
    RETURN removed;
END
$$;
-- A file that was found wanting before anything was deleted is given up, and written again.
CREATE FUNCTION log.forget_archive(tenant uuid, first bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM log.lock_archive(tenant);
    IF EXISTS (SELECT FROM log.archive WHERE tenant_id = tenant AND from_position >= first AND removed_at IS NOT NULL)
    THEN
        RAISE EXCEPTION 'the events from % on are only in their file', first;
    END IF;
    DELETE FROM log.archive WHERE tenant_id = tenant AND from_position >= first;
END
$$;
DROP FUNCTION log.vitals();
-- Whoever appends holds a lock on the table of heads, and one that is not granted is on the row or on its holder.
CREATE FUNCTION log.vitals()
RETURNS TABLE (append_waiting bigint, append_wait_seconds double precision, unfinished_archives bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH locks AS MATERIALIZED (SELECT pid, granted, waitstart, database, relation FROM pg_locks)
    SELECT count(DISTINCT waiting.pid),
        coalesce(max(extract(epoch FROM clock_timestamp() - waiting.waitstart)), 0)::double precision,
        (SELECT count(*) FROM log.archive a
         WHERE a.removed_at IS NULL AND a.written_at < clock_timestamp() - interval '5 minutes')
    FROM locks waiting
    WHERE NOT waiting.granted AND EXISTS (
        SELECT FROM locks held
        WHERE held.pid = waiting.pid AND held.relation = 'log.tenant_head'::regclass
            AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
$$;
CREATE FUNCTION log.sizes() RETURNS TABLE (database_bytes bigint, live_rows bigint, dead_rows bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT pg_database_size(current_database()), coalesce(sum(n_live_tup), 0)::bigint,
        coalesce(sum(n_dead_tup), 0)::bigint
    FROM pg_stat_user_tables
$$;
REVOKE ALL ON FUNCTION log.lock_archive, log.digest_of, log.note_archive, log.verify_archive, log.remove_archived,
    log.forget_archive, log.vitals, log.sizes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.note_archive, log.verify_archive, log.remove_archived, log.forget_archive
    TO shelfwise_operator;
GRANT EXECUTE ON FUNCTION log.vitals, log.sizes TO shelfwise_read_api, shelfwise_operator;
"""

OWNERS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON log.archive TO shelfwise_gatekeeper;
GRANT DELETE ON log.event TO shelfwise_gatekeeper;
GRANT SELECT ON log.archive TO shelfwise_operator, shelfwise_projector, shelfwise_reactions;
GRANT CREATE ON SCHEMA log TO shelfwise_gatekeeper;
ALTER FUNCTION log.lock_archive OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION log.digest_of OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION log.note_archive OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION log.verify_archive OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION log.remove_archived OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION log.forget_archive OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION log.vitals OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION log.sizes OWNER TO shelfwise_gatekeeper;
REVOKE CREATE ON SCHEMA log FROM shelfwise_gatekeeper;
"""


def upgrade() -> None:
    """Create the manifest, and give the right to delete to one role that cannot log in."""
    run(TABLE + isolation("log.archive"))
    run(crossing("log.archive", role="shelfwise_gatekeeper", verb="ALL"))
    for role in ("shelfwise_operator", "shelfwise_projector", "shelfwise_reactions"):
        run(crossing("log.archive", role=role))
    run("DROP POLICY shelfwise_gatekeeper_crosses ON log.event")
    run(crossing("log.event", role="shelfwise_gatekeeper", verb="ALL"))
    run(FUNCTIONS + OWNERS)
