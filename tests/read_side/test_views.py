"""The list of views is whole."""

from projections.registry import PROJECTIONS
from read_side.views import VIEWS


def test_every_projection_s_view_is_listed() -> None:
    """In the registry's order; one that is forgotten would be watched by nobody."""
    assert [view.label for view in VIEWS] == [projection.view.label for projection in PROJECTIONS]
