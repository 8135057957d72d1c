"""The reaction that fills the outbox: a message for each receiver, in the transaction of the checkpoint."""

from collections.abc import Sequence
from typing import Final

from shared_kernel.events.envelope import Event, Recorded
from write_side.reactions.reaction import Reaction
from write_side.reactions.working import Work
from write_side.webhooks import repository
from write_side.webhooks.public_events import PUBLIC_EVENTS, message_of
from write_side.webhooks.repository import Noted


async def note_messages(recorded: Sequence[Recorded[Event]], work: Work) -> None:
    """What each receiver is to be told of these events."""
    webhooks = await repository.enabled(work.connection, work.tenant.id)
    if not webhooks:
        return
    messages = [(one, message) for one in recorded if (message := message_of(one)) is not None]
    noted = [
        Noted(
            delivery_id=work.new_id(),
            webhook_id=webhook.webhook_id,
            event_id=one.event_id,
            position=one.position,
            message=message,
        )
        for one, message in messages
        for webhook in webhooks
        if not webhook.event_types or message.type in webhook.event_types
    ]
    if noted:
        await repository.note(work.connection, work.tenant.id, noted, work.now)


WEBHOOKS: Final = Reaction(name="webhooks", begins="head", handles=tuple(PUBLIC_EVENTS), react=note_messages)
