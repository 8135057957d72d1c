"""What customers are written. A template is given an order's facts when it is noted, and a name when it is sent."""

from typing import Final, Literal, TypeAlias

import msgspec

from shared_kernel.money import minor_unit_exponent

Template: TypeAlias = Literal["order_confirmed", "order_cancelled", "order_fulfilled"]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an order without knowing whose it is."""

    number: str
    store: str
    total_minor: int
    currency: str


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A subject and a text."""

    subject: str
    text: str


_TEXTS: Final[dict[Template, tuple[str, str]]] = {
    "order_confirmed": (
        "Your order {number}",
        "Dear {name},\n\nthank you for your order {number} at {store}, {total} in all. We are getting it ready.\n",
    ),
    "order_cancelled": (
        "Your order {number} was cancelled",
        "Dear {name},\n\nyour order {number} at {store} was cancelled. What you paid for it goes back to you.\n",
    ),
    "order_fulfilled": (
        "Your order {number} is complete",
        "Dear {name},\n\nthe last book of your order {number} has left {store}. Enjoy reading!\n",
    ),
}


def letter(template: Template, facts: Facts, *, name: str) -> Letter:
    """A template, filled in."""
    subject, text = _TEXTS[template]
    values = {
        "name": name,
        "number": facts.number,
        "store": facts.store,
        "total": _amount(facts.total_minor, facts.currency),
    }
    return Letter(subject=subject.format(**values), text=text.format(**values))


def _amount(amount_minor: int, currency: str) -> str:
    decimals = minor_unit_exponent(currency)
    whole, part = divmod(amount_minor, 10**decimals)
    return f"{whole}.{part:0{decimals}} {currency}" if decimals else f"{whole} {currency}"
