"""Asking a projector's own probe: one that does not answer is as red as one that says so."""

import asyncio
import http.client
import ipaddress
import socket
from contextlib import closing
from http import HTTPStatus

import msgspec

from operations.projecting.state import ProbeAddress

_ANSWER_SECONDS = 2.0
_MAX_BODY_BYTES = 64 * 1024


class ProbeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking."""

    ok: bool
    says: str


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    detail: str = "not ready"


async def ask_probe(address: ProbeAddress) -> ProbeAnswer:
    """Whether the projector says that it is well; one that only its own machine reaches is asked from there alone."""
    host = probe_url_host(address)
    if host is None:
        return ProbeAnswer(ok=True, says=f"the one on {address.machine} can be asked only there")
    return await asyncio.to_thread(_ask, host, address.probe_port)


def probe_url(address: ProbeAddress) -> str:
    """Where a person can ask."""
    return f"http://{probe_url_host(address) or address.probe_host}:{address.probe_port}"


def probe_url_host(address: ProbeAddress) -> str | None:
    """The name to reach it by from here; None where there is none."""
    is_here = address.machine == socket.gethostname()
    try:
        listens_on = ipaddress.ip_address(address.probe_host)
    except ValueError:
        return address.probe_host
    if listens_on.is_unspecified:
        return "127.0.0.1" if is_here else address.machine
    return address.probe_host if is_here or not listens_on.is_loopback else None


def _ask(host: str, port: int) -> ProbeAnswer:
    where = f"http://{host}:{port}"
    with closing(http.client.HTTPConnection(host, port, timeout=_ANSWER_SECONDS)) as connection:
        try:
            connection.request("GET", "/health/ready")
            response = connection.getresponse()
            body = response.read(_MAX_BODY_BYTES)
        except (OSError, http.client.HTTPException) as error:
            return ProbeAnswer(ok=False, says=f"{where} does not answer ({type(error).__name__})")
    if response.status == HTTPStatus.OK:
        return ProbeAnswer(ok=True, says=f"{where} is well")
    try:
        detail = msgspec.json.decode(body, type=_Problem).detail
    except msgspec.DecodeError:
        detail = f"status {response.status}"
    return ProbeAnswer(ok=False, says=f"{where}: {detail}")
