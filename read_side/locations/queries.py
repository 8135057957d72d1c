"""Locations as a list."""

from enum import StrEnum
from typing import Final

from read_side.locations.view import VIEW, LocationRow
from read_side.query_execution import Answer, Filter, ListQuery, ListSpecification, Record, Snapshot, list_page


class LocationKind(StrEnum):
    """What a location is."""

    SHOP = "shop"
    WAREHOUSE = "warehouse"


LOCATIONS: Final = ListSpecification(
    view=VIEW,
    columns=LocationRow.__struct_fields__,
    sorts={"name": "name"},
    default_sort="name",
    filters={"kind": Filter(column="kind", type=LocationKind)},
)


async def location_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """A page of locations."""
    return await list_page(snapshot, LOCATIONS, query, item=_location)


def _location(record: Record) -> LocationRow:
    return LocationRow(**{name: record[name] for name in LocationRow.__struct_fields__})
