"""What a query can be refused with, beside what every request can."""

from shared_kernel.errors import InvalidError, NotFoundError, UnavailableError


class EntityNotFoundError(NotFoundError):
    """There is no such row for this tenant, up to the position that the answer names (404)."""

    code = "not_found"
    title = "Not found"


class ProjectionBehindError(UnavailableError):
    """The view has not reached the position asked for (503, try again)."""

    code = "projection_behind"
    title = "The view is not that far yet"


class RowDegradedError(UnavailableError):
    """A row shown is parked before the position asked for, so it cannot be shown as of then (503)."""

    code = "row_degraded"
    title = "A row of the answer is parked"


class TooManyWaitingError(UnavailableError):
    """As many requests are waiting for a position as this process allows (503, try again)."""

    code = "too_many_waiting"
    title = "Too many requests are waiting"


class ViewNotBuiltError(UnavailableError):
    """This release's table of the view is not there yet (503, try again)."""

    code = "view_not_built"
    title = "The view is being built"


class PositionUnknownError(InvalidError):
    """The position asked for is past the log's end, so no waiting helps (422)."""

    code = "position_unknown"
    title = "There is no such position yet"
