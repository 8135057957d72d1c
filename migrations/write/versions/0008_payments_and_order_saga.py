"""Payments with their books and operations, the inbox of the provider's callbacks, and the order saga."""

from migrations.script import crossing, isolation, run

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# An order that waits for its money, or is being undone, hands no copies over; null for every other.
ORDERS = """
ALTER TABLE write.sales_order ADD COLUMN held_for text CHECK (held_for IN ('payment', 'undoing'));
"""

PAYMENTS = """
CREATE TABLE write.payment (
    tenant_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    order_id uuid NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    status text NOT NULL CHECK (status IN ('requested', 'authorized', 'declined', 'abandoned', 'captured', 'voided',
                                           'refunded')),
    authorized_minor bigint NOT NULL CHECK (authorized_minor IN (0, amount_minor)),
    captured_minor bigint NOT NULL CHECK (captured_minor BETWEEN 0 AND authorized_minor),
    released_minor bigint NOT NULL CHECK (released_minor BETWEEN 0 AND authorized_minor - captured_minor),
    refunded_minor bigint NOT NULL CHECK (refunded_minor BETWEEN 0 AND captured_minor),
    fee_minor bigint NOT NULL CHECK (fee_minor BETWEEN 0 AND captured_minor),
    provider_reference text CHECK (length(provider_reference) BETWEEN 1 AND 255),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, payment_id),
    CONSTRAINT payment_order_key UNIQUE (order_id, tenant_id),
    CONSTRAINT payment_order_fkey FOREIGN KEY (tenant_id, order_id) REFERENCES write.sales_order
);
-- What the provider is told once, and what is deleted as soon as it has answered.
CREATE TABLE write.payment_token (
    tenant_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    token text NOT NULL CHECK (length(token) BETWEEN 1 AND 255),
    PRIMARY KEY (tenant_id, payment_id),
    CONSTRAINT payment_token_payment_fkey FOREIGN KEY (tenant_id, payment_id) REFERENCES write.payment
);
CREATE TABLE write.payment_operation (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('authorize', 'capture', 'void', 'refund')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    status text NOT NULL CHECK (status IN ('intended', 'settled', 'refused', 'abandoned', 'stuck', 'written_off')),
    attempts integer NOT NULL CHECK (attempts >= 0),
    lease_epoch bigint NOT NULL CHECK (lease_epoch >= 0),
    is_leased boolean NOT NULL,
    due_at timestamptz NOT NULL,
    deadline_at timestamptz NOT NULL,
    reason text CHECK (length(reason) BETWEEN 1 AND 200),
    requested_by text NOT NULL,
    created_at timestamptz NOT NULL,
    settled_at timestamptz,
    PRIMARY KEY (tenant_id, operation_id),
    CONSTRAINT payment_operation_payment_fkey FOREIGN KEY (tenant_id, payment_id) REFERENCES write.payment
) WITH (fillfactor = 70);
CREATE INDEX payment_operation_due ON write.payment_operation (due_at) WHERE status = 'intended';
CREATE INDEX payment_operation_by_payment ON write.payment_operation (payment_id, tenant_id);
CREATE TABLE write.payment_entry (
    tenant_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    payment_version integer NOT NULL CHECK (payment_version > 0),
    account text NOT NULL CHECK (account IN ('customer', 'held', 'received', 'fees')),
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    booked_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, payment_id, payment_version, account),
    CONSTRAINT payment_entry_payment_fkey FOREIGN KEY (tenant_id, payment_id) REFERENCES write.payment
);
"""

