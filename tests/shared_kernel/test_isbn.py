"""ISBNs at the door."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_kernel.isbn import InvalidIsbn, Isbn13, isbn10_of, parse_isbn


def _check_digit_13(twelve: str) -> str:
    return str(-sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(twelve)) % 10)


def _check_digit_10(nine: str) -> str:
    value = -sum((10 - at) * int(digit) for at, digit in enumerate(nine)) % 11
    return "X" if value == 10 else str(value)


_NINE = st.text("0123456789", min_size=9, max_size=9)
_ISBN13 = st.one_of(
    _NINE.map("978".__add__),
    _NINE.filter(lambda nine: not nine.startswith("0")).map("979".__add__),
).map(lambda twelve: twelve + _check_digit_13(twelve))
_ISBN10 = _NINE.map(lambda nine: nine + _check_digit_10(nine))


@given(_ISBN13)
def test_a_right_isbn13_is_itself(isbn13: str) -> None:
    """Parsing changes no digit."""
    assert parse_isbn(isbn13) == isbn13


@given(_ISBN10)
def test_an_isbn10_survives_the_round_trip(isbn10: str) -> None:
    """Ten digits, thirteen, and the same ten again."""
    isbn13 = parse_isbn(isbn10)
    assert isbn13.startswith("978")
    assert parse_isbn(isbn13) == isbn13
    assert isbn10_of(isbn13) == isbn10


@given(_ISBN13, st.integers(0, 12), st.integers(1, 9))
def test_one_wrong_digit_of_thirteen_is_caught(isbn13: str, at: int, by: int) -> None:
    """ISO 2108 promises it for every single digit."""
    wrong = isbn13[:at] + str((int(isbn13[at]) + by) % 10) + isbn13[at + 1 :]
    with pytest.raises(InvalidIsbn):
        parse_isbn(wrong)


@given(_ISBN10, st.integers(0, 9), st.integers(1, 10))
def test_one_wrong_digit_of_ten_is_caught(isbn10: str, at: int, by: int) -> None:
    """Modulo 11 catches the X too."""
    digits = "0123456789X" if at == 9 else "0123456789"
    wrong_digit = digits[(digits.index(isbn10[at]) + by) % len(digits)]
    if wrong_digit != isbn10[at]:
        with pytest.raises(InvalidIsbn):
            parse_isbn(isbn10[:at] + wrong_digit + isbn10[at + 1 :])


@given(_ISBN10, st.integers(0, 8))
def test_two_neighbours_swapped_in_ten_are_caught(isbn10: str, at: int) -> None:
    """The commonest slip of the hand."""
    swapped = isbn10[:at] + isbn10[at + 1] + isbn10[at] + isbn10[at + 2 :]
    if swapped != isbn10:
        with pytest.raises(InvalidIsbn):
            parse_isbn(swapped)


@given(st.text(max_size=60))
def test_any_text_is_an_isbn_or_refused(text: str) -> None:
    """Nothing but `InvalidIsbn` is ever raised, and nothing but thirteen digits returned."""
    try:
        isbn13 = parse_isbn(text)
    except InvalidIsbn:
        return
    assert len(isbn13) == 13
    assert isbn13.isascii()
    assert isbn13.isdigit()
    assert isbn13.startswith(("978", "979"))


@pytest.mark.parametrize(
    "printed",
    [
        "9780306406157",
        "978-0-306-40615-7",
        "978 0 306 40615 7",
        " ISBN 978-0-306-40615-7 ",
        "ISBN: 9780306406157",
        "ISBN-13: 978-0-306-40615-7",
        "isbn 13 978-0-306-40615-7",
        "978\u20100\u2010306\u201040615\u20107",
        "0-306-40615-2",
        "ISBN-10 0306406152",
        "ISBN0306406152",
    ],
)
def test_every_printed_form_is_one_isbn(printed: str) -> None:
    """Hyphens of any kind, spaces, the label, ten digits or thirteen."""
    assert parse_isbn(printed) == "9780306406157"


@pytest.mark.parametrize("printed", ["080442957X", "0-8044-2957-x"])
def test_an_x_is_a_check_digit(printed: str) -> None:
    """In capitals or not."""
    assert isbn10_of(parse_isbn(printed)) == "080442957X"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "length"),
        ("978030640615", "length"),
        ("306406152", "length"),
        ("97803064061570", "length"),
        ("9" * 4000, "length"),
        ("978030640615X", "characters"),
        ("03064O6152", "characters"),
        ("0X06406152", "characters"),
        ("\u0669780306406157", "characters"),
        ("9780306406158", "check_digit"),
        ("0306406153", "check_digit"),
        ("4006381333931", "prefix"),
        ("9790060115615", "prefix"),
    ],
)
def test_a_refusal_names_its_reason(text: str, reason: str) -> None:
    """A 979-0 number is printed music, an EAN of another article no book."""
    with pytest.raises(InvalidIsbn) as refused:
        parse_isbn(text)
    assert refused.value.reason == reason


def test_979_has_no_isbn10() -> None:
    """Only 978 was there before 2007."""
    assert isbn10_of(Isbn13("9791090636071")) is None
