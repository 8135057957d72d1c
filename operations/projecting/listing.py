"""The projections of this release."""

import msgspec

from projections.registry import PROJECTIONS


class ListedProjection(msgspec.Struct, frozen=True, kw_only=True):
    """A projection this release has."""

    name: str
    version: int
    handles: tuple[str, ...]
    cached: bool


def listed_projections() -> tuple[ListedProjection, ...]:
    """Each with the events it folds, and whether its rows are in Redis."""
    return tuple(
        ListedProjection(
            name=one.view.name,
            version=one.view.version,
            handles=tuple(sorted(kind.__name__ for kind in one.handles)),
            cached=one.view.body is not None,
        )
        for one in PROJECTIONS
    )
