"""Customers are written about their orders: once, to the address that is known when it is sent."""

import asyncio
import email
import email.policy
import ssl
from collections import Counter
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest

from tests.builders.certificates import own_certificate
from tests.builders.reacting import running_reactions
from tests.builders.smtp import smtp
from tests.builders.write_api import WriteApi, made, order, shelf
from tests.eventually import eventually
from write_side.mail.mailers import FileMailer, LogMailer, MailUnavailableError, SmtpMailer, mailer_of
from write_side.mail.noting import MAIL
from write_side.mail.sending import MailDelivery

MAILS = "SELECT template, status, attempts, error FROM write.mail ORDER BY mail_id"


async def bought(api: WriteApi, place: tuple[str, str]) -> tuple[str, str]:
    """An order of a customer; the ids of both."""
    person = {"name": "Émilie Bovary", "email": "emilie@yonville.example"}
    customer = made(await api.post("/customers", person))["id"]
    body = order(place[0], (place[1], 1)) | {"customer_id": customer}
    return made(await api.post("/orders", body))["id"], customer


async def mails(api: WriteApi) -> list[tuple[str, str]]:
    """Template and status of each."""
    return [(row["template"], row["status"]) for row in await api.write_side.as_administrator(MAILS)]


async def test_an_order_is_written_about(write_api: WriteApi, tmp_path: Path) -> None:
    """When it is complete and when it is cancelled; one without a customer never; erased, nobody is written to."""
    delivery = MailDelivery(FileMailer(tmp_path / "mail"), sender="books@store.example")
    servers, place = write_api.write_side.servers, await shelf(write_api)
    async with running_reactions(servers, MAIL, duties=(delivery.duty,)):
        cancelled, _ = await bought(write_api, place)
        made(await write_api.post(f"/orders/{cancelled}/cancellation", {"reason": "x"}), status=200)
        anonymous = made(await write_api.post("/orders", order(place[0], (place[1], 1))))["id"]
        made(await write_api.post(f"/orders/{anonymous}/cancellation", {"reason": "x"}), status=200)
        await eventually(lambda: mails(write_api), lambda found: found == [("order_cancelled", "sent")])
        (file,) = (tmp_path / "mail").glob("*.eml")
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert message["To"] == "Émilie Bovary <emilie@yonville.example>"
        assert "Dear Émilie Bovary" in message.get_content()
        forgotten, customer = await bought(write_api, place)
        made(await write_api.post(f"/customers/{customer}/erasure", {}), status=200)
        made(await write_api.post(f"/orders/{forgotten}/fulfilments", {}))
        await eventually(lambda: mails(write_api), lambda found: found[1:] == [("order_fulfilled", "skipped")])


async def test_a_server_that_refuses_is_believed_and_one_that_is_busy_is_asked_again(write_api: WriteApi) -> None:
    """550 is for good, 451 is not, nor what is said of us and not of the mail; no code says whose it was."""
    place = await shelf(write_api)
    async with smtp(451) as (server, url):
        delivery = MailDelivery(mailer_of(url), sender="books@store.example", schedule=(0.1,) * 50)
        async with running_reactions(write_api.write_side.servers, MAIL, duties=(delivery.duty,)):
            first, _ = await bought(write_api, place)
            made(await write_api.post(f"/orders/{first}/cancellation", {"reason": "x"}), status=200)

            async def error() -> list[str | None]:
                return [row["error"] for row in await write_api.write_side.as_administrator(MAILS)]

            await eventually(error, lambda seen: seen == ["smtp_451"])
            server.code, server.code_of_sender = 250, 530
            await eventually(error, lambda seen: seen == ["smtp_530"])
            server.code_of_sender = 250
            await eventually(lambda: mails(write_api), lambda found: found[0][1] == "sent")
            assert len(server.taken) == 1
            server.code = 550
            second, _ = await bought(write_api, place)
            made(await write_api.post(f"/orders/{second}/cancellation", {"reason": "x"}), status=200)
            await eventually(lambda: mails(write_api), lambda found: [one[1] for one in found] == ["sent", "failed"])
            assert await error() == [None, "smtp_550"]


