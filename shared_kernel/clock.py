"""The clock, handed to whoever needs the time, so that decisions stay pure and tests choose it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

Clock: TypeAlias = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def date_in(timezone: str, now: datetime) -> date:
    """What the calendar on a store's wall says.

    Args:
        timezone: an IANA name, as a tenant has it.
        now: with its own zone.
    """
    return now.astimezone(ZoneInfo(timezone)).date()


def day_ends_at(timezone: str, now: datetime) -> datetime:
    """The next midnight on that wall, in UTC.

    Args:
        timezone, now: as for `date_in`.
    """
    tomorrow = date_in(timezone, now) + timedelta(days=1)
    return datetime.combine(tomorrow, time(), ZoneInfo(timezone)).astimezone(UTC)
