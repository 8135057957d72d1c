"""Editions, locations, stock and its movements, orders and returns; and the sweep that forgets old answers."""

from migrations.script import crossing, isolation, run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Only primary keys lead with the tenant. A young table has no statistics, and without them PostgreSQL holds every index
# that begins with an equality for as good as another: foreign keys were once checked by reading all orders of a store.
CATALOG = """
CREATE TABLE write.edition (
    tenant_id uuid NOT NULL REFERENCES write.tenant,
    edition_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    sku text NOT NULL CHECK (length(sku) BETWEEN 1 AND 64),
    isbn13 text CHECK (isbn13 ~ '^97[89][0-9]{10}$'),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 1000),
    contributors jsonb NOT NULL CHECK (jsonb_typeof(contributors) = 'array'),
    format text NOT NULL CHECK (length(format) BETWEEN 1 AND 40),
    publisher text CHECK (length(publisher) BETWEEN 1 AND 300),
    published_on text CHECK (length(published_on) BETWEEN 4 AND 11),
    language text CHECK (length(language) BETWEEN 2 AND 35),
    subjects jsonb NOT NULL CHECK (jsonb_typeof(subjects) = 'array'),
    tax_class text NOT NULL CHECK (length(tax_class) BETWEEN 1 AND 40),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    list_price_minor bigint NOT NULL CHECK (list_price_minor BETWEEN 0 AND 1000000000000000),
    popularity bigint CHECK (popularity >= 0),
    discontinued_at timestamptz,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, edition_id),
    CONSTRAINT edition_sku_key UNIQUE (sku, tenant_id),
    CONSTRAINT edition_isbn13_key UNIQUE (isbn13, tenant_id)
);
"""

INVENTORY = """
CREATE TABLE write.location (
    tenant_id uuid NOT NULL REFERENCES write.tenant,
    location_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind text NOT NULL CHECK (kind IN ('shop', 'warehouse')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, location_id)
);
-- Often updated and never by an indexed column: room on the page keeps the updates in place.
CREATE TABLE write.stock (
    tenant_id uuid NOT NULL,
    stock_id uuid NOT NULL,
    location_id uuid NOT NULL,
    edition_id uuid NOT NULL,
    version integer NOT NULL CHECK (version >= 0),
    on_hand integer NOT NULL CHECK (on_hand <= 1000000000),
    reserved integer NOT NULL CHECK (reserved >= 0),
    value_minor bigint NOT NULL CHECK (value_minor BETWEEN 0 AND 1000000000000000),
    PRIMARY KEY (tenant_id, stock_id),
    CONSTRAINT stock_place_key UNIQUE (location_id, edition_id, tenant_id),
    CONSTRAINT stock_location_fkey FOREIGN KEY (tenant_id, location_id) REFERENCES write.location,
    CONSTRAINT stock_edition_fkey FOREIGN KEY (tenant_id, edition_id) REFERENCES write.edition,
    CONSTRAINT stock_not_oversold CHECK (on_hand >= reserved)
) WITH (fillfactor = 70);
CREATE TABLE write.stock_movement (
    tenant_id uuid NOT NULL,
    stock_id uuid NOT NULL,
    stock_version integer NOT NULL CHECK (stock_version > 0),
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 40),
    delta integer NOT NULL,
    reserved_delta integer NOT NULL,
    on_hand integer NOT NULL,
    reserved integer NOT NULL,
    value_minor bigint NOT NULL,
    reference_id uuid,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, stock_id, stock_version),
    CONSTRAINT stock_movement_stock_fkey FOREIGN KEY (tenant_id, stock_id) REFERENCES write.stock
);
"""

