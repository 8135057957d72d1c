"""What goes on failing waits longer each time, and a reaction that no release has any more is watched no more."""

from migrations.script import run

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

HOLDS = """
ALTER TABLE write.hold ADD COLUMN expiry_attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN expiry_retry_at timestamptz;
"""

# Workers say every half minute what they follow. Where none lives, nothing is newer than the rest, and all is watched.
FOLLOWING = """
ALTER TABLE reaction.subscription ADD COLUMN followed_at timestamptz NOT NULL DEFAULT clock_timestamp();
GRANT UPDATE (followed_at) ON reaction.subscription TO shelfwise_reactions;
CREATE VIEW reaction.followed WITH (security_invoker = true) AS
    SELECT s.reaction, s.begins FROM reaction.subscription s
    WHERE s.followed_at >= (SELECT max(n.followed_at) FROM reaction.subscription n) - interval '3 minutes';
GRANT SELECT ON reaction.followed TO shelfwise_operator, shelfwise_gatekeeper;
DROP FUNCTION reaction.standing();
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
    FROM reaction.followed s
    LEFT JOIN reaction.checkpoint c USING (reaction)
    LEFT JOIN log.tenant_head h ON h.tenant_id = c.tenant_id
    GROUP BY s.reaction
$$;
REVOKE ALL ON FUNCTION reaction.standing FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reaction.standing TO shelfwise_read_api, shelfwise_operator;
GRANT CREATE ON SCHEMA reaction TO shelfwise_gatekeeper;
ALTER FUNCTION reaction.standing OWNER TO shelfwise_gatekeeper;
REVOKE CREATE ON SCHEMA reaction FROM shelfwise_gatekeeper;
"""


def upgrade() -> None:
    """Count a hold's failures to end, and know what is followed."""
    run(HOLDS + FOLLOWING)
