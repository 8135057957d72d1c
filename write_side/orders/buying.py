"""Whose an order is: a row beside it, for orders that name a customer."""

from uuid import UUID

from shared_kernel.errors import FieldError
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.orders.errors import InvalidOrder

_NOTE = """
INSERT INTO write.order_customer (tenant_id, order_id, customer_id)
SELECT $1, $2, customer_id FROM write.customer WHERE tenant_id = $1 AND customer_id = $3 AND status = 'active'
RETURNING customer_id
"""


async def note_customer(order_id: UUID, customer_id: UUID | None, work: UnitOfWork) -> None:
    """Keep who ordered, where the order names somebody.

    Raises:
        InvalidOrder: the store does not know them, or no longer.
    """
    if customer_id is None:
        return
    if await work.connection.fetchval(_NOTE, work.tenant.id, order_id, customer_id) is None:
        fault = FieldError(pointer="/customer_id", code="unknown_customer", detail="this store has no such customer")
        raise InvalidOrder("the order names what this store does not have", errors=(fault,))
