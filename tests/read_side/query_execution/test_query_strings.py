"""Query strings are read as `urllib.parse` reads them, and links to next pages say what was asked."""

import random
from urllib.parse import parse_qsl

import pytest

from read_side.query_execution.paging import next_link
from read_side.query_execution.parameters import MAX_PARAMETERS, decoded_name, query_pairs
from shared_kernel.errors import MalformedError


class _Asking:
    """A request with a query string and nothing else."""

    def __init__(self, text: str) -> None:
        self.scope = {"query_string": text.encode()}


def _as_the_library_reads(text: str) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        return None


def _as_we_read(text: str) -> list[tuple[str, str]] | None:
    try:
        return [*query_pairs(_Asking(text))]
    except MalformedError:
        return None


def test_any_text_is_read_as_the_library_reads_it() -> None:
    """Blank values, plus signs, percent signs that mean something, nothing, or no UTF-8; and how many there may be."""
    pick = random.Random(70)  # noqa: S311  # the same texts in every run; nothing is secured by it
    texts = ["".join(pick.choices("ab=&&%+5BDE2;c3A9", k=pick.randrange(14))) for _ in range(3_000)]
    texts += ["&".join(["a=1"] * number) for number in (MAX_PARAMETERS, MAX_PARAMETERS + 1)]
    assert [_as_we_read(text) for text in texts] == [_as_the_library_reads(text) for text in texts]


def test_names_that_nobody_has_are_not_kept() -> None:
    """Anybody may make up long ones; those that routes have are decoded once."""
    decoded_name.cache_clear()
    assert query_pairs(_Asking(f"{'%41' * 22}=1&placed_at%5Blt%5D=2")) == (("A" * 22, "1"), ("placed_at[lt]", "2"))
    assert decoded_name.cache_info().currsize == 1


@pytest.mark.parametrize(
    ("asked", "link"),
    [
        (b"", "/orders?cursor=next"),
        (b"limit=5&cursor=last&status=paid", "/orders?limit=5&status=paid&cursor=next"),
        (b"placed_at%5Blt%5D=2999-01-01T00:00:00Z", "/orders?placed_at%5Blt%5D=2999-01-01T00:00:00Z&cursor=next"),
        (b"%63ursor=last", "/orders?cursor=next"),
        (b"number=%3E%22%0D%0A", "/orders?number=%3E%22%0D%0A&cursor=next"),
        (b'number=>"&placed_at[lt]=x', "/orders?number=%3E%22&placed_at%5Blt%5D=x&cursor=next"),
    ],
)
def test_a_link_asks_the_same_further_on(asked: bytes, link: str) -> None:
    """Once, however the last cursor was spelled; what would end a link or a header field stays encoded."""
    assert next_link("/orders", asked, "next") == link
