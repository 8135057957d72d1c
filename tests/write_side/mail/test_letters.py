"""Every letter, as it is written, carried and received; what is personal stands in the letter and nowhere else."""

import email
import email.policy
import stat
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import get_args
from uuid import UUID

import pytest

from tests.builders.reacting import running_reactions
from tests.builders.smtp import smtp
from tests.builders.write_api import WriteApi, made, order, shelf
from tests.eventually import eventually
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.mail.mailers import FileMailer, Mailer, mailer_of
from write_side.mail.noting import MAIL
from write_side.mail.sending import MailDelivery
from write_side.mail.templates import Facts, Template, letter
from write_side.orders import repository
from write_side.orders.changing import load_order
from write_side.orders.model import confirm

TEMPLATES: tuple[Template, ...] = get_args(Template)
PERSON = {"name": "Zoë Quimperlé-Xyzzy", "email": "zoe.xyzzy@yonville.example"}
SUBJECTS: dict[Template, str] = {
    "order_confirmed": "Your order {}",
    "order_cancelled": "Your order {} was cancelled",
    "order_fulfilled": "Your order {} is complete",
}
MAILS = "SELECT mail_id, template, number, status FROM write.mail ORDER BY mail_id"
SAID = """
SELECT (SELECT string_agg(payload::text || metadata::text, '') FROM log.event)
    || (SELECT string_agg(m::text, '') FROM write.mail m) || (SELECT string_agg(k::text, '') FROM reaction.checkpoint k)
"""


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_letter_names_the_order_the_store_and_whom_it_is_to(template: Template) -> None:
    """Names are taken as they are, also one that looks like a template's own word."""
    facts = Facts(number="SW-7", store="Harbour {Books}", total_minor=123405, currency="GBP")
    written = letter(template, facts, name="{number} %s")
    assert written.subject == SUBJECTS[template].format("SW-7")
    assert written.text.startswith("Dear {number} %s,\n")
    assert "Harbour {Books}" in written.text
    assert ("1234.05 GBP" in written.text) is (template == "order_confirmed")


@pytest.mark.parametrize(("currency", "shown"), [("GBP", "12.34 GBP"), ("JPY", "1234 JPY"), ("KWD", "1.234 KWD")])
def test_an_amount_has_as_many_decimals_as_its_currency(currency: str, shown: str) -> None:
    """Two are not everybody's."""
    facts = Facts(number="SW-7", store="Harbour", total_minor=1234, currency=currency)
    assert f" {shown} in all" in letter("order_confirmed", facts, name="Zoë").text


async def test_every_letter_reaches_a_server(write_api: WriteApi, capfd: pytest.CaptureFixture[str]) -> None:
    """To the customer's address, from the store; of each event one; and no log line, event or row says to whom."""
    async with smtp() as (server, url):
        await write_all(write_api, mailer_of(url))
        received = [parsed(one) for one in server.taken]
        assert server.envelopes == [b"<zoe.xyzzy@yonville.example>"] * len(TEMPLATES)
    rows = await write_api.write_side.as_administrator(MAILS)
    assert {f"<{row['mail_id']}@store.example>" for row in rows} == {one["Message-ID"] for one in received}
    assert {one["Subject"] for one in received} == {SUBJECTS[row["template"]].format(row["number"]) for row in rows}
    for one in received:
        assert one["To"] == f"{PERSON['name']} <{PERSON['email']}>"
        assert one["From"] == "Hatchards <books@store.example>"
        assert one.get_content().startswith(f"Dear {PERSON['name']},")
    await nothing_personal(write_api, capfd)


async def test_every_letter_is_put_into_a_folder(write_api: WriteApi, tmp_path: Path) -> None:
    """A file each, named for its id, which only its owner may read."""
    await write_all(write_api, FileMailer(tmp_path / "mail"))
    rows = await write_api.write_side.as_administrator(MAILS)
    files = {file.stem: file for file in (tmp_path / "mail").iterdir()}
    assert set(files) == {f"{row['mail_id']}" for row in rows}
    for file in files.values():
        assert parsed(file.read_bytes())["To"].endswith(f"<{PERSON['email']}>")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "mail").stat().st_mode) == 0o700


async def test_without_a_mailer_a_letter_is_noted_by_its_id(
    write_api: WriteApi, capfd: pytest.CaptureFixture[str]
) -> None:
    """And by nothing else."""
    await write_all(write_api, mailer_of(""))
    said = await nothing_personal(write_api, capfd)
    rows = await write_api.write_side.as_administrator(MAILS)
    assert all(f"{row['mail_id']}@store.example" in said for row in rows)
    assert said.count("mail_not_sent") == len(TEMPLATES)


async def write_all(api: WriteApi, mailer: Mailer) -> None:
    """Have every letter written, once."""
    place, side = await shelf(api), api.write_side
    customer = made(await api.post("/customers", PERSON))["id"]
    events: dict[Template, Callable[[str], Awaitable[object]]] = {
        "order_confirmed": lambda order_id: side.run(partial(confirmed, UUID(order_id))),
        "order_cancelled": lambda order_id: api.post(f"/orders/{order_id}/cancellation", {"reason": "x"}),
        "order_fulfilled": lambda order_id: api.post(f"/orders/{order_id}/fulfilments", {}),
    }
    assert set(events) == set(TEMPLATES)
    delivery = MailDelivery(mailer, sender="books@store.example")
    async with running_reactions(side.servers, MAIL, duties=(delivery.duty,)):
        for happen in events.values():
            body = order(place[0], (place[1], 1)) | {"customer_id": customer}
            await happen(made(await api.post("/orders", body))["id"])

        async def sent() -> set[tuple[str, str]]:
            return {(row["template"], row["status"]) for row in await side.as_administrator(MAILS)}

        await eventually(sent, lambda found: found == {(one, "sent") for one in TEMPLATES}, within_seconds=60)


async def confirmed(order_id: UUID, work: UnitOfWork) -> Outcome:
    """What the saga does once an order is paid."""
    order, _ = await load_order(order_id, work)
    changed, event = confirm(order)
    await repository.save(work.connection, work.tenant.id, changed, ())
    work.record(event, stream_id=order_id, stream_version=changed.version)
    return Outcome(data=event, version=changed.version)


async def nothing_personal(api: WriteApi, capfd: pytest.CaptureFixture[str]) -> str:
    """Neither printed nor in a row or an event; what was printed."""
    printed = capfd.readouterr()
    (row,) = await api.write_side.as_administrator(SAID)
    for said in (printed.out, printed.err, row[0]):
        assert "xyzzy" not in said.lower()
        assert "quimperl" not in said.lower()
    return printed.out + printed.err


def parsed(raw: bytes) -> EmailMessage:
    """A mail as its reader sees it."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message
