"""Every projection and every view is listed, by hand and completely."""

import importlib
import re
from pathlib import Path

import pytest

import projections
import read_side
from projections.registry import PROJECTIONS, AnyProjection, UnknownProjectionError, projection_named
from shared_kernel.views import View

_PROJECTIONS_FOLDER = Path(projections.__file__).parent
_READ_SIDE_FOLDER = Path(read_side.__file__).parent


def _modules_with_a_projection() -> list[str]:
    paths = _PROJECTIONS_FOLDER.glob("*.py")
    return [path.stem for path in paths if re.search(r"^PROJECTION\b.*=", path.read_text(), re.MULTILINE)]


def test_every_projection_is_registered() -> None:
    """A forgotten one would never run."""
    registered = {projection.view.name for projection in PROJECTIONS}

    assert registered == set(_modules_with_a_projection())
    assert len(PROJECTIONS) == len(registered)


def test_every_view_is_filled_by_a_projection() -> None:
    """A view nobody fills would be read, and always be empty."""
    rooms = [path.parent.name for path in _READ_SIDE_FOLDER.glob("*/view.py")]
    modules = [importlib.import_module(f"read_side.{room}.view") for room in rooms]
    views = {id(value) for module in modules for value in vars(module).values() if isinstance(value, View)}

    assert views == {id(projection.view) for projection in PROJECTIONS}


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.view.label)
def test_a_views_row_and_table_agree(projection: AnyProjection) -> None:
    """Each column of the view's own is a field of its row, and its key leads the table's primary key."""
    view = projection.view

    assert {column.name for column in view.own_columns} == set(view.row.__struct_fields__)
    assert [column.name for column in view.table.primary_key] == ["tenant_id", "build", *view.key]


def test_a_projection_is_found_by_name() -> None:
    """An unknown name is refused with the names there are."""
    assert projection_named("store").view.name == "store"
    with pytest.raises(UnknownProjectionError, match="edition_catalogue"):
        projection_named("nonesuch")
