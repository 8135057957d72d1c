"""The reaction that fills the outbox of mail: for orders whose customer is known, in the checkpoint's transaction."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from shared_kernel.events.envelope import Event, Recorded
from shared_kernel.events.orders import OrderCancelled, OrderConfirmed, OrderFulfilled
from write_side.mail.templates import Template
from write_side.reactions.reaction import Reaction
from write_side.reactions.working import Work

# Whose the order is and what it was: nothing personal, which is read when the mail is sent.
_NOTE = """
INSERT INTO write.mail (tenant_id, mail_id, event_id, customer_id, template, number, total_minor, currency, status,
                        attempts, next_attempt_at, created_at)
SELECT $1, n.mail_id, n.event_id, c.customer_id, n.template, o.number, o.total_minor, o.currency, 'pending', 0, $6, $6
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[]) AS n(mail_id, event_id, order_id, template)
JOIN write.order_customer c ON c.tenant_id = $1 AND c.order_id = n.order_id
JOIN write.sales_order o ON o.tenant_id = $1 AND o.order_id = n.order_id
ON CONFLICT DO NOTHING
"""


async def note_mail(recorded: Sequence[Recorded[Event]], work: Work) -> None:
    """What is to be written about these events."""
    noted = [(one.event_id, *about) for one in recorded if (about := _about(one.event)) is not None]
    if noted:
        await work.connection.execute(
            _NOTE,
            work.tenant.id,
            [work.new_id() for _ in noted],
            [event_id for event_id, _, _ in noted],
            [order_id for _, order_id, _ in noted],
            [template for _, _, template in noted],
            work.now,
        )


def _about(event: Event) -> tuple[UUID, Template] | None:
    match event:
        case OrderConfirmed():
            return event.order_id, "order_confirmed"
        case OrderCancelled():
            return event.order_id, "order_cancelled"
        case OrderFulfilled() if event.fulfilment_status == "fulfilled":
            return event.order_id, "order_fulfilled"
        case _:
            return None


MAIL: Final = Reaction(
    name="mail", begins="head", handles=(OrderConfirmed, OrderCancelled, OrderFulfilled), react=note_mail
)
