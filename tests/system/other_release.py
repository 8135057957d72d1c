"""The projections of another release: the order list has its next version, everything else is the same."""

from typing import Any

import msgspec
from sqlalchemy import MetaData

from projections.fold import Projection
from projections.registry import PROJECTIONS as THIS_RELEASE

CHANGED = "order_list"


def _next_version(projection: Projection[Any]) -> Projection[Any]:  # Any: rows of every view
    view = projection.view
    version = view.version + 1
    table = view.table.to_metadata(MetaData(schema=view.table.schema), name=f"{view.name}__v{version}")
    return msgspec.structs.replace(projection, view=msgspec.structs.replace(view, version=version, table=table))


PROJECTIONS = tuple(_next_version(one) if one.view.name == CHANGED else one for one in THIS_RELEASE)