ORDERS = """
CREATE TABLE write.sales_order (
    tenant_id uuid NOT NULL,
    order_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    number text NOT NULL CHECK (number ~ '^SW-[0-9A-Z]{5}-[0-9A-Z]{5}$'),
    location_id uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('web', 'pos')),
    status text NOT NULL CHECK (status IN ('placed', 'confirmed', 'fulfilled', 'cancelled', 'returned')),
    fulfilment_status text NOT NULL CHECK (fulfilment_status IN ('unfulfilled', 'partial', 'fulfilled')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    total_minor bigint NOT NULL CHECK (total_minor = net_minor + tax_minor),
    source text CHECK (length(source) BETWEEN 1 AND 100),
    source_reference text CHECK (length(source_reference) BETWEEN 1 AND 100),
    placed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, order_id),
    CONSTRAINT sales_order_number_key UNIQUE (number, tenant_id),
    CONSTRAINT sales_order_source_key UNIQUE (source, source_reference, tenant_id),
    CONSTRAINT sales_order_location_fkey FOREIGN KEY (tenant_id, location_id) REFERENCES write.location,
    CONSTRAINT sales_order_source_whole CHECK ((source IS NULL) = (source_reference IS NULL))
);
CREATE TABLE write.order_line (
    tenant_id uuid NOT NULL,
    order_id uuid NOT NULL,
    line_id uuid NOT NULL,
    place integer NOT NULL CHECK (place >= 0),
    edition_id uuid NOT NULL,
    sku text NOT NULL,
    title text NOT NULL,
    authors jsonb NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    fulfilled_quantity integer NOT NULL CHECK (fulfilled_quantity BETWEEN 0 AND quantity),
    returned_quantity integer NOT NULL CHECK (returned_quantity BETWEEN 0 AND fulfilled_quantity),
    unit_price_minor bigint NOT NULL,
    discount_minor bigint NOT NULL CHECK (discount_minor >= 0),
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    total_minor bigint NOT NULL CHECK (total_minor = net_minor + tax_minor),
    cost_minor bigint NOT NULL CHECK (cost_minor >= 0),
    tax_rate_basis_points integer NOT NULL CHECK (tax_rate_basis_points >= 0),
    PRIMARY KEY (tenant_id, order_id, line_id),
    CONSTRAINT order_line_order_fkey FOREIGN KEY (tenant_id, order_id) REFERENCES write.sales_order,
    CONSTRAINT order_line_edition_fkey FOREIGN KEY (tenant_id, edition_id) REFERENCES write.edition
);
CREATE TABLE write.goods_return (
    tenant_id uuid NOT NULL,
    return_id uuid NOT NULL,
    order_id uuid,
    location_id uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('web', 'pos')),
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    total_minor bigint NOT NULL CHECK (total_minor = net_minor + tax_minor),
    source text CHECK (length(source) BETWEEN 1 AND 100),
    source_reference text CHECK (length(source_reference) BETWEEN 1 AND 100),
    returned_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, return_id),
    CONSTRAINT goods_return_source_key UNIQUE (source, source_reference, tenant_id),
    CONSTRAINT goods_return_location_fkey FOREIGN KEY (tenant_id, location_id) REFERENCES write.location,
    CONSTRAINT goods_return_order_fkey FOREIGN KEY (tenant_id, order_id) REFERENCES write.sales_order,
    CONSTRAINT goods_return_source_whole CHECK ((source IS NULL) = (source_reference IS NULL))
);
CREATE TABLE write.return_line (
    tenant_id uuid NOT NULL,
    return_id uuid NOT NULL,
    line_id uuid NOT NULL,
    place integer NOT NULL CHECK (place >= 0),
    edition_id uuid NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    unit_price_minor bigint NOT NULL,
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    total_minor bigint NOT NULL CHECK (total_minor = net_minor + tax_minor),
    cost_minor bigint NOT NULL CHECK (cost_minor >= 0),
    tax_rate_basis_points integer NOT NULL CHECK (tax_rate_basis_points >= 0),
    PRIMARY KEY (tenant_id, return_id, line_id),
    CONSTRAINT return_line_return_fkey FOREIGN KEY (tenant_id, return_id) REFERENCES write.goods_return,
    CONSTRAINT return_line_edition_fkey FOREIGN KEY (tenant_id, edition_id) REFERENCES write.edition
);
"""

FORGETTING = """
-- The age is fixed here, so that no caller can forget an answer whose client may still retry.
CREATE FUNCTION access.forget_old_responses(at_most integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH forgotten AS (
        DELETE FROM access.idempotent_response
        WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM access.idempotent_response WHERE created_at < now() - interval '7 days'
            ORDER BY created_at LIMIT at_most FOR UPDATE SKIP LOCKED
        ))
        RETURNING 1
    )
    SELECT count(*)::integer FROM forgotten
$$;
-- A browser asks before it sends a key, so no tenant is known yet.
CREATE FUNCTION access.is_known_origin(asked text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT EXISTS (SELECT FROM write.tenant WHERE asked = ANY (allowed_origins))
$$;
REVOKE ALL ON FUNCTION access.forget_old_responses, access.is_known_origin FROM PUBLIC;
GRANT EXECUTE ON FUNCTION access.forget_old_responses, access.is_known_origin TO shelfwise_write_api;
GRANT SELECT, UPDATE, DELETE ON access.idempotent_response TO shelfwise_gatekeeper;
GRANT CREATE ON SCHEMA access TO shelfwise_gatekeeper;
ALTER FUNCTION access.forget_old_responses OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION access.is_known_origin OWNER TO shelfwise_gatekeeper;
REVOKE CREATE ON SCHEMA access FROM shelfwise_gatekeeper;
"""

# Movements and returns are history: nobody may change or delete them. Nothing is ever deleted.
GRANTS = """
GRANT SELECT, INSERT, UPDATE ON write.edition, write.stock, write.sales_order, write.order_line TO shelfwise_write_api;
GRANT SELECT, INSERT ON write.location, write.stock_movement, write.goods_return, write.return_line
    TO shelfwise_write_api;
"""

TABLES = ("edition", "location", "stock", "stock_movement", "sales_order", "order_line", "goods_return", "return_line")


def upgrade() -> None:
    """Create the tables of the slices catalog, inventory and orders."""
    run(CATALOG + INVENTORY + ORDERS)
    for table in TABLES:
        run(isolation(f"write.{table}"))
    run(crossing("access.idempotent_response", role="shelfwise_gatekeeper", verb="ALL"))
    run(FORGETTING + GRANTS)
