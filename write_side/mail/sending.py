"""The duty that empties the outbox of mail: an address is read when it is written to, and forgotten afterwards."""

import asyncio
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from shared_kernel.database.pool import Connection
from write_side.mail.mailers import Mailer, MailRefusedError, MailUnavailableError
from write_side.mail.templates import Facts, Template, letter
from write_side.reactions.post import Post
from write_side.reactions.reaction import Duty

RETRY_SECONDS: Final = (30.0, 300.0, 1_800.0, 7_200.0, 21_600.0, 43_200.0)
"""A day of attempts; then the mail has failed."""
_SWEEP_SECONDS: Final = 1.0
_AT_A_TIME: Final = 8
"""Of one shard: an SMTP server that hangs holds as many threads."""

_DUE = """
SELECT m.tenant_id, m.mail_id FROM write.mail m JOIN log.tenant_head h ON h.tenant_id = m.tenant_id
WHERE m.status = 'pending' AND m.next_attempt_at <= clock_timestamp() AND h.shard = $1
ORDER BY m.next_attempt_at LIMIT $2
"""
_LOAD = """
SELECT m.mail_id, m.template, m.number, m.total_minor, m.currency, m.attempts, t.name AS store, p.name, p.email
FROM write.mail m
JOIN write.tenant t ON t.tenant_id = m.tenant_id
LEFT JOIN write.customer_person p ON (p.tenant_id, p.customer_id) = (m.tenant_id, m.customer_id)
WHERE m.tenant_id = $1 AND m.mail_id = $2 AND m.status = 'pending'
"""
_RECORD = """
UPDATE write.mail SET status = $3, attempts = attempts + 1, error = $4, next_attempt_at = coalesce($5, next_attempt_at)
WHERE tenant_id = $1 AND mail_id = $2
"""


class MailPoint(StrEnum):
    """The places between two steps of a mail where a worker may die."""

    LOADED = "mail_loaded"
    CARRIED = "mail_carried"
    RECORDED = "mail_recorded"


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A mail to send now; `email` is None where nobody knows it, or no longer."""

    mail_id: UUID
    template: Template
    number: str
    total_minor: int
    currency: str
    attempts: int
    store: str
    name: str | None
    email: str | None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt left a mail."""

    status: str
    error: str | None = None
    pause_seconds: float | None = None


class MailDelivery:
    """Sends the mail of every shard of a worker."""

    def __init__(self, mailer: Mailer, *, sender: str, schedule: tuple[float, ...] = RETRY_SECONDS) -> None:
        self._mailer = mailer
        self._sender = sender
        self._schedule = schedule

    @property
    def duty(self) -> Duty:
        """For a worker to perform."""
        return Duty(name="mail", run=self.run)

    async def run(self, post: Post) -> None:
        """Send what is due, until cancelled."""
        while True:
            async with post.crossing() as connection:
                due = await connection.fetch(_DUE, post.shard, _AT_A_TIME)
            sending = (self._deliver(post, row["tenant_id"], row["mail_id"]) for row in due)
            # One that fails waits for the others: what is still under way would be found due, and sent twice.
            failures = [one for one in await asyncio.gather(*sending, return_exceptions=True) if one is not None]
            if failures:
                raise failures[0]
            if len(due) < _AT_A_TIME:
                await post.news(within_seconds=_SWEEP_SECONDS)

    async def _deliver(self, post: Post, tenant_id: UUID, mail_id: UUID) -> None:
        async with post.working(tenant_id) as work:
            waiting = await _load(work.connection, tenant_id, mail_id)
        if waiting is None:
            return
        post.reach(MailPoint.LOADED)
        outcome = await self._attempt(waiting)
        post.reach(MailPoint.CARRIED)
        async with post.working(tenant_id) as work:
            pause = outcome.pause_seconds
            next_at = None if pause is None else work.now + timedelta(seconds=pause)
            await work.connection.execute(_RECORD, tenant_id, mail_id, outcome.status, outcome.error, next_at)
        post.reach(MailPoint.RECORDED)

    async def _attempt(self, waiting: Waiting) -> Outcome:
        if waiting.name is None or waiting.email is None:
            return Outcome(status="skipped", error="nobody_to_write_to")
        try:
            await self._mailer.carry(self._message(waiting, name=waiting.name, email=waiting.email))
        except MailRefusedError as error:
            return Outcome(status="failed", error=str(error))
        except MailUnavailableError as error:
            if waiting.attempts >= len(self._schedule):
                return Outcome(status="failed", error=str(error))
            return Outcome(status="pending", error=str(error), pause_seconds=self._schedule[waiting.attempts])
        return Outcome(status="sent")

    def _message(self, waiting: Waiting, *, name: str, email: str) -> EmailMessage:
        facts = Facts(
            number=waiting.number, store=waiting.store, total_minor=waiting.total_minor, currency=waiting.currency
        )
        written = letter(waiting.template, facts, name=name)
        user, _, domain = email.rpartition("@")
        mail = EmailMessage(policy=SMTP)
        mail["From"] = Address(display_name=waiting.store, addr_spec=self._sender)
        mail["To"] = Address(display_name=name, username=user, domain=domain)
        mail["Subject"] = written.subject
        # The same at every attempt, so that whoever gets it twice can tell.
        mail["Message-ID"] = f"<{waiting.mail_id}@{self._sender.rpartition('@')[2]}>"
        mail.set_content(written.text)
        return mail


async def _load(connection: Connection, tenant_id: UUID, mail_id: UUID) -> Waiting | None:
    row = await connection.fetchrow(_LOAD, tenant_id, mail_id)
    return None if row is None else Waiting(**dict(row))
