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
    expires_at timestamptz NOT NULL DEFAULT '-infinity',
    crashes integer NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    trying text
) WITH (fillfactor = 50);
COMMENT ON COLUMN projection.lease.crashes IS 'times it expired in a worker''s hands since the shard was last drained';
COMMENT ON COLUMN projection.lease.trying IS 'what a careful worker is about to do, for the next to know if it dies';
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
CREATE TABLE projection.leftover (
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    version integer NOT NULL,
    build integer NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, name, version, build),
    FOREIGN KEY (name, version, build) REFERENCES projection.build ON DELETE CASCADE
);
COMMENT ON TABLE projection.leftover IS 'rows of a build that its tenant has left, to be deleted once unread';
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
CREATE INDEX parked_key_due ON projection.parked_key (next_attempt_at) WHERE state = 'retrying';
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

_CURRENT_TENANT_QUOTED = CURRENT_TENANT.replace("'", "''")

# The projector may create read tables, but only of this shape: plain names, types from a list, never a statement of its
# own. Every table and every partition gets row-level security before anybody can see it.
FUNCTIONS = f"""
CREATE FUNCTION projection.protect(target text, known_by text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('ALTER TABLE read.%I ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE read.%I FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY tenant_isolation ON read.%I FOR SELECT TO shelfwise_read_api
        USING (tenant_id = {_CURRENT_TENANT_QUOTED})', target);
    EXECUTE format('CREATE POLICY projector_writes ON read.%I TO shelfwise_projector
        USING (true) WITH CHECK (true)', target);
    EXECUTE format('CREATE POLICY operator_reads ON read.%I FOR SELECT TO shelfwise_operator USING (true)', target);
    IF known_by IS NOT NULL THEN
        EXECUTE format('CREATE POLICY %I ON read.%I FOR SELECT TO shelfwise_read_api
            USING (%I = NULLIF(current_setting(%L, true), %L))',
            'known_by_' || known_by, target, known_by, 'app.' || known_by, '');
    END IF;
END
$$;

CREATE FUNCTION projection.check_spec(spec jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    columns text[] := ARRAY(SELECT c->>'name' FROM jsonb_array_elements(spec->'columns') c);
    keys text[] := ARRAY(SELECT jsonb_array_elements_text(spec->'primary_key'));
BEGIN
    IF spec->>'table' IS NULL OR spec->>'table' !~ '^[a-z][a-z0-9_]*__v[0-9]+$' THEN
        RAISE EXCEPTION 'not a read table''s name: %', spec->>'table';
    END IF;
    IF EXISTS (SELECT FROM unnest(columns) name WHERE name IS NULL OR name !~ '^[a-z][a-z0-9_]*$') THEN
        RAISE EXCEPTION 'a column of % has a name that read tables do not use', spec->>'table';
    END IF;
    IF EXISTS (SELECT FROM jsonb_array_elements(spec->'columns') c WHERE c->>'type' IS NULL OR c->>'type' NOT IN
        ('UUID', 'TEXT', 'BIGINT', 'INTEGER', 'SMALLINT', 'BOOLEAN', 'DATE', 'TIMESTAMP WITH TIME ZONE', 'JSONB')) THEN
        RAISE EXCEPTION 'a column of % has a type that read tables do not use', spec->>'table';
    END IF;
    IF keys[1:2] IS DISTINCT FROM ARRAY['tenant_id', 'build'] OR NOT keys <@ columns THEN
        RAISE EXCEPTION 'the primary key of % is not led by tenant and build', spec->>'table';
    END IF;
    IF spec->>'known_by' IS NOT NULL AND NOT spec->>'known_by' = ANY(columns) THEN
        RAISE EXCEPTION '% is not a column of %', spec->>'known_by', spec->>'table';
    END IF;
END
$$;

CREATE FUNCTION projection.make_table(spec jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    target text := spec->>'table';
    columns text;
    index_spec jsonb;
BEGIN
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
    EXECUTE format('COMMENT ON TABLE read.%I IS %L', target, md5(spec::text));
END
$$;

-- Makes a view's table and its first build, once; the shape it was made in is remembered, so that a release whose shape
-- changed without a new version stops at its start instead of failing at every batch.
CREATE FUNCTION projection.create_table(spec jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    target text := spec->>'table';
    existing regclass;
BEGIN
    PERFORM projection.check_spec(spec);
    PERFORM pg_advisory_xact_lock(hashtextextended('read.' || target, 0));
    existing := to_regclass(format('read.%I', target));
    IF existing IS NULL THEN
        PERFORM projection.make_table(spec);
        PERFORM projection.create_build(regexp_replace(target, '__v[0-9]+$', ''),
            substring(target FROM '__v([0-9]+)$')::integer);
    ELSIF obj_description(existing, 'pg_class') IS DISTINCT FROM md5(spec::text) THEN
        RAISE EXCEPTION 'read.% was made in another shape: a changed view needs a new version', target
            USING ERRCODE = 'duplicate_table';
    END IF;
END
$$;

-- The partition is made beside the table and then attached: readers are not held up, as CREATE … PARTITION OF would.
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
    EXECUTE format('CREATE TABLE read.%I (LIKE read.%I INCLUDING ALL)', part, target);
    PERFORM projection.protect(part, NULL);
    EXECUTE format('ALTER TABLE read.%I ATTACH PARTITION read.%I FOR VALUES IN (%s)', target, part, next_build);
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
REVOKE ALL ON FUNCTION projection.protect, projection.check_spec, projection.make_table, projection.create_table,
    projection.create_build, projection.drop_build FROM PUBLIC;
GRANT EXECUTE ON FUNCTION projection.create_table, projection.create_build, projection.drop_build
    TO shelfwise_projector;
"""  # noqa: S608 - a constant of migrations/script.py

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON projection.lease, projection.worker, projection.checkpoint, read.active_build,
    projection.parked_key, projection.parked_event, projection.leftover, projection.cache, projection.request
    TO shelfwise_projector;
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
    "projection.leftover",
    "projection.cache",
)
_OWNER_MAINTAINS = ("projection.checkpoint",)
"""`drop_build` runs as the owner, whom FORCE row-level security binds too: it must see whether a build is in use."""


def upgrade() -> None:
    """Create everything the first projection needs."""
    run(SCHEMAS + TABLES)
    for table in _TENANT_TABLES:
        run(isolation(table, roles="shelfwise_read_api", check=False))
        run(crossing(table, role="shelfwise_projector", verb="ALL") + crossing(table, role="shelfwise_operator"))
    for table in _OWNER_MAINTAINS:
        run(crossing(table, role="shelfwise_owner"))
    run(FUNCTIONS + GRANTS)
