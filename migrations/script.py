"""What a migration is written with: scripts of several statements, and the protection every tenant table gets."""

from alembic import op

CURRENT_TENANT = "NULLIF(current_setting('app.tenant_id', true), '')::uuid"
"""A SET LOCAL setting reads as '' once its transaction has ended, so an empty one is no tenant."""


def run(script: str) -> None:
    """Run several statements as they stand, in the migration's transaction."""
    adapted = op.get_bind().connection.dbapi_connection
    assert adapted is not None
    adapted.run_async(lambda connection: connection.execute(script))


def isolation(table: str, *, roles: str = "shelfwise_write_api", check: bool = True) -> str:
    """Row-level security that its owner cannot pass either, and the policy that shows a tenant its own rows."""
    with_check = f"WITH CHECK (tenant_id = {CURRENT_TENANT})" if check else ""
    verb = "ALL" if check else "SELECT"
    return f"""
    ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
    ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
    CREATE POLICY tenant_isolation ON {table} FOR {verb} TO {roles}
        USING (tenant_id = {CURRENT_TENANT}) {with_check};
    """


def crossing(table: str, *, role: str, verb: str = "SELECT") -> str:
    """A policy that lets one role see every tenant's rows of one table: what it may cross, and nothing else."""
    check = "" if verb == "SELECT" else "WITH CHECK (true)"
    return f"CREATE POLICY {role}_crosses ON {table} FOR {verb} TO {role} USING (true) {check};"
