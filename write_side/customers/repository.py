"""Customers in the write database; who they are is a row of its own, which erasing deletes."""

from datetime import datetime
from uuid import UUID

from shared_kernel.database.pool import Connection
from write_side.customers.model import Customer, Person

_ADD = """
WITH added AS (
    INSERT INTO write.customer (tenant_id, customer_id, version, status, marketing_consent, created_at)
    VALUES ($1, $2, $3, 'active', $4, $8)
)
INSERT INTO write.customer_person (tenant_id, customer_id, name, email, phone) VALUES ($1, $2, $5, $6, $7)
"""
_LOCK = """
SELECT version, marketing_consent FROM write.customer WHERE tenant_id = $1 AND customer_id = $2 FOR NO KEY UPDATE
"""
_PERSON = "SELECT name, email, phone FROM write.customer_person WHERE tenant_id = $1 AND customer_id = $2"
_SAVE = """
UPDATE write.customer SET version = $3, status = $4, marketing_consent = $5 WHERE tenant_id = $1 AND customer_id = $2
"""
_SAVE_PERSON = """
UPDATE write.customer_person SET name = $3, email = $4, phone = $5 WHERE tenant_id = $1 AND customer_id = $2
"""
_DELETE_PERSON = "DELETE FROM write.customer_person WHERE tenant_id = $1 AND customer_id = $2"
_TO_SHOW = """
INSERT INTO write.person_to_show (tenant_id, customer_id, version) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET version = excluded.version
"""


async def add(connection: Connection, tenant_id: UUID, customer: Customer, now: datetime) -> None:
    """Keep somebody new."""
    person = customer.person
    assert person is not None, "whoever is registered is somebody"
    await connection.execute(
        _ADD,
        tenant_id,
        customer.customer_id,
        customer.version,
        customer.marketing_consent,
        person.name,
        person.email,
        person.phone,
        now,
    )
    await connection.execute(_TO_SHOW, tenant_id, customer.customer_id, customer.version)


async def lock(connection: Connection, tenant_id: UUID, customer_id: UUID) -> Customer | None:
    """The customer, locked until the transaction ends."""
    row = await connection.fetchrow(_LOCK, tenant_id, customer_id)
    if row is None:
        return None
    person = await connection.fetchrow(_PERSON, tenant_id, customer_id)
    return Customer(
        customer_id=customer_id,
        version=row["version"],
        marketing_consent=row["marketing_consent"],
        person=None if person is None else Person(**dict(person)),
    )


async def save(connection: Connection, tenant_id: UUID, customer: Customer) -> None:
    """Keep a customer that is locked, and have views show who they are now."""
    key, person = (tenant_id, customer.customer_id), customer.person
    await connection.execute(_SAVE, *key, customer.version, customer.status, customer.marketing_consent)
    if person is None:
        await connection.execute(_DELETE_PERSON, *key)
    else:
        await connection.execute(_SAVE_PERSON, *key, person.name, person.email, person.phone)
    await connection.execute(_TO_SHOW, *key, customer.version)
