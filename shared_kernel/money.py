"""Money as integer minor units beside an ISO 4217 code; never a float, never a Numeric that can be NaN."""

from typing import Annotated

import msgspec

MAX_MINOR = 10**15
"""A bound far above any bookstore's ledger and far below bigint, so that sums of a million rows still fit."""

CurrencyCode = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")]
AmountMinor = Annotated[int, msgspec.Meta(ge=0, le=MAX_MINOR, description="Minor units, such as pence")]

_EXPONENTS = {"BHD": 3, "CLP": 0, "ISK": 0, "JPY": 0, "JOD": 3, "KRW": 0, "KWD": 3, "OMR": 3, "TND": 3, "VND": 0}


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """An amount in minor units of its currency, as the HTTP contract shows it."""

    amount_minor: AmountMinor
    currency: CurrencyCode


def minor_unit_exponent(currency: str) -> int:
    """How many decimals the currency's minor unit has (ISO 4217): 2 for GBP, 0 for JPY."""
    return _EXPONENTS.get(currency, 2)


class SignedMoney(msgspec.Struct, frozen=True, kw_only=True):
    """An amount that may be below zero, such as the net sales of a day on which more came back than was sold."""

    amount_minor: int
    currency: CurrencyCode
