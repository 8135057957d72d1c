"""What makes a store's settings valid."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared_kernel.errors import FieldError
from write_side.tenants.commands import OpenStore
from write_side.tenants.errors import InvalidStore

_MAX_BASIS_POINTS = 10_000
_MAX_TAX_CLASSES = 50
_MAX_TAX_CLASS_LENGTH = 40


def check_store(command: OpenStore) -> None:
    """Hold a store's settings against what everything after it takes for granted.

    Raises:
        InvalidStore: with everything that is wrong.
    """
    errors = tuple(_faults(command))
    if errors:
        raise InvalidStore("the store's settings are not valid", errors=errors)


def _faults(command: OpenStore) -> Iterator[FieldError]:
    try:
        ZoneInfo(command.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield FieldError(pointer="/timezone", code="unknown_timezone", detail="not a time zone of the IANA database")
    if not 1 <= len(command.tax_rates) <= _MAX_TAX_CLASSES:
        yield FieldError(pointer="/tax_rates", code="out_of_range", detail=f"needs 1 to {_MAX_TAX_CLASSES} tax classes")
    for tax_class, basis_points in command.tax_rates.items():
        if not 1 <= len(tax_class) <= _MAX_TAX_CLASS_LENGTH or not 0 <= basis_points <= _MAX_BASIS_POINTS:
            detail = f"a tax class has a name of at most {_MAX_TAX_CLASS_LENGTH} characters and 0 to 10000 basis points"
            yield FieldError(pointer=f"/tax_rates/{tax_class}", code="out_of_range", detail=detail)
