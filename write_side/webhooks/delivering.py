"""The duty that empties the outbox: a queue for each receiver, so that none waits for another's timeouts."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from random import SystemRandom
from typing import Final
from uuid import UUID

import msgspec
import structlog

from shared_kernel.events.webhooks import WebhookDeliveryTried
from write_side.reactions.post import Post
from write_side.reactions.reaction import Duty
from write_side.reactions.working import Work
from write_side.webhooks import model, outbox, repository
from write_side.webhooks.model import Webhook
from write_side.webhooks.outbox import Due, Receiver
from write_side.webhooks.places import QUICK_SECONDS, Place, Places
from write_side.webhooks.public_events import message_id
from write_side.webhooks.schedule import RETRY_SECONDS, delay_seconds
from write_side.webhooks.sending import Sender, Sent
from write_side.webhooks.signing import WebhookRules, secrets_in_force, signatures

_SWEEP_SECONDS: Final = 1.0
_FORGETTING_SECONDS: Final = 600.0
_OF_A_STORE_AT_A_TIME: Final = 24
"""Half of the places: a store's receivers may all hang at once for the first time, on the same dead host."""
_MESSAGES_A_VISIT: Final = 50
_GIVEN_UP_AFTER: Final = 0.9
"""The part of the whole schedule without one success, after which a receiver is disabled when it fails for good."""
_OK: Final = range(200, 300)
_GONE: Final = 410

log = structlog.get_logger()


class DeliveryPoint(StrEnum):
    """The places between two steps of a delivery where a worker may die."""

    TAKEN = "webhook_taken"
    SENT = "webhook_sent"
    RECORDED = "webhook_recorded"


