"""What has happened to an order, from its row."""

from uuid import UUID

import msgspec

from read_side.order_detail.view import VIEW, TimelineEntry
from read_side.query_execution import Answer, Snapshot
from shared_kernel.views import encode_key

_TIMELINE = f"""
SELECT timeline::text AS timeline FROM {VIEW.table.fullname} WHERE tenant_id = $1 AND build = $2 AND order_id = $3
"""  # noqa: S608 - the name of a Table

_decoder = msgspec.json.Decoder(tuple[TimelineEntry, ...])


class TimelineQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The timeline of one order."""

    order_id: UUID


async def fetch_timeline(snapshot: Snapshot, query: TimelineQuery) -> Answer | None:
    """Its entries, oldest first; None: there is no such order."""
    record = await snapshot.row_by_index(_TIMELINE, query.order_id)
    if record is None:
        return None
    # Decoded and encoded again, since jsonb keeps neither the order of fields nor their spacing.
    entries = _decoder.decode(record["timeline"])
    return Answer(data=msgspec.json.encode(entries), row_keys=(encode_key((query.order_id,)),))