# Looked at when the transaction commits, by its own tenant: every posting sums to nothing, and the accounts say what
# the payment's row says. Neither can be changed without the other.
BOOKS = """
CREATE FUNCTION write.check_payment_books() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    unbalanced bigint;
    wrong bigint;
BEGIN
    SELECT count(*) INTO unbalanced FROM (
        SELECT 1 FROM write.payment_entry e WHERE e.tenant_id = NEW.tenant_id AND e.payment_id = NEW.payment_id
        GROUP BY e.payment_version HAVING sum(e.amount_minor) <> 0
    ) AS posting;
    SELECT count(*) INTO wrong FROM write.payment p, LATERAL (
        SELECT coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'held'), 0) AS held,
               coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'received'), 0) AS received,
               coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'fees'), 0) AS fees
        FROM write.payment_entry e WHERE e.tenant_id = p.tenant_id AND e.payment_id = p.payment_id
    ) AS books
    WHERE p.tenant_id = NEW.tenant_id AND p.payment_id = NEW.payment_id
      AND (books.held <> p.authorized_minor - p.captured_minor - p.released_minor
           OR books.received <> p.captured_minor - p.refunded_minor - p.fee_minor OR books.fees <> p.fee_minor);
    IF unbalanced > 0 OR wrong > 0 THEN
        RAISE EXCEPTION 'the books of a payment do not balance' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER payment_entry_balances AFTER INSERT ON write.payment_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION write.check_payment_books();
CREATE CONSTRAINT TRIGGER payment_balances AFTER INSERT OR UPDATE ON write.payment
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION write.check_payment_books();
"""

INBOX = """
CREATE TABLE write.provider_callback (
    tenant_id uuid NOT NULL REFERENCES write.tenant,
    provider_event_id text NOT NULL CHECK (length(provider_event_id) BETWEEN 1 AND 255),
    payment_id uuid,
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 100),
    happened_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, provider_event_id)
);
-- The shape of what could not be read, never its values.
CREATE TABLE write.quarantined_answer (
    tenant_id uuid NOT NULL REFERENCES write.tenant,
    quarantine_id uuid NOT NULL,
    operation_id uuid,
    source text NOT NULL CHECK (source IN ('answer', 'callback')),
    why text NOT NULL CHECK (length(why) BETWEEN 1 AND 500),
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    outline jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, quarantine_id)
);
"""

SAGA = """
CREATE TABLE write.order_saga (
    tenant_id uuid NOT NULL,
    order_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'completed', 'compensated', 'needs_attention', 'resolved')),
    step text NOT NULL CHECK (length(step) BETWEEN 1 AND 40),
    steps integer NOT NULL CHECK (steps >= 0),
    attempts integer NOT NULL CHECK (attempts >= 0),
    lease_epoch bigint NOT NULL CHECK (lease_epoch >= 0),
    due_at timestamptz NOT NULL,
    confirm_by timestamptz NOT NULL,
    hold_until timestamptz NOT NULL,
    undo_reason text CHECK (length(undo_reason) BETWEEN 1 AND 500),
    failure text CHECK (length(failure) BETWEEN 1 AND 500),
    started_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, order_id),
    CONSTRAINT order_saga_payment_fkey FOREIGN KEY (tenant_id, payment_id) REFERENCES write.payment
) WITH (fillfactor = 70);
CREATE INDEX order_saga_due ON write.order_saga (due_at) WHERE state = 'running';
-- What came back of an order is looked for by its saga.
CREATE INDEX goods_return_by_order ON write.goods_return (order_id, tenant_id) WHERE order_id IS NOT NULL;
CREATE TABLE write.order_saga_step (
    tenant_id uuid NOT NULL,
    order_id uuid NOT NULL,
    number integer NOT NULL CHECK (number > 0),
    step text NOT NULL CHECK (length(step) BETWEEN 1 AND 40),
    note text CHECK (length(note) BETWEEN 1 AND 500),
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, order_id, number),
    CONSTRAINT order_saga_step_saga_fkey FOREIGN KEY (tenant_id, order_id) REFERENCES write.order_saga
);
"""

