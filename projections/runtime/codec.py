"""Between a view's row structs and its table: the SQL for many rows at once, made from the Table, and the values."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat
from operator import attrgetter
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from asyncpg import Record
from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import JSONB, asyncpg

from projections.fold import Sums
from projections.runtime.describing import describe, summary_of
from shared_kernel.views import DOCUMENT, Key, View

RowT = TypeVar("RowT", bound=msgspec.Struct)
_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
_COPIED_TOGETHER = 2_000
"""Rows of which columns are gathered at a time: some megabytes."""
_ORDINAL = "number"
"""What adding calls the place of a row among those it was given."""


class StoredRow(msgspec.Struct, Generic[RowT], frozen=True, kw_only=True):
    """A row and the position of the last event that changed it."""

    row: RowT
    position: int


class NoDocumentError(ValueError):
    """A row has no form as an item of its list, whatever the mistake: a value that is refused, so its key is parked."""


class ViewCodec(Generic[RowT]):
    """Reads and writes one view's rows, set-based: one statement whatever their number."""

    def __init__(self, view: View[RowT], sums: Sums | None = None) -> None:
        self.view = view
        self._sums = sums
        self._columns = view.own_columns
        self._written = (*self._columns, *(column for column in view.table.columns if column.name == DOCUMENT))
        self._fields = {field.name: field.type for field in msgspec.structs.fields(view.row)}
        self._check_shape()
        self._decoders = {
            column.name: msgspec.json.Decoder(self._fields[column.name]).decode
            for column in self._columns
            if isinstance(column.type, JSONB)
        }
        self._names = tuple(column.name for column in self._columns)
        self._position_place = 1 + len(self._names)
        self._key_places = tuple(1 + self._names.index(name) for name in view.key)
        self.table = f"{view.table.schema}.{view.table.name}"
        self.key_parameters = 2 + len(view.key)
        self.upsert_parameters = 3 + len(self._written)
        self.select_by_keys = self.select_from(1)
        self.select_all = self._select_all()
        self.upsert = self.upsert_from(1)
        self.delete = self.delete_from(1)
        self.delete_some = self._delete_some()

    def decode(self, record: Record) -> StoredRow[RowT]:
        """The struct of a selected record."""
        values = dict(zip(self._names, record[1 : self._position_place], strict=True))
        for name, decoder in self._decoders.items():
            if values[name] is not None:
                values[name] = decoder(values[name])
        return StoredRow(row=self.view.row(**values), position=record[self._position_place])

    def documents(self, record: Record, row: RowT) -> tuple[str, str] | None:
        """The document in a record of `select_all`, and this row's; None where rows carry none."""
        return None if self.view.document is None else (record[DOCUMENT], self.view.document(row))

    def upsert_arguments(self, build: int, rows: Sequence[tuple[UUID, RowT, int]]) -> list[object]:
        """Build, tenants, positions, then one array a column, for `self.upsert`.

        Raises:
            msgspec.ValidationError, TypeError: a value has no JSON form.
        """
        structs = [row for _, row, _ in rows]
        arrays = [self._values(column, structs) for column in self._written]
        return [build, [tenant for tenant, _, _ in rows], [position for _, _, position in rows], *arrays]

    def key_arguments(self, build: int, keys: Iterable[tuple[UUID, Key]]) -> list[object]:
        """Build, tenants, then one array a key column, for `select_by_keys` and `delete`."""
        pairs = list(keys)
        columns = [[key[index] for _, key in pairs] for index in range(len(self.view.key))]
        return [build, [tenant for tenant, _ in pairs], *columns]

    @property
    def copied_columns(self) -> list[str]:
        """The order of `copied_records`' values."""
        return ["tenant_id", "build", "position", *(column.name for column in self._written)]

    def copied_records(
        self, build: int, tenant_id: UUID, rows: Iterable[tuple[RowT, int]]
    ) -> Iterator[tuple[object, ...]]:
        """One tenant's rows with their positions, as COPY takes them.

        Raises:
            msgspec.ValidationError, TypeError: a value has no JSON form.
        """
        iterator = iter(rows)
        while chunk := list(islice(iterator, _COPIED_TOGETHER)):
            structs = [row for row, _ in chunk]
            arrays = [self._values(column, structs) for column in self._written]
            positions = [position for _, position in chunk]
            yield from zip(repeat(tenant_id), repeat(build), positions, *arrays, strict=False)

    def build_table(self, build: int) -> str:
        """What a build's own table is called, without its schema."""
        return f"{self.view.table.name}_b{build}"

    def delete_loaded(self, build: int) -> str:
        """Deletes a tenant's rows of a build that is not attached yet."""
        return f"DELETE FROM loading.{self.build_table(build)} WHERE tenant_id = $1"  # noqa: S608 - names of a Table

    def key_of_record(self, record: Record) -> tuple[UUID, Key]:
        """Tenant and key of a selected record."""
        return record[0], tuple([record[place] for place in self._key_places])

    def _values(self, column: Column[Any], rows: Sequence[RowT]) -> list[object]:  # Any: columns of every type
        # Column by column: what a column is made of is asked once and not for every row.
        if column.name == DOCUMENT:
            return self._documents(rows)
        values = list(map(attrgetter(column.name), rows))
        if column.name in self._decoders:
            return [None if value is None else msgspec.json.encode(value).decode() for value in values]
        return values

    def _documents(self, rows: Sequence[RowT]) -> list[object]:
        assert self.view.document is not None, "only then it is written"
        try:
            return list(map(self.view.document, rows))
        except Exception as error:
            raise NoDocumentError(summary_of(describe(error))) from error

    def _check_shape(self) -> None:
        columns = {column.name for column in self._columns}
        if columns != self._fields.keys():
            message = f"view {self.view.label}: row and table differ in {sorted(columns ^ self._fields.keys())}"
            raise TypeError(message)
        if (self.view.document is None) == (DOCUMENT in self.view.table.columns):
            message = f"view {self.view.label}: a row's document and its column are there together, or neither"
            raise TypeError(message)
        if self._sums is not None:
            self._check_sums(columns, self._sums)

    def _check_sums(self, columns: set[str], sums: Sums) -> None:
        summed = {*sums.added, *sums.latest}
        is_told = self.view.body is not None or self.view.document is not None
        if summed - (columns - set(self.view.key)) or is_told:
            message = f"view {self.view.label}: sums are columns beside the key, of rows without body and document"
            raise TypeError(message)
        if any(isinstance(column.type, JSONB) for column in self._columns):
            message = f"view {self.view.label}: rows of sums have no JSON columns, which would be written as text"
            raise TypeError(message)
        if _ORDINAL in columns:
            message = f"view {self.view.label}: no column of sums is called {_ORDINAL}: that is the place of a new row"
            raise TypeError(message)

    def _array(self, column: Column[Any], number: int) -> str:  # Any: columns of every type
        kind = "text" if isinstance(column.type, JSONB) else column.type.compile(dialect=_DIALECT)
        return f"${number}::{kind}[]"

    def _selected(self, alias: str, *, named: bool = True) -> str:
        names = [
            f"{alias}.{name}::text{f' AS {name}' if named else ''}" if name in self._decoders else f"{alias}.{name}"
            for name in self._names
        ]
        return ", ".join([f"{alias}.tenant_id", *names, f"{alias}.position"])

    def _key_columns(self) -> list[Column[Any]]:  # Any: columns of every type
        return [self.view.table.columns[name] for name in self.view.key]

    def _wanted(self, first: int) -> str:
        arrays = [self._array(column, number) for number, column in enumerate(self._key_columns(), first + 2)]
        wanted = ", ".join([f"${first + 1}::uuid[]", *arrays])
        return f"unnest({wanted}) AS wanted(tenant_id, {', '.join(self.view.key)})"

    def _matches(self, first: int) -> str:
        own = " AND ".join(f"t.{name} = wanted.{name}" for name in self.view.key)
        return f"t.tenant_id = wanted.tenant_id AND t.build = ${first}::int AND {own}"

    def select_from(self, first: int, *, as_row: bool = False) -> str:
        """The rows of given keys, for `key_arguments`.

        Args:
            first: the number of the first parameter, for statements that several views share.
            as_row: one column, `ROW(…)`, so that rows of several views fit one result.
        """
        selected = f"ROW({self._selected('t', named=False)})" if as_row else self._selected("t")
        # LATERAL: joined, all rows of a build without statistics are read, and compared with each that is wanted.
        rows = f"SELECT {selected} FROM {self.table} t WHERE {self._matches(first)} OFFSET 0"  # noqa: S608 - names of a Table
        return f"SELECT found.* FROM {self._wanted(first)} CROSS JOIN LATERAL ({rows}) AS found"  # noqa: S608 - names of a Table

    def _select_all(self) -> str:
        order = ", ".join(f"t.{name}" for name in self.view.key)
        document = "" if self.view.document is None else f", t.{DOCUMENT}"
        return (
            f"SELECT {self._selected('t')}{document} FROM {self.table} t "  # noqa: S608 - names of a Table
            f"WHERE t.tenant_id = $1 AND t.build = $2 ORDER BY {order}"
        )

    def delete_from(self, first: int, *, condition: str = "true") -> str:
        """Delete the rows of given keys, for `key_arguments`; `first` as in `select_from`, `condition` one of ours."""
        return f"DELETE FROM {self.table} t USING {self._wanted(first)} WHERE {self._matches(first)} AND {condition}"  # noqa: S608 - names of a Table

    def _delete_some(self) -> str:
        keys = ", ".join(self.view.key)
        some = f"SELECT {keys} FROM {self.table} WHERE tenant_id = $1 AND build = $2 LIMIT $3"  # noqa: S608 - names of a Table
        return f"DELETE FROM {self.table} WHERE tenant_id = $1 AND build = $2 AND ({keys}) IN ({some})"  # noqa: S608 - names of a Table

    def upsert_from(self, first: int, *, condition: str = "true") -> str:
        """Write rows, for `upsert_arguments`; `first` as in `select_from`, `condition` one of ours."""
        names = [column.name for column in self._written]
        arrays = [f"${first + 1}::uuid[]", f"${first + 2}::bigint[]"]
        arrays += [self._array(column, number) for number, column in enumerate(self._written, first + 3)]
        values = [f"new.{name}::jsonb" if name in self._decoders else f"new.{name}" for name in names]
        assignments = [f"{name} = excluded.{name}" for name in [*names, "position"] if name not in self.view.key]
        return (
            f"INSERT INTO {self.table} (tenant_id, build, position, {', '.join(names)}) "  # noqa: S608 - names of a Table
            f"SELECT new.tenant_id, ${first}::int, new.position, {', '.join(values)} "
            f"FROM unnest({', '.join(arrays)}) AS new(tenant_id, position, {', '.join(names)}) "
            f"WHERE {condition} ON CONFLICT (tenant_id, build, {', '.join(self.view.key)}) "
            f"DO UPDATE SET {', '.join(assignments)}"
        )

    def add_from(self, first: int, place: int) -> str:
        """Add to the rows that exist and insert those that do not, for `upsert_arguments`, as parts of a `WITH`.

        The last of them, `part_<place>`, has the tenant of each row that is new. That one exists is known by updating
        it: which of its rows an upsert has inserted PostgreSQL does not tell of a partitioned table.
        """
        assert self._sums is not None, "a projection of sums"
        columns = ["tenant_id", "position", *self._names]
        arrays = [f"${first + 1}::uuid[]", f"${first + 2}::bigint[]"]
        arrays += [self._array(column, number) for number, column in enumerate(self._columns, first + 3)]
        assignments = [f"{name} = t.{name} + wanted.{name}" for name in self._sums.added]
        assignments += [f"{name} = wanted.{name}" for name in (*self._sums.latest, "position")]
        new = ", ".join(f"new.{name}" for name in columns)
        # Joined by build as well: of a young table PostgreSQL takes `build = $1` for so rare that it would begin there.
        matches = " AND ".join(f"t.{name} = wanted.{name}" for name in ("tenant_id", "build", *self.view.key))
        # NOT IN hashes the known rows whatever the planner thinks of joins by hash; there is no NULL among them.
        return (
            f"new_{place} AS MATERIALIZED (SELECT ${first}::int AS build, {new}, new.{_ORDINAL} "  # noqa: S608 - names of a Table
            f"FROM unnest({', '.join(arrays)}) WITH ORDINALITY AS new({', '.join(columns)}, {_ORDINAL})), "
            f"known_{place} AS (UPDATE {self.table} t SET {', '.join(assignments)} FROM new_{place} AS wanted "
            f"WHERE {matches} RETURNING wanted.{_ORDINAL}), "
            f"part_{place} AS (INSERT INTO {self.table} (build, {', '.join(columns)}) "
            f"SELECT ${first}::int, {new} FROM new_{place} AS new "
            f"WHERE new.{_ORDINAL} NOT IN (SELECT {_ORDINAL} FROM known_{place}) RETURNING tenant_id)"
        )


def table_spec(view: View[Any]) -> str:  # Any: views of every row type
    """What `projection.create_table` takes, as JSON: names, types from its list, primary key, indexes."""
    table = view.table
    spec = {
        "table": str(table.name),
        "columns": [
            {"name": str(column.name), "type": column.type.compile(dialect=_DIALECT), "nullable": bool(column.nullable)}
            for column in table.columns
        ],
        "primary_key": ["tenant_id", "build", *view.key],
        "indexes": sorted([str(column.name) for column in index.columns] for index in table.indexes),
        "known_by": table.info.get("known_by"),
    }
    return msgspec.json.encode(spec).decode()
