"""Whose address a request comes from: the socket's, or what a proxy of ours says."""

import ipaddress
from collections.abc import Sequence
from typing import Final, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

NO_ADDRESS: Final = "local"
"""The peer of a Unix socket has none; all of them share a limit."""
_MAX_HOPS: Final = 16


class ClientAddress:
    """Reads `X-Forwarded-For` only where the peer is a proxy of ours, and from the right."""

    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        """Take networks in CIDR form; none means that nobody's `X-Forwarded-For` is believed."""
        self._trusted: tuple[Network, ...] = tuple(ipaddress.ip_network(text) for text in trusted_proxies)

    def of(self, peer: str | None, forwarded_for: bytes | None) -> str:
        """The address to limit.

        Args:
            peer: of the socket.
            forwarded_for: all values of the header, joined with commas.
        """
        if peer is None:
            return NO_ADDRESS
        if forwarded_for is None or not self._trusted or not self._is_trusted(peer):
            return peer
        for hop in reversed(forwarded_for.decode("latin-1").split(",")[-_MAX_HOPS:]):
            address = hop.strip()
            if not _is_address(address):
                return peer
            if not self._is_trusted(address):
                return address
        return peer

    def _is_trusted(self, text: str) -> bool:
        return _is_address(text) and any(ipaddress.ip_address(text) in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
