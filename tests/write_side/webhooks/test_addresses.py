"""Messages go to public addresses only, whatever a URL or a name server says."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.builders.receiving import receiver
from write_side.webhooks.addresses import is_allowed, target_of
from write_side.webhooks.sending import Sender

FORBIDDEN = [
    "0.0.0.0",  # noqa: S104 - to be refused
    "10.1.2.3",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "100::1",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "no address",
]
PUBLIC = ["8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    """Private, loopback, link-local, carriers', metadata, mapped, translated, tunnelled: by name."""
    assert not is_allowed(address, allows_loopback=False)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    """Also one beside a range that is not."""
    assert is_allowed(address, allows_loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://user:word@example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https:///path",
        "ftp://example.com/",
    ],
)
def test_a_url_that_cannot_be_sent_to_is_refused_when_it_is_given(url: str) -> None:
    """In clear, with a password, without a host, or of an address that is not public."""
    with pytest.raises(ValueError, match=r"\w"):
        target_of(url, allows_loopback=False)


class Names:
    """A name server that says something else each time it is asked."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers: Iterator[list[str]] = iter(answers)

    async def __call__(self, _host: str, _port: int) -> list[str]:
        """The next answer."""
        return next(self._answers)


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:127.0.0.1"], []])
async def test_a_name_is_judged_by_what_it_means_when_connecting(answer: list[str]) -> None:
    """One forbidden address among others is enough; nobody is connected to."""
    async with receiver() as listening:
        sender = Sender(resolve=Names(answer))
        sent = await sender.send(f"https://rebinding.example:{listening.port}/", {}, b"{}")
        assert sent.status_code is None
        assert sent.error == ("address_not_allowed" if answer else "name_not_resolved")
        assert listening.received == []


async def test_a_name_that_changes_its_meaning_is_asked_once() -> None:
    """The address that was judged is the one connected to: the second answer, which is another, is never seen."""
    async with receiver() as listening:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        sent = await Sender(allows_loopback=True, resolve=names).send(
            f"http://rebinding.example:{listening.port}/", {}, b"{}"
        )
        assert sent.status_code == 204
        assert await names("rebinding.example", 80) == ["10.0.0.1"]


@pytest.mark.parametrize("host", ["0x7f000001", "2130706433", "127.1", "localhost", "0177.0.0.1"])
async def test_an_odd_spelling_of_this_machine_is_this_machine(host: str) -> None:
    """The system's resolver knows many; what it makes of them is judged."""
    sender = Sender()
    sent = await sender.send(f"https://{host}:9/", {}, b"{}")
    sender.close()
    assert sent.error in {"address_not_allowed", "name_not_resolved"}


async def test_no_redirect_is_followed() -> None:
    """A 307 to another receiver is an answer like any other."""
    async with receiver(307) as first, receiver() as second:
        first.more_fields = f"Location: {second.url}\r\n"
        sent = await Sender(allows_loopback=True).send(first.url, {}, b"{}")
        assert (sent.status_code, second.received) == (307, [])


async def test_an_endless_answer_is_not_read() -> None:
    """Its head has a bound in bytes, all of it one in time."""
    poured: asyncio.Queue[None] = asyncio.Queue()

    async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        except ConnectionError:
            writer.close()
            await poured.put(None)

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    assert (await Sender(allows_loopback=True).send(url, {}, b"{}")).error == "connection"
    await poured.get()
    server.close()
    async with receiver(None) as silent:
        sent = await Sender(allows_loopback=True, timeout_seconds=0.2).send(silent.url, {}, b"{}")
        assert sent.error == "timeout"
