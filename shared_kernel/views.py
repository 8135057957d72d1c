"""The shape of a view: what a projection fills and a query reads. Each lives in `read_side/<view>/view.py`."""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, MetaData, Table, Uuid

RowT = TypeVar("RowT", bound=msgspec.Struct)
Key: TypeAlias = tuple[Hashable, ...]
"""The values of a view's key columns, in their order."""

READ_SCHEMA = "read"
DOCUMENT = "document"
"""The column of rows that carry their list's item, ready to be sent."""
WHOLE_TENANT = "*"
"""The key under which a tenant is parked for a projection, when it cannot even be said which rows an event touches."""
_MAX_NAME_BYTES = 63 - len("__v999_b99999")


class View(msgspec.Struct, Generic[RowT], frozen=True, kw_only=True):
    """A read table, its row, and what of it goes to Redis.

    Attributes:
        name: such as `order_list`.
        version: of its shape and meaning; a change of either is a new number, built beside the old one.
        row: a frozen struct whose fields are the table's own columns (`own_columns`), in any order.
        key: names of the columns that identify a row within its tenant and build.
        table: made by `view_table`.
        body: encodes a row as the `data` of its entity query; None where rows are not written through to Redis.
        document: encodes a row as an item of its list, for the column `DOCUMENT`, which the runtime fills whenever it
            writes the row; the same text for equal rows. None where there is no such column.
    """

    name: str
    version: int
    row: type[RowT]
    key: tuple[str, ...]
    table: Table
    body: Callable[[RowT], bytes] | None = None
    document: Callable[[RowT], str] | None = None

    @property
    def label(self) -> str:
        """How answers and operators name it: `order_list@2`."""
        return f"{self.name}@{self.version}"

    @property
    def own_columns(self) -> tuple[Column[Any], ...]:  # Any: columns of every type side by side
        """The columns a fold fills: all but tenant, build, position and document, which the runtime owns."""
        return tuple(column for column in self.table.columns if column.name not in RUNTIME_COLUMNS)

    def key_of(self, row: RowT) -> Key:
        """The key of a row."""
        return tuple(getattr(row, name) for name in self.key)


RUNTIME_COLUMNS = ("tenant_id", "build", "position", DOCUMENT)


def view_table(name: str, version: int, *columns: Column[Any] | Index | ForeignKeyConstraint) -> Table:
    """`read.<name>__v<version>`: the runtime's columns first, the primary key led by tenant and build.

    Args:
        columns: the view's own; mark key columns with `primary_key=True`, in key order. Indexes name their columns and
            are led by `tenant_id` and `build` without saying so.
    """
    if len(name.encode()) > _MAX_NAME_BYTES:
        message = f"view name {name} is too long for PostgreSQL once version and build are added"
        raise ValueError(message)
    return Table(
        f"{name}__v{version}",
        MetaData(schema=READ_SCHEMA),
        Column("tenant_id", Uuid, primary_key=True),
        Column("build", Integer, primary_key=True),
        *columns,
        Column("position", BigInteger, nullable=False),
    )


def encode_key(key: Key) -> str:
    """A key as text: what dead letters, Redis rows and `explain` call it. Key values hold no `|` unescaped."""
    return "|".join(str(part).replace("\\", "\\\\").replace("|", "\\|") for part in key)
