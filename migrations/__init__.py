"""Two alembic histories: the write database (write model, log, access) and the read database's control tables."""
