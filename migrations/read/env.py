"""Alembic's entry to the read database's history: it runs on the connection `migrations.apply` hands it."""

from alembic import context

from migrations.apply import version_schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=None,
    version_table_schema=version_schema("read"),
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