# What is due of all stores, leased: whoever dies with a lease leaves it to the next, who has a higher epoch.
CLAIMING = """
CREATE FUNCTION write.claim_payment_operations(at_most integer, lease_seconds double precision)
RETURNS TABLE (tenant_id uuid, slug text, currency text, timezone text, operation_id uuid, kind text,
               attempts integer, lease_epoch bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH due AS (
        SELECT o.tenant_id, o.operation_id FROM write.payment_operation o
        WHERE o.status = 'intended' AND o.due_at <= clock_timestamp()
        ORDER BY o.due_at LIMIT at_most FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE write.payment_operation o
        SET attempts = o.attempts + 1, lease_epoch = o.lease_epoch + 1, is_leased = true,
            due_at = clock_timestamp() + make_interval(secs => lease_seconds)
        FROM due WHERE o.tenant_id = due.tenant_id AND o.operation_id = due.operation_id
        RETURNING o.tenant_id, o.operation_id, o.kind, o.attempts, o.lease_epoch
    )
    SELECT c.tenant_id, t.slug, t.currency, t.timezone, c.operation_id, c.kind, c.attempts, c.lease_epoch
    FROM claimed c JOIN write.tenant t USING (tenant_id)
$$;
CREATE FUNCTION write.claim_order_sagas(at_most integer, lease_seconds double precision)
RETURNS TABLE (tenant_id uuid, slug text, currency text, timezone text, order_id uuid, lease_epoch bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH due AS (
        SELECT s.tenant_id, s.order_id FROM write.order_saga s
        WHERE s.state = 'running' AND s.due_at <= clock_timestamp()
        ORDER BY s.due_at LIMIT at_most FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE write.order_saga s
        SET attempts = s.attempts + 1, lease_epoch = s.lease_epoch + 1,
            due_at = clock_timestamp() + make_interval(secs => lease_seconds)
        FROM due WHERE s.tenant_id = due.tenant_id AND s.order_id = due.order_id
        RETURNING s.tenant_id, s.order_id, s.lease_epoch
    )
    SELECT c.tenant_id, t.slug, t.currency, t.timezone, c.order_id, c.lease_epoch
    FROM claimed c JOIN write.tenant t USING (tenant_id)
$$;
-- A callback has no key that names its store; our own metadata in it does.
CREATE FUNCTION access.tenant_of(asked uuid) RETURNS TABLE (tenant_id uuid, slug text, currency text, timezone text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT t.tenant_id, t.slug, t.currency, t.timezone FROM write.tenant t WHERE t.tenant_id = asked
$$;
REVOKE ALL ON FUNCTION write.claim_payment_operations, write.claim_order_sagas, access.tenant_of,
    write.check_payment_books FROM PUBLIC;
GRANT EXECUTE ON FUNCTION write.claim_payment_operations, write.claim_order_sagas, access.tenant_of
    TO shelfwise_write_api;
GRANT SELECT, UPDATE ON write.payment_operation, write.order_saga TO shelfwise_gatekeeper;
GRANT CREATE ON SCHEMA write, access TO shelfwise_gatekeeper;
ALTER FUNCTION write.claim_payment_operations OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION write.claim_order_sagas OWNER TO shelfwise_gatekeeper;
ALTER FUNCTION access.tenant_of OWNER TO shelfwise_gatekeeper;
REVOKE CREATE ON SCHEMA write, access FROM shelfwise_gatekeeper;
"""

# The books, the journal and the inbox are history; a token is the one thing that is ever deleted.
GRANTS = """
GRANT SELECT, INSERT, UPDATE ON write.payment, write.payment_operation, write.order_saga TO shelfwise_write_api;
GRANT SELECT, INSERT, DELETE ON write.payment_token TO shelfwise_write_api;
GRANT SELECT, INSERT ON write.payment_entry, write.provider_callback, write.quarantined_answer, write.order_saga_step
    TO shelfwise_write_api;
GRANT SELECT ON write.payment, write.payment_operation, write.payment_entry, write.provider_callback,
    write.quarantined_answer, write.order_saga, write.order_saga_step, write.sales_order TO shelfwise_operator;
"""

_OPERATORS_SEE = (
    "payment",
    "payment_operation",
    "payment_entry",
    "provider_callback",
    "quarantined_answer",
    "order_saga",
    "order_saga_step",
)


def upgrade() -> None:
    """Create the tables of the slices payments and order_saga."""
    run(ORDERS + PAYMENTS + INBOX + SAGA)
    for table in (*_OPERATORS_SEE, "payment_token"):
        run(isolation(f"write.{table}"))
    for table in (*_OPERATORS_SEE, "sales_order"):
        run(crossing(f"write.{table}", role="shelfwise_operator"))
    for table in ("payment_operation", "order_saga"):
        run(crossing(f"write.{table}", role="shelfwise_gatekeeper", verb="ALL"))
    run(BOOKS + CLAIMING + GRANTS)
