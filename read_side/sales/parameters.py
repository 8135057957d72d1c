"""From a query string about sales to a question with absolute dates, so that its answer can be stored."""

from datetime import date, timedelta
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from read_side.query_execution import PlaceInt64, PlaceText, decode_cursor
from read_side.sales.queries import ByDimension, ByTime, SalesByDimensionQuery, SalesByTimeQuery
from shared_kernel.errors import FieldError, InvalidError

By: TypeAlias = Literal["hour", "day", "week", "month", "title", "author", "publisher", "location", "channel"]
SalesQuery: TypeAlias = SalesByTimeQuery | SalesByDimensionQuery

DEFAULT_DAYS: Final = 30
_DEFAULT_LIMIT: Final = 20
_MAX_LIMIT: Final = 100
_MAX_CURSOR_CHARACTERS: Final = 1_500  # a name's 200 characters of four bytes, a sum and a digest, in base64
# A chart shows no more points than this; and what is summed by title stays some hundred thousand rows.
_MAX_DAYS: Final[dict[By, int]] = {
    "hour": 31,
    "day": 400,
    "week": 3 * 366,
    "month": 10 * 366,
    "title": 400,
    "author": 400,
    "publisher": 400,
    "location": 400,
    "channel": 400,
}
_HOURS_A_DAY: Final = 24
_FIRST_DATE: Final = date(1900, 1, 1)
_LAST_DATE: Final = date(2999, 12, 31)


class SalesParameters(msgspec.Struct, frozen=True, kw_only=True, rename={"from_date": "from", "to_date": "to"}):
    """Dates are the store's own, `to` is exclusive; without them the last thirty days, today included."""

    by: By = "day"
    from_date: date | None = None
    to_date: date | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MAX_LIMIT)] | None = None
    cursor: Annotated[str, msgspec.Meta(max_length=_MAX_CURSOR_CHARACTERS)] | None = None

    def __post_init__(self) -> None:
        for name, value in (("from", self.from_date), ("to", self.to_date)):
            if value is not None and not _FIRST_DATE <= value <= _LAST_DATE:
                raise ValueError(f"{name}: a date between {_FIRST_DATE} and {_LAST_DATE}")


def resolve(parameters: SalesParameters, *, today: date, currency: str) -> SalesQuery:
    """The question, with nothing left open.

    Args:
        parameters: as given.
        today: by the store's calendar.
        currency: the store's.

    Raises:
        InvalidError: the range is empty or too long for what is asked.
        InvalidCursor: the cursor is of another question.
    """
    to_date = parameters.to_date or today + timedelta(days=1)
    from_date = parameters.from_date or to_date - timedelta(days=DEFAULT_DAYS)
    _check_range(parameters.by, from_date, to_date)
    match parameters.by:
        case "hour" | "day" | "week" | "month":
            return _by_time(parameters, parameters.by, from_date, to_date, currency=currency)
        case _:
            return _by_dimension(parameters, parameters.by, from_date, to_date, currency=currency)


def _check_range(by: By, from_date: date, to_date: date) -> None:
    if from_date >= to_date:
        raise _invalid(
            "from", "empty_range", "`from` must be before `to`, which is exclusive and is tomorrow by default"
        )
    if (to_date - from_date).days > _MAX_DAYS[by]:
        raise _invalid("from", "range_too_long", f"at most {_MAX_DAYS[by]} days by {by}")


def _by_time(
    parameters: SalesParameters, by: ByTime, from_date: date, to_date: date, *, currency: str
) -> SalesByTimeQuery:
    whole_range = (to_date - from_date).days * (_HOURS_A_DAY if by == "hour" else 1)
    query = SalesByTimeQuery(
        by=by, from_date=from_date, to_date=to_date, currency=currency, limit=parameters.limit or whole_range
    )
    if parameters.cursor is None:
        return query
    (after,) = decode_cursor(query.question, parameters.cursor, tuple[PlaceText])
    return msgspec.structs.replace(query, after=after)


def _by_dimension(
    parameters: SalesParameters, by: ByDimension, from_date: date, to_date: date, *, currency: str
) -> SalesByDimensionQuery:
    query = SalesByDimensionQuery(
        by=by, from_date=from_date, to_date=to_date, currency=currency, limit=parameters.limit or _DEFAULT_LIMIT
    )
    if parameters.cursor is None:
        return query
    after = decode_cursor(query.question, parameters.cursor, tuple[PlaceInt64, PlaceText])
    return msgspec.structs.replace(query, after=after)


def _invalid(pointer: str, code: str, detail: str) -> InvalidError:
    return InvalidError(
        "the query string is not valid: see errors", errors=(FieldError(pointer=pointer, code=code, detail=detail),)
    )
