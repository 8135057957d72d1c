"""Webhooks: load, decide, save."""

from uuid import UUID

from shared_kernel.events.envelope import Event
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.webhooks import model, repository
from write_side.webhooks.commands import CreateWebhook, ReplayDeliveries, Replayed, WebhookSecret
from write_side.webhooks.errors import WebhookNotFound
from write_side.webhooks.model import Webhook
from write_side.webhooks.signing import ROTATION_OVERLAP, WebhookRules, secret_of, secrets_in_force

PATH = "/api/v1/webhooks"
_FINISHED = ("delivered", "failed")


async def create_webhook(command: CreateWebhook, rules: WebhookRules, work: UnitOfWork) -> Outcome:
    """Tell a receiver from now on."""
    existing = await repository.count(work.connection, work.tenant.id)
    webhook, created = model.create(command, webhook_id=work.new_id(), existing=existing, rules=rules)
    await repository.add(work.connection, work.tenant.id, webhook, work.now)
    work.record(created, stream_id=webhook.webhook_id, stream_version=webhook.version)
    location = f"{PATH}/{webhook.webhook_id}"
    return Outcome(data=model.decided(webhook), version=webhook.version, status=201, location=location)


async def show_secret(webhook_id: UUID, rules: WebhookRules, work: UnitOfWork) -> Outcome:
    """Nothing changes, and no answer is kept."""
    webhook = await _lock(webhook_id, work)
    numbers = secrets_in_force(webhook.secret_number, webhook.rotated_at, work.now)
    secrets = tuple(secret_of(rules, work.tenant.id, webhook_id, number) for number in numbers)
    until = webhook.rotated_at + ROTATION_OVERLAP if webhook.rotated_at is not None and len(numbers) > 1 else None
    data = WebhookSecret(id=webhook_id, secrets=secrets, previous_until=until)
    return Outcome(data=data, version=webhook.version)


async def rotate_secret(webhook_id: UUID, work: UnitOfWork) -> Outcome:
    """Sign by a new secret, and for a day by the one before as well."""
    return await _save(*model.rotate(await _lock(webhook_id, work), now=work.now), work)


async def disable_webhook(webhook_id: UUID, work: UnitOfWork) -> Outcome:
    """Send nothing; what waits is held."""
    disabled, event = model.disable(await _lock(webhook_id, work), reason="asked")
    await repository.turn(work.connection, work.tenant.id, webhook_id, of=("pending",), into="held")
    return await _save(disabled, event, work)


async def enable_webhook(webhook_id: UUID, work: UnitOfWork) -> Outcome:
    """Send what was held, and what comes."""
    enabled, event = model.enable(await _lock(webhook_id, work))
    await repository.turn(work.connection, work.tenant.id, webhook_id, of=("held",), into="pending")
    return await _save(enabled, event, work)


async def delete_webhook(webhook_id: UUID, work: UnitOfWork) -> Outcome:
    """Forget the receiver."""
    deleted, event = model.delete(await _lock(webhook_id, work))
    await repository.turn(work.connection, work.tenant.id, webhook_id, of=("pending", "held"), into="dropped")
    return await _save(deleted, event, work)


async def replay_deliveries(webhook_id: UUID, command: ReplayDeliveries, work: UnitOfWork) -> Outcome:
    """Send again, under the same message ids."""
    webhook = await _lock(webhook_id, work)
    messages, last = await repository.replay(
        work.connection,
        work.tenant.id,
        webhook,
        from_position=command.from_position,
        statuses=("failed",) if command.only_failed else _FINISHED,
        now=work.now,
    )
    data = Replayed(id=webhook_id, messages=messages, next_position=None if last is None else last + 1)
    return Outcome(data=data, version=webhook.version)


async def _lock(webhook_id: UUID, work: UnitOfWork) -> Webhook:
    webhook = await repository.lock(work.connection, work.tenant.id, webhook_id)
    if webhook is None:
        raise WebhookNotFound("this store has no such webhook")
    work.check_version(webhook.version)
    return webhook


async def _save(webhook: Webhook, event: Event, work: UnitOfWork) -> Outcome:
    await repository.save(work.connection, work.tenant.id, webhook)
    work.record(event, stream_id=webhook.webhook_id, stream_version=webhook.version)
    return Outcome(data=model.decided(webhook), version=webhook.version)
