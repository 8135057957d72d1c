"""Where messages may go: public addresses only, decided when connecting, about the very address connected to."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

import msgspec

_FORBIDDEN_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",  # with the broadcast address
    )
)
_GLOBAL_V6: Final = IPv6Network("2000::/3")
"""Everything else in version 6 is mapped (::ffff:), translated (64:ff9b:), unique local, link-local or multicast."""
_FORBIDDEN_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # the IETF's: Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4: an address of version 4 inside
        "3fff::/20",
        "2620:4f:8000::/48",
    )
)
LOOPBACK_IS_FOR_UP: Final = (
    "SHELFWISE_WEBHOOKS_ALLOW_LOOPBACK is for the children of `shelfwise up`: unset it; receivers have public URLs"
)
"""Why nobody else starts with it: a store's owner could have messages sent to whatever listens beside the API."""
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver's URL in parts."""

    is_secure: bool
    host: str
    port: int
    path: str


def target_of(url: str, *, allows_loopback: bool) -> Target:
    """The parts of a URL that messages may be sent to.

    Args:
        allows_loopback: whether receivers without TLS are accepted on this machine.

    Raises:
        ValueError: in a client's words.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in _DEFAULT_PORTS or not host:
        message = "an https URL with a host is wanted"
        raise ValueError(message)
    if parts.scheme == "http" and not allows_loopback:
        message = "https is wanted: messages are not sent in clear"
        raise ValueError(message)
    if parts.username is not None or parts.password is not None:
        message = "a user or a password does not belong in a URL"
        raise ValueError(message)
    literal = _literal(host)
    if literal is not None and not is_allowed(literal, allows_loopback=allows_loopback):
        message = "the address is not a public one"
        raise ValueError(message)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return Target(is_secure=parts.scheme == "https", host=host, port=port, path=path)


def is_allowed(address: str, *, allows_loopback: bool) -> bool:
    """Whether a message may be sent to this very address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if allows_loopback and parsed.is_loopback:
        return True
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _FORBIDDEN_V4)
    return _is_global(parsed)


def _is_global(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in _GLOBAL_V6:
        return False
    return not any(address in network for network in _FORBIDDEN_V6)


def _literal(host: str) -> str | None:
    """The host where it is an address; also in the forms that resolvers take for one, such as `0x7f.1`."""
    try:
        ip_address(host)
    except ValueError:
        return None
    return host
