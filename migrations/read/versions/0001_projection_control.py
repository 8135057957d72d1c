"""Leases, builds, checkpoints, parked keys, operators' requests, and the guarded way to create read tables."""

from migrations.script import CURRENT_TENANT, crossing, isolation, run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMAS = """
CREATE SCHEMA read;
GRANT USAGE ON SCHEMA read, projection TO shelfwise_read_api, shelfwise_projector, shelfwise_operator;
"""

TABLES = """
CREATE TABLE projection.lease (
    shard smallint PRIMARY KEY CHECK (shard >= 0),
    owner uuid,
    epoch bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
CREATE TABLE projection.worker (
    worker_id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE projection.build (
    name text NOT NULL,
    version integer NOT NULL,
    build integer NOT NULL CHECK (build > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (name, version, build)
);
CREATE TABLE projection.checkpoint (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    build integer NOT NULL,
    mode text NOT NULL CHECK (mode IN ('live', 'kept', 'building')),
    position bigint NOT NULL CHECK (position >= 0),
    as_of timestamptz,
    revision bigint NOT NULL CHECK (revision >= 0),
    rows bigint NOT NULL,
    parked integer NOT NULL DEFAULT 0 CHECK (parked >= 0),
    PRIMARY KEY (tenant_id, name, version, build),
    FOREIGN KEY (name, version, build) REFERENCES projection.build
) WITH (fillfactor = 50);
CREATE INDEX checkpoint_building ON projection.checkpoint (tenant_id) WHERE mode = 'building';
CREATE TABLE read.active_build (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    build integer NOT NULL,
    PRIMARY KEY (tenant_id, name, version),
    FOREIGN KEY (tenant_id, name, version, build) REFERENCES projection.checkpoint
);
CREATE TABLE projection.parked_key (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    build integer NOT NULL,
    key text NOT NULL CHECK (length(key) <= 2000),
    id uuid NOT NULL UNIQUE,
    state text NOT NULL CHECK (state IN ('retrying', 'dead')),
    first_position bigint NOT NULL,
    attempts integer NOT NULL,
    error text NOT NULL CHECK (length(error) <= 8000),
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_attempt_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name, version, build, key),
    FOREIGN KEY (tenant_id, name, version, build) REFERENCES projection.checkpoint ON DELETE CASCADE
);
CREATE TABLE projection.parked_event (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    build integer NOT NULL,
    key text NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tenant_id, name, version, build, key, position),
    FOREIGN KEY (tenant_id, name, version, build, key) REFERENCES projection.parked_key ON DELETE CASCADE
);
CREATE TABLE projection.cache (
    tenant_id uuid PRIMARY KEY,
    incarnation text NOT NULL,
    epoch bigint NOT NULL
);
CREATE TABLE projection.request (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('rebuild')),
    name text NOT NULL,
    version integer NOT NULL,
    only_tenant uuid,
    options jsonb NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    from_build integer,
    to_build integer,
    state text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'running', 'done', 'failed')),
    events bigint NOT NULL DEFAULT 0,
    started_at timestamptz,
    finished_at timestamptz,
    error text
);
"""