async def test_a_mail_that_fails_has_none_of_those_beside_it_sent_twice(write_api: WriteApi) -> None:
    """They are under way, and due until that is known."""
    place, unhurried, failing = await shelf(write_api), asyncio.Event(), ["once"]

    class Carrier(LogMailer):
        def __init__(self) -> None:
            self.carried: list[str] = []

        async def carry(self, mail: EmailMessage) -> None:
            self.carried.append(f"{mail['Message-ID']}")
            if failing:
                failing.clear()
                message = "the first one fails in a way nobody foresaw"
                raise RuntimeError(message)
            await unhurried.wait()

    carrier = Carrier()
    for _ in range(2):
        cancelled, _ = await bought(write_api, place)
        made(await write_api.post(f"/orders/{cancelled}/cancellation", {"reason": "x"}), status=200)
    delivery = MailDelivery(carrier, sender="books@store.example")
    noting = msgspec.structs.replace(MAIL, begins="beginning")
    async with running_reactions(write_api.write_side.servers, noting, duties=(delivery.duty,)):
        await eventually(lambda: _returned(carrier.carried), lambda seen: len(seen) >= 2)
        with pytest.raises(AssertionError):
            await eventually(lambda: _returned(carrier.carried), lambda seen: len(seen) > 2, within_seconds=1.5)
        unhurried.set()
        await eventually(lambda: mails(write_api), lambda found: [one[1] for one in found] == ["sent", "sent"])
    assert sorted(Counter(carrier.carried).values()) == [1, 2]


async def _returned(seen: list[str]) -> list[str]:
    return seen


async def test_a_password_is_never_sent_in_clear() -> None:
    """Not to a server that asks for it, and takes it, without TLS."""
    async with smtp(250) as (server, url):
        mail = EmailMessage()
        mail["From"], mail["To"] = "books@store.example", "emilie@yonville.example"
        with pytest.raises(MailUnavailableError, match="password_in_clear"):
            await mailer_of(url.replace("//", "//user:word@")).carry(mail)
        await mailer_of(url).carry(mail)
        assert b"AUTH" not in server.verbs
        assert len(server.taken) == 1


@pytest.mark.parametrize("way", ["offers", "within"])
async def test_within_tls_a_password_goes_to_whom_the_system_vouches_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """By STARTTLS or from the first byte; to nobody whose certificate is unknown, or another's."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "books@store.example", "emilie@yonville.example"
    (own, context), (another, others) = own_certificate(tmp_path), own_certificate(tmp_path, address="127.0.0.2")
    vouched = tmp_path / "vouched.pem"
    vouched.write_text(own.read_text() + another.read_text())

    async def carried(context: ssl.SSLContext) -> tuple[str | None, int, bool]:
        problem = None
        async with smtp(250, **{way: context}) as (server, url):
            try:
                await mailer_of(url.replace("//", "//user:word@")).carry(mail)
            except MailUnavailableError as error:
                problem = f"{error}"
        return problem, len(server.taken), b"AUTH" in server.verbs

    assert await carried(context) == ("SSLCertVerificationError", 0, False)
    monkeypatch.setenv("SSL_CERT_FILE", f"{vouched}")
    assert await carried(context) == (None, 1, True)
    assert await carried(others) == ("SSLCertVerificationError", 0, False)


def test_a_setting_names_a_mailer() -> None:
    """None, a folder or a server; anything else is a mistake."""
    assert isinstance(mailer_of(""), LogMailer)
    assert isinstance(mailer_of("file:///tmp/mail"), FileMailer)
    assert isinstance(mailer_of("smtps://user:word@mail.example"), SmtpMailer)
    with pytest.raises(ValueError, match="smtp://"):
        mailer_of("ftp://mail.example")
