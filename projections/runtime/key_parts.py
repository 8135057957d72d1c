"""Parts of all keys, by hash: what is too large for memory is folded part by part."""

import zlib

import msgspec

from shared_kernel.views import Key, encode_key


class KeyPart(msgspec.Struct, frozen=True, kw_only=True):
    """One of `of` parts."""

    number: int
    of: int

    def holds(self, key: Key) -> bool:
        """Whether the key belongs to this part."""
        return zlib.crc32(encode_key(key).encode(errors="replace")) % self.of == self.number

    def halves(self) -> tuple["KeyPart", "KeyPart"]:
        """The two parts that it consists of."""
        of = 2 * self.of
        return KeyPart(number=self.number, of=of), KeyPart(number=self.number + self.of, of=of)
