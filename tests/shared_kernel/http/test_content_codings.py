"""`Accept-Encoding` as RFC 9110 has it."""

import pytest

from shared_kernel.http.content_codings import PLAIN, Codings, codings_taken

_EITHER = Codings(gzip=True, identity=True)
_NOT_PLAIN = Codings(gzip=True, identity=False)


@pytest.mark.parametrize(
    ("field", "taken"),
    [
        (None, PLAIN),
        (b"", PLAIN),
        (b"gzip, deflate, br, zstd", _EITHER),
        (b"X-GZIP", _EITHER),
        (b"*", _EITHER),
        (b"br, *;q=0.1", _EITHER),
        (b"GZip;Q=0.5", _EITHER),
        (b"gzip ; q = 0.001", _EITHER),
        (b"gzip;q=1.000,identity;q=1", _EITHER),
        (b"gzip;q=0.5, identity;q=0.8", PLAIN),
        (b"gzip;q=0.5, *", PLAIN),
        (b"gzip;q=0", PLAIN),
        (b"gzip;q=0.000, *", PLAIN),
        (b"br, deflate", PLAIN),
        (b"*;q=0", PLAIN),
        (b"gzip, *;q=0", _NOT_PLAIN),
        (b"gzip;q=0.2, identity;q=0", _NOT_PLAIN),
        (b"identity;q=0, *", _NOT_PLAIN),
        (b"gzip, identity;q=0.5, *;q=0", _EITHER),
        (b"gzip;q=often", PLAIN),
        (b"gzip;q=2", PLAIN),
        (b"gzip;q=nan", PLAIN),
        (b"gzip;level=9", _EITHER),
        (b"gzip," * 100, PLAIN),
    ],
)
def test_the_client_decides_as_far_as_we_can_meet_it(field: bytes | None, taken: Codings) -> None:
    """A weight of nothing refuses; what is not named is `*`; bytes as they are go to whoever does not refuse them."""
    assert codings_taken(field) == taken


def test_who_takes_nothing_that_we_have_is_answered_as_if_it_had_not_said() -> None:
    """Section 12.4.1 lets a server disregard what it cannot honour."""
    assert codings_taken(b"br, identity;q=0") == PLAIN
