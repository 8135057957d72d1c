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


class SnapshotUnknownError(NotFoundError):
    """No snapshot of the view as of then was asked for, or it has expired (404)."""

    code = "snapshot_unknown"
    title = "There is no such snapshot"


class SnapshotBuildingError(UnavailableError):
    """The snapshot is not ready (503, try again)."""

    code = "snapshot_building"
    title = "The snapshot is being built"


class AsOfTooEarlyError(InvalidError):
    """The position that the answer must include is past the snapshot's (422)."""

    code = "as_of_too_early"
    title = "The snapshot ends before that position"
