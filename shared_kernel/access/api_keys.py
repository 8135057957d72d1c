"""API keys: `sw_<live|test>_<32 random base62 characters><6 of checksum>`; stored only as a keyed hash."""

import hmac
import secrets
import zlib

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH = 32
"""190 bits: guessing is hopeless, so a fast keyed hash is enough at rest."""
_CHECKSUM_LENGTH = 6
_PREFIXES = ("sw_live_", "sw_test_")
_KEY_LENGTH = len(_PREFIXES[0]) + _RANDOM_LENGTH + _CHECKSUM_LENGTH


def new_api_key(*, live: bool = True) -> str:
    """A fresh key. It is shown once; only `hash_api_key` of it is kept."""
    body = (_PREFIXES[0] if live else _PREFIXES[1]) + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + _checksum(body)


def looks_like_api_key(text: str) -> bool:
    """Whether prefix, length and checksum hold: a typo, or a scanner's guess, costs no look-up."""
    if len(text) != _KEY_LENGTH or not text.startswith(_PREFIXES) or not text.isascii():
        return False
    return hmac.compare_digest(_checksum(text[:-_CHECKSUM_LENGTH]), text[-_CHECKSUM_LENGTH:])


def hash_api_key(key: str, secret_key: str) -> str:
    """What is stored and looked up: hex HMAC-SHA-256 under the installation's secret; a stolen table opens nothing."""
    return hmac.digest(secret_key.encode(), key.encode(), "sha256").hex()


def _checksum(body: str) -> str:
    value = zlib.crc32(body.encode())
    characters = []
    for _ in range(_CHECKSUM_LENGTH):
        value, index = divmod(value, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return "".join(reversed(characters))