# The projector may create read tables, but only of this shape: names from the catalogue of identifiers, types from a list,
# never a statement of its own. Every table and every partition gets row-level security before anybody can see it.
FUNCTIONS = f"""
CREATE FUNCTION projection.protect(target text, known_by text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('ALTER TABLE read.%I ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE read.%I FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY tenant_isolation ON read.%I FOR SELECT TO shelfwise_read_api
        USING (tenant_id = {CURRENT_TENANT.replace("'", "''")})', target);
    EXECUTE format('CREATE POLICY projector_writes ON read.%I TO shelfwise_projector USING (true) WITH CHECK (true)', target);
    EXECUTE format('CREATE POLICY operator_reads ON read.%I FOR SELECT TO shelfwise_operator USING (true)', target);
    IF known_by IS NOT NULL THEN
        EXECUTE format('CREATE POLICY known_by_%s ON read.%I FOR SELECT TO shelfwise_read_api
            USING (%I = NULLIF(current_setting(''app.%s'', true), ''''))', known_by, target, known_by, known_by);
    END IF;
END
$$;

CREATE FUNCTION projection.create_table(spec jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    target text := spec->>'table';
    columns text;
    index_spec jsonb;
BEGIN
    IF target !~ '^[a-z][a-z0-9_]*__v[0-9]+$' THEN
        RAISE EXCEPTION 'not a read table''s name: %', target;
    END IF;
    IF EXISTS (SELECT FROM jsonb_array_elements(spec->'columns') c WHERE c->>'type' NOT IN
        ('UUID', 'TEXT', 'BIGINT', 'INTEGER', 'SMALLINT', 'BOOLEAN', 'DATE', 'TIMESTAMP WITH TIME ZONE', 'JSONB')) THEN
        RAISE EXCEPTION 'a column of % has a type that read tables do not use', target;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('read.' || target, 0));
    IF to_regclass(format('read.%I', target)) IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT string_agg(format('%I %s %s %s', c->>'name', c->>'type',
               CASE WHEN c->>'type' = 'TEXT' THEN 'COLLATE "C"' ELSE '' END,
               CASE WHEN (c->>'nullable')::boolean THEN '' ELSE 'NOT NULL' END), ', ')
        INTO columns FROM jsonb_array_elements(spec->'columns') c;
    EXECUTE format('CREATE TABLE read.%I (%s, PRIMARY KEY (%s)) PARTITION BY LIST (build)', target, columns,
        (SELECT string_agg(format('%I', k), ', ' ORDER BY n)
         FROM jsonb_array_elements_text(spec->'primary_key') WITH ORDINALITY k(k, n)));
    FOR index_spec IN SELECT * FROM jsonb_array_elements(spec->'indexes') LOOP
        EXECUTE format('CREATE INDEX ON read.%I (tenant_id, build, %s)', target,
            (SELECT string_agg(format('%I', k), ', ' ORDER BY n)
             FROM jsonb_array_elements_text(index_spec) WITH ORDINALITY k(k, n)));
    END LOOP;
    IF spec->>'known_by' IS NOT NULL THEN
        -- Who is known by this column has no tenant yet for an index to begin at.
        EXECUTE format('CREATE INDEX ON read.%I (%I)', target, spec->>'known_by');
    END IF;
    PERFORM projection.protect(target, spec->>'known_by');
    EXECUTE format('GRANT SELECT ON read.%I TO shelfwise_read_api, shelfwise_operator', target);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON read.%I TO shelfwise_projector', target);
END
$$;

CREATE FUNCTION projection.create_build(projection_name text, projection_version integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    target text := projection_name || '__v' || projection_version;
    next_build integer;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('read.' || target, 0));
    SELECT coalesce(max(build), 0) + 1 INTO next_build FROM projection.build
        WHERE name = projection_name AND version = projection_version;
    part := target || '_b' || next_build;
    EXECUTE format('CREATE TABLE read.%I PARTITION OF read.%I FOR VALUES IN (%s)', part, target, next_build);
    PERFORM projection.protect(part, NULL);
    INSERT INTO projection.build (name, version, build) VALUES (projection_name, projection_version, next_build);
    RETURN next_build;
END
$$;

CREATE FUNCTION projection.drop_build(projection_name text, projection_version integer, dropped integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    target text := projection_name || '__v' || projection_version;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('read.' || target, 0));
    IF EXISTS (SELECT FROM projection.checkpoint
               WHERE name = projection_name AND version = projection_version AND build = dropped) THEN
        RAISE EXCEPTION 'build % of %@% is still in use', dropped, projection_name, projection_version;
    END IF;
    DELETE FROM projection.build WHERE name = projection_name AND version = projection_version AND build = dropped;
    EXECUTE format('DROP TABLE IF EXISTS read.%I', target || '_b' || dropped);
END
$$;
REVOKE ALL ON FUNCTION projection.protect, projection.create_table, projection.create_build, projection.drop_build FROM PUBLIC;
GRANT EXECUTE ON FUNCTION projection.create_table, projection.create_build, projection.drop_build TO shelfwise_projector;
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON projection.lease, projection.worker, projection.checkpoint, read.active_build,
    projection.parked_key, projection.parked_event, projection.cache, projection.request TO shelfwise_projector;
GRANT SELECT ON projection.build TO shelfwise_projector;
GRANT SELECT ON projection.checkpoint, read.active_build, projection.parked_key TO shelfwise_read_api;
GRANT SELECT ON projection.lease, projection.worker, projection.build, projection.checkpoint, read.active_build,
    projection.parked_key, projection.parked_event, projection.request TO shelfwise_operator;
GRANT INSERT ON projection.request TO shelfwise_operator;
"""

_TENANT_TABLES = (
    "projection.checkpoint",
    "read.active_build",
    "projection.parked_key",
    "projection.parked_event",
    "projection.cache",
)
_OWNER_MAINTAINS = ("projection.checkpoint",)
"""`drop_build` runs as the owner, whom FORCE row-level security binds too: it must see whether a build is still in use."""


def upgrade() -> None:
    """Create everything the first projection needs."""
    run(SCHEMAS + TABLES)
    for table in _TENANT_TABLES:
        run(isolation(table, roles="shelfwise_read_api", check=False))
        run(crossing(table, role="shelfwise_projector", verb="ALL") + crossing(table, role="shelfwise_operator"))
    for table in _OWNER_MAINTAINS:
        run(crossing(table, role="shelfwise_owner"))
    run(FUNCTIONS + GRANTS)
