"""A view that the runtime could not fill as it says is refused where the process starts."""

import msgspec
import pytest
from sqlalchemy import BigInteger, Column, Text
from sqlalchemy.dialects.postgresql import JSONB

from projections.fold import Sums
from projections.runtime.codec import ViewCodec
from projections.runtime.errors import REFUSALS
from shared_kernel.identifiers import new_id
from shared_kernel.views import DOCUMENT, View, view_table


class Parcels(msgspec.Struct, frozen=True, kw_only=True):
    """A sum, and a column that adding cannot have."""

    day: int
    units: int
    labels: dict[str, int]


class Numbered(msgspec.Struct, frozen=True, kw_only=True):
    """A sum of a number."""

    day: int
    number: int


def _day() -> Column[int]:
    return Column("day", BigInteger, primary_key=True)


def test_sums_have_no_json_columns() -> None:
    """They would be inserted as text; the same view is fine where its rows are loaded."""
    table = view_table("parcels", 1, _day(), Column("units", BigInteger), Column("labels", JSONB))
    view = View(name="parcels", version=1, row=Parcels, key=("day",), table=table)
    assert ViewCodec(view).upsert
    with pytest.raises(TypeError, match="parcels@1: rows of sums have no JSON"):
        ViewCodec(view, Sums(added=("units",)))


def test_sums_have_no_column_called_as_their_ordinal() -> None:
    """It would be ambiguous in the statement that adds; the same view is fine where its rows are loaded."""
    table = view_table("numbered", 1, _day(), Column("number", BigInteger))
    view = View(name="numbered", version=1, row=Numbered, key=("day",), table=table)
    assert ViewCodec(view).upsert
    with pytest.raises(TypeError, match="numbered@1: no column of sums is called number"):
        ViewCodec(view, Sums(added=("number",)))


def test_a_document_has_its_column() -> None:
    """One without the other would be written by nobody, or nowhere; and rows of sums are never whole when written."""
    with_column = view_table("numbered", 1, _day(), Column("number", BigInteger), Column(DOCUMENT, Text))
    without = view_table("numbered", 1, _day(), Column("number", BigInteger))
    view = View(name="numbered", version=1, row=Numbered, key=("day",), table=with_column, document=str)
    assert DOCUMENT in ViewCodec(view).copied_columns
    with pytest.raises(TypeError, match="numbered@1: a row's document and its column"):
        ViewCodec(msgspec.structs.replace(view, document=None))
    with pytest.raises(TypeError, match="numbered@1: a row's document and its column"):
        ViewCodec(msgspec.structs.replace(view, table=without))
    with pytest.raises(TypeError, match="numbered@1: sums are columns beside the key, of rows without"):
        ViewCodec(view, Sums(added=()))


def test_a_document_that_cannot_be_made_is_a_refused_value() -> None:
    """Whatever its mistake is: only its own key is to be parked, neither its store nor who builds anew."""
    table = view_table("numbered", 1, _day(), Column("number", BigInteger), Column(DOCUMENT, Text))
    names: dict[int, str] = {}
    view = View(
        name="numbered", version=1, row=Numbered, key=("day",), table=table, document=lambda row: names[row.day]
    )
    codec = ViewCodec(view)
    bad = Numbered(day=1, number=1)
    with pytest.raises(REFUSALS, match="KeyError"):
        codec.upsert_arguments(1, [(new_id(), bad, 1)])
    with pytest.raises(REFUSALS, match="KeyError"):
        list(codec.copied_records(1, new_id(), [(bad, 1)]))