class Deliveries:
    """Delivers for every shard of a worker; the places are the worker's."""

    def __init__(
        self,
        rules: WebhookRules,
        sender: Sender,
        *,
        schedule: tuple[float, ...] = RETRY_SECONDS,
        random: Callable[[], float] | None = None,
    ) -> None:
        self._rules = rules
        self._sender = sender
        self._schedule = schedule
        self._random = random or SystemRandom().random
        self._places = Places()
        self._slow: set[UUID] = set()

    @property
    def duty(self) -> Duty:
        """For a worker to perform."""
        return Duty(name="webhook_deliveries", run=self.run)

    async def run(self, post: Post) -> None:
        """Serve whoever has something due, until cancelled."""
        visits: dict[Receiver, asyncio.Task[None]] = {}
        forgotten_at = time.monotonic()
        try:
            while True:
                async with post.crossing() as connection:
                    found = await outbox.receivers(connection, post.shard, visited=list(visits))
                    if time.monotonic() - forgotten_at > _FORGETTING_SECONDS:
                        forgotten_at = time.monotonic()
                        await outbox.forget_old(connection, post.shard)
                for receiver in self._whose_turn_it_is(found, visits):
                    task = asyncio.create_task(self._visit(post, receiver), name="webhook")
                    visits[receiver] = task
                    task.add_done_callback(partial(_visited, visits, receiver, post))
                await post.news(within_seconds=_SWEEP_SECONDS)
        finally:
            for task in list(visits.values()):
                task.cancel()

    def _whose_turn_it_is(self, found: Sequence[Receiver], visits: Collection[Receiver]) -> Iterator[Receiver]:
        """No store has all the places; who is left out is found again when a visit ends, or gives its place up."""
        of_store = Counter(one.tenant_id for one in visits if not one.is_failing and one.webhook_id not in self._slow)
        for receiver in found:
            of_store[receiver.tenant_id] += not receiver.is_failing
            if receiver.is_failing or of_store[receiver.tenant_id] <= _OF_A_STORE_AT_A_TIME:
                yield receiver

    async def _visit(self, post: Post, receiver: Receiver) -> None:
        async with self._places.one(is_failing=receiver.is_failing) as place:
            try:
                await self._serve(post, receiver, place)
            except Exception as error:  # noqa: BLE001 - the edge of a visit: logged, and due again at the next sweep
                log.warning("webhook_visit_failed", shard=post.shard, error=type(error).__name__)
                await asyncio.sleep(_SWEEP_SECONDS)
            finally:
                self._slow.discard(receiver.webhook_id)

    async def _serve(self, post: Post, receiver: Receiver, place: Place) -> None:
        """Messages in their order, until one fails or takes long, or enough were sent for one visit."""
        async with post.working(receiver.tenant_id) as work:
            due = await outbox.next_due(work.connection, receiver.tenant_id, receiver.webhook_id)
        for _ in range(_MESSAGES_A_VISIT):
            if due is None:
                return
            post.reach(DeliveryPoint.TAKEN)
            sent = await self._send_from(place, post, receiver, due)
            post.reach(DeliveryPoint.SENT)
            async with post.working(receiver.tenant_id) as work:
                await self._record(work, due, sent)
                is_over = sent.status_code not in _OK or place.is_slow
                due = (
                    None if is_over else await outbox.next_due(work.connection, receiver.tenant_id, receiver.webhook_id)
                )
            post.reach(DeliveryPoint.RECORDED)

    async def _send_from(self, place: Place, post: Post, receiver: Receiver, due: Due) -> Sent:
        """Send, and leave the place to others where the answer takes its time."""
        sending = asyncio.create_task(self._send(receiver.tenant_id, due))
        try:
            done, _ = await asyncio.wait({sending}, timeout=QUICK_SECONDS)
            if not done and await place.give_way():
                self._slow.add(receiver.webhook_id)
                post.wake()
            return await sending
        finally:
            sending.cancel()

    async def _send(self, tenant_id: UUID, due: Due) -> Sent:
        seconds = int(time.time())
        name = message_id(due.event_id)
        now = datetime.fromtimestamp(seconds, tz=UTC)
        signed = b".".join((name.encode(), str(seconds).encode(), due.body))
        numbers = secrets_in_force(due.secret_number, due.rotated_at, now)
        headers = {
            "webhook-id": name,
            "webhook-timestamp": f"{seconds}",
            "webhook-signature": signatures(self._rules, tenant_id, due.webhook_id, numbers=numbers, signed=signed),
        }
        return await self._sender.send(due.url, headers, due.body)

    async def _record(self, work: Work, due: Due, sent: Sent) -> None:
        webhook = await repository.lock(work.connection, work.tenant.id, due.webhook_id)
        attempts, status, next_at = due.attempts + 1, "delivered", None
        if sent.status_code not in _OK:
            pause = (
                None
                if sent.status_code == _GONE
                else delay_seconds(
                    attempts, schedule=self._schedule, random=self._random, at_least=sent.retry_after_seconds
                )
            )
            next_at = None if pause is None else work.now + timedelta(seconds=pause)
            status = "failed" if next_at is None else "retrying"
        stored = "pending" if status == "retrying" else status
        version = await outbox.tried(
            work.connection, work.tenant.id, due.delivery_id, status=stored, attempts=attempts, next_at=next_at
        )
        event = WebhookDeliveryTried(
            delivery_id=due.delivery_id,
            webhook_id=due.webhook_id,
            message_id=message_id(due.event_id),
            message_type=due.type,
            created_at=due.created_at,
            attempts=attempts,
            status=status,
            status_code=sent.status_code,
            error=sent.error,
            duration_milliseconds=sent.duration_milliseconds,
            next_attempt_at=next_at,
        )
        work.record(event, stream_id=due.delivery_id, stream_version=version)
        if webhook is not None:
            await self._judge(work, webhook, sent, is_final=status == "failed")

    async def _judge(self, work: Work, webhook: Webhook, sent: Sent, *, is_final: bool) -> None:
        """Whether the receiver is to be told anything more."""
        tenant_id, since = work.tenant.id, webhook.failing_since
        if sent.status_code in _OK:
            if since is not None:
                await outbox.set_failing(work.connection, tenant_id, webhook.webhook_id, None)
            return
        if since is None:
            since = work.now
            await outbox.set_failing(work.connection, tenant_id, webhook.webhook_id, since)
        given_up = is_final and (work.now - since).total_seconds() >= sum(self._schedule) * _GIVEN_UP_AFTER
        reason = "gone" if sent.status_code == _GONE else "failing" if given_up else None
        if reason is None or webhook.status != "enabled":
            return
        disabled, event = model.disable(msgspec.structs.replace(webhook, failing_since=since), reason=reason)
        await repository.turn(work.connection, tenant_id, webhook.webhook_id, of=("pending",), into="held")
        await repository.save(work.connection, tenant_id, disabled)
        work.record(event, stream_id=webhook.webhook_id, stream_version=disabled.version)


def _visited(
    visits: dict[Receiver, asyncio.Task[None]], receiver: Receiver, post: Post, _task: asyncio.Task[None]
) -> None:
    visits.pop(receiver, None)
    post.wake()
