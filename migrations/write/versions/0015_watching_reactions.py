"""Lets whoever watches ask how reactions and their outboxes are, and an operator leave a parked event out for good."""

from migrations.script import crossing, isolation, run

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE reaction.skipped_event (
    reaction text NOT NULL,
    tenant_id uuid NOT NULL,
    position bigint NOT NULL,
    key uuid NOT NULL,
    parked_id uuid NOT NULL,
    skipped_by text NOT NULL CHECK (length(skipped_by) BETWEEN 1 AND 200),
    why text NOT NULL CHECK (length(why) BETWEEN 1 AND 1000),
    skipped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (reaction, tenant_id, position),
    FOREIGN KEY (reaction, tenant_id) REFERENCES reaction.checkpoint
);
"""

# Names, counts and times, and nothing that an event or a message says: the query API's role may ask too.
WATCHING = """
CREATE FUNCTION reaction.labour(seen_seconds double precision)
RETURNS TABLE (workers bigint, shards bigint, held_shards bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT (SELECT count(*) FROM reaction.worker w
            WHERE w.seen_at > clock_timestamp() - make_interval(secs => seen_seconds)),
        count(*), count(*) FILTER (WHERE l.owner IS NOT NULL AND l.expires_at > clock_timestamp())
    FROM reaction.lease l
$$;
-- Only of those that are behind is it asked since when, mostly of none; a subselect stays one look at the key.
CREATE FUNCTION reaction.standing()
RETURNS TABLE (name text, tenants bigint, lag_events numeric, lag_seconds double precision, dead bigint,
               retrying bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT s.reaction, count(c.tenant_id), coalesce(sum(greatest(h.position - c.position, 0)), 0),
        coalesce(max(extract(epoch FROM clock_timestamp() - CASE WHEN c.position < h.position THEN (
            SELECT e.recorded_at FROM log.event e WHERE (e.tenant_id, e.position) = (c.tenant_id, c.position + 1)
        ) END)), 0)::double precision,
        (SELECT count(*) FROM reaction.parked_key k WHERE k.reaction = s.reaction AND k.state = 'dead'),
        (SELECT count(*) FROM reaction.parked_key k WHERE k.reaction = s.reaction AND k.state = 'retrying')
    FROM reaction.subscription s
    LEFT JOIN reaction.checkpoint c USING (reaction)
    LEFT JOIN log.tenant_head h ON h.tenant_id = c.tenant_id
    GROUP BY s.reaction
$$;
-- A receiver that fails has a backlog of its own making; what tells of ours is what is due to anybody else.
CREATE FUNCTION reaction.outboxes() RETURNS TABLE (name text, due bigint, overdue_seconds double precision)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT o.name, count(o.at), coalesce(max(extract(epoch FROM clock_timestamp() - o.at)), 0)::double precision
    FROM (
        SELECT 'webhooks' AS name, d.next_attempt_at AS at
        FROM write.webhook_delivery d JOIN write.webhook w USING (tenant_id, webhook_id)
        WHERE d.status = 'pending' AND d.next_attempt_at <= clock_timestamp() AND w.status = 'enabled'
            AND w.failing_since IS NULL
        UNION ALL
        SELECT 'mail', m.next_attempt_at FROM write.mail m
        WHERE m.status = 'pending' AND m.next_attempt_at <= clock_timestamp()
        UNION ALL SELECT n, NULL FROM unnest('{webhooks,mail}'::text[]) AS n
    ) o GROUP BY o.name
$$;
REVOKE ALL ON FUNCTION reaction.labour, reaction.standing, reaction.outboxes FROM PUBLIC;
GRANT USAGE ON SCHEMA reaction TO shelfwise_read_api;
GRANT EXECUTE ON FUNCTION reaction.labour, reaction.standing, reaction.outboxes
    TO shelfwise_read_api, shelfwise_operator;
"""

# Locks are taken in the worker's own order: checkpoint, then key. Its next turn finds the former moved, and looks anew.
SKIPPING = """
CREATE FUNCTION reaction.skip(parked uuid, at_position bigint, by_whom text, because text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    letter reaction.parked_key;
    following bigint;
BEGIN
    SELECT * INTO letter FROM reaction.parked_key k WHERE k.id = parked;
    PERFORM FROM reaction.checkpoint c
    WHERE (c.reaction, c.tenant_id) = (letter.reaction, letter.tenant_id) FOR NO KEY UPDATE;
    SELECT * INTO letter FROM reaction.parked_key k
    WHERE k.id = parked AND k.first_position = at_position AND k.state = 'dead' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO reaction.skipped_event (reaction, tenant_id, position, key, parked_id, skipped_by, why)
    VALUES (letter.reaction, letter.tenant_id, at_position, letter.key, parked, by_whom, because);
    DELETE FROM reaction.parked_event e
    WHERE (e.reaction, e.tenant_id, e.key) = (letter.reaction, letter.tenant_id, letter.key) AND e.position = (
        SELECT min(n.position) FROM reaction.parked_event n
        WHERE (n.reaction, n.tenant_id, n.key) = (letter.reaction, letter.tenant_id, letter.key)
    ) RETURNING e.position INTO following;
    IF following IS NULL THEN
        DELETE FROM reaction.parked_key k WHERE k.id = parked;
        UPDATE reaction.checkpoint c SET parked = c.parked - 1
        WHERE (c.reaction, c.tenant_id) = (letter.reaction, letter.tenant_id);
    ELSE
        UPDATE reaction.parked_key k
        SET first_position = following, attempts = 0, state = 'retrying', next_attempt_at = clock_timestamp()
        WHERE k.id = parked;
    END IF;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION reaction.skip FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reaction.skip TO shelfwise_operator;
GRANT SELECT ON reaction.skipped_event TO shelfwise_operator;
"""

OWNERS = """
GRANT USAGE, CREATE ON SCHEMA reaction TO shelfwise_gatekeeper;
GRANT SELECT ON reaction.worker, reaction.lease, reaction.subscription, write.webhook, write.webhook_delivery,
    write.mail TO shelfwise_gatekeeper;
GRANT SELECT, UPDATE (parked) ON reaction.checkpoint TO shelfwise_gatekeeper;
GRANT SELECT, UPDATE, DELETE ON reaction.parked_key TO shelfwise_gatekeeper;
GRANT SELECT, DELETE ON reaction.parked_event TO shelfwise_gatekeeper;
GRANT INSERT ON reaction.skipped_event TO shelfwise_gatekeeper;
ALTER FUNCTION reaction.labour OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION reaction.standing OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION reaction.outboxes OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION reaction.skip OWNER TO shelfwise_gatekeeper;
REVOKE CREATE ON SCHEMA reaction FROM shelfwise_gatekeeper;
"""


def upgrade() -> None:
    """Create the functions, which see every store by their owner's own policies."""
    run(TABLE + isolation("reaction.skipped_event") + crossing("reaction.skipped_event", role="shelfwise_operator"))
    for table in ("reaction.checkpoint", "reaction.parked_key", "reaction.parked_event", "reaction.skipped_event"):
        run(crossing(table, role="shelfwise_gatekeeper", verb="ALL"))
    for table in ("write.webhook", "write.webhook_delivery", "write.mail"):
        run(crossing(table, role="shelfwise_gatekeeper"))
    run(WATCHING + SKIPPING + OWNERS)
