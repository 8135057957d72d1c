"""Who carries mail: an SMTP server, a folder, or nobody. All by blocking calls, in threads."""

import asyncio
import os
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import structlog

_TIMEOUT_SECONDS: Final = 15.0
_SUBMISSION_PORT: Final = 587
_PERMANENT: Final = 500
_log = structlog.get_logger(component="mail")


class MailRefusedError(Exception):
    """The server will not take this mail, however often it is asked."""


class MailUnavailableError(Exception):
    """It was not taken now; later it may be."""


class Mailer(Protocol):
    """Carries one mail."""

    async def carry(self, mail: EmailMessage) -> None:
        """Return once it was taken.

        Raises:
            MailRefusedError, MailUnavailableError: it was not.
        """
        ...


class LogMailer:
    """Says in the log that there was a mail, and nothing of what stands in it."""

    async def carry(self, mail: EmailMessage) -> None:
        """Note its id."""
        _log.info("mail_not_sent", message_id=mail["Message-ID"], reason="no mailer is configured")


class FileMailer:
    """Puts mail into a folder, a file each, named for its id: one that comes twice is there once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def carry(self, mail: EmailMessage) -> None:
        """Write it whole, or not at all."""
        try:
            await asyncio.to_thread(self._write, mail)
        except OSError:
            raise MailUnavailableError("folder") from None

    def _write(self, mail: EmailMessage) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{mail['Message-ID'].strip('<>').partition('@')[0]}.eml"
        unfinished = self._folder / f".{name}"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(mail.as_bytes())
        unfinished.replace(self._folder / name)


class SmtpMailer:
    """Submits mail to a server: `smtp://` with STARTTLS where it offers that, `smtps://` within TLS.

    A password is sent within TLS only.
    """

    def __init__(self, parts: SplitResult) -> None:
        self._parts = parts

    async def carry(self, mail: EmailMessage) -> None:
        """Submit it."""
        try:
            await asyncio.to_thread(self._submit, mail)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _refusal(max(codes, default=0)) from None
        except smtplib.SMTPDataError as error:
            raise _refusal(error.smtp_code) from None
        except smtplib.SMTPResponseException as error:
            # Of the greeting, the login or the sender: our settings are wrong for every mail, and may be mended.
            raise MailUnavailableError(f"smtp_{error.smtp_code}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailableError(type(error).__name__) from None

    def _submit(self, mail: EmailMessage) -> None:
        host, tls = self._parts.hostname or "", ssl.create_default_context()
        if self._parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, self._parts.port or 0, timeout=_TIMEOUT_SECONDS, context=tls)
        else:
            server = smtplib.SMTP(host, self._parts.port or _SUBMISSION_PORT, timeout=_TIMEOUT_SECONDS)
        try:
            server.ehlo()
            is_secret = self._parts.scheme == "smtps"
            if not is_secret and server.has_extn("starttls"):
                server.starttls(context=tls)
                server.ehlo()
                is_secret = True
            if self._parts.username:
                if not is_secret:  # also where somebody in between has taken STARTTLS out of the server's answer
                    raise MailUnavailableError("password_in_clear")
                server.login(unquote(self._parts.username), unquote(self._parts.password or ""))
            server.send_message(mail)
        finally:
            # The mail was taken or it was not: how the server says goodbye changes nothing.
            with suppress(OSError, smtplib.SMTPException):
                server.quit()


def mailer_of(url: str) -> Mailer:
    """The mailer that a setting names: empty for none, `file:///folder`, `smtp://` or `smtps://user:password@host`.

    Raises:
        ValueError: it names none.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "":
            return LogMailer()
        case "file":
            return FileMailer(Path(parts.path))
        case "smtp" | "smtps" if parts.hostname:
            return SmtpMailer(parts)
        case _:
            message = "a mailer's URL begins with file://, smtp:// or smtps://"
            raise ValueError(message)


def _refusal(code: int) -> MailRefusedError | MailUnavailableError:
    kind = MailRefusedError if code >= _PERMANENT else MailUnavailableError
    return kind(f"smtp_{code}")
