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

from shared_kernel.views import Key, View

RowT = TypeVar("RowT", bound=msgspec.Struct)
_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
_COPIED_TOGETHER = 2_000
"""Rows of which columns are gathered at a time: some megabytes."""


class StoredRow(msgspec.Struct, Generic[RowT], frozen=True, kw_only=True):
    """A row and the position of the last event that changed it."""

    row: RowT
    position: int


class ViewCodec(Generic[RowT]):
    """Reads and writes one view's rows, set-based: one statement whatever their number."""

    def __init__(self, view: View[RowT]) -> None:
        self.view = view
        self._columns = view.own_columns
        self._fields = {field.name: field.type for field in msgspec.structs.fields(view.row)}
        self._check_shape()
        self._decoders = {
            column.name: msgspec.json.Decoder(self._fields[column.name]).decode
            for column in self._columns
            if isinstance(column.type, JSONB)
        }
        self.table = f"{view.table.schema}.{view.table.name}"
        self.select_by_keys = self._select_by_keys()
        self.select_all = self._select_all()
        self.upsert = self._upsert()
        self.delete = self._delete()
        self.delete_some = self._delete_some()

    def decode(self, record: Record) -> StoredRow[RowT]:
        """The struct of a selected record."""
        values = {column.name: record[column.name] for column in self._columns}
        for name, decoder in self._decoders.items():
            if values[name] is not None:
                values[name] = decoder(values[name])
        return StoredRow(row=self.view.row(**values), position=record["position"])

    def upsert_arguments(self, build: int, rows: Sequence[tuple[UUID, RowT, int]]) -> list[object]:
        """Build, tenants, positions, then one array a column, for `self.upsert`.

        Raises:
            msgspec.ValidationError, TypeError: a value has no JSON form.
        """
        structs = [row for _, row, _ in rows]
        arrays = [self._values(column, structs) for column in self._columns]
        return [build, [tenant for tenant, _, _ in rows], [position for _, _, position in rows], *arrays]

    def key_arguments(self, build: int, keys: Iterable[tuple[UUID, Key]]) -> list[object]:
        """Build, tenants, then one array a key column, for `select_by_keys` and `delete`."""
        pairs = list(keys)
        columns = [[key[index] for _, key in pairs] for index in range(len(self.view.key))]
        return [build, [tenant for tenant, _ in pairs], *columns]

    @property
    def copied_columns(self) -> list[str]:
        """The order of `copied_records`' values."""
        return ["tenant_id", "build", "position", *(column.name for column in self._columns)]

    def copied_records(
        self, build: int, tenant_id: UUID, rows: Iterable[tuple[RowT, int]]
    ) -> Iterator[tuple[object, ...]]:
        """One tenant's rows with their positions, as COPY takes them.

        Raises:
            msgspec.ValidationError, TypeError: a value has no JSON form.
        """
        iterator = iter(rows)
        while chunk := list(islice(iterator, _COPIED_TOGETHER)):
            arrays = [self._values(column, [row for row, _ in chunk]) for column in self._columns]
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
        return record["tenant_id"], tuple(record[name] for name in self.view.key)

    def _values(self, column: Column[Any], rows: Sequence[RowT]) -> list[object]:  # Any: columns of every type
        # Column by column: what a column is made of is asked once and not for every row.
        values = list(map(attrgetter(column.name), rows))
        if column.name in self._decoders:
            return [None if value is None else msgspec.json.encode(value).decode() for value in values]
        return values

    def _check_shape(self) -> None:
        columns = {column.name for column in self._columns}
        if columns != self._fields.keys():
            message = f"view {self.view.label}: row and table differ in {sorted(columns ^ self._fields.keys())}"
            raise TypeError(message)

    def _array(self, column: Column[Any], number: int) -> str:  # Any: columns of every type
        kind = "text" if isinstance(column.type, JSONB) else column.type.compile(dialect=_DIALECT)
        return f"${number}::{kind}[]"

    def _selected(self, alias: str) -> str:
        names = [
            f"{alias}.{column.name}::text AS {column.name}"
            if column.name in self._decoders
            else f"{alias}.{column.name}"
            for column in self._columns
        ]
        return ", ".join([f"{alias}.tenant_id", *names, f"{alias}.position"])

    def _key_columns(self) -> list[Column[Any]]:  # Any: columns of every type
        return [self.view.table.columns[name] for name in self.view.key]

    def _wanted(self) -> str:
        arrays = ["$2::uuid[]", *(self._array(column, number) for number, column in enumerate(self._key_columns(), 3))]
        return f"unnest({', '.join(arrays)}) AS wanted(tenant_id, {', '.join(self.view.key)})"

    def _matches(self) -> str:
        own = " AND ".join(f"t.{name} = wanted.{name}" for name in self.view.key)
        return f"t.tenant_id = wanted.tenant_id AND t.build = $1 AND {own}"

    def _select_by_keys(self) -> str:
        return f"SELECT {self._selected('t')} FROM {self._wanted()} JOIN {self.table} t ON {self._matches()}"  # noqa: S608 - names of a Table

    def _select_all(self) -> str:
        order = ", ".join(f"t.{name}" for name in self.view.key)
        return (
            f"SELECT {self._selected('t')} FROM {self.table} t "  # noqa: S608 - names of a Table
            f"WHERE t.tenant_id = $1 AND t.build = $2 ORDER BY {order}"
        )

    def _delete(self) -> str:
        return f"DELETE FROM {self.table} t USING {self._wanted()} WHERE {self._matches()}"  # noqa: S608 - names of a Table

    def _delete_some(self) -> str:
        keys = ", ".join(self.view.key)
        some = f"SELECT {keys} FROM {self.table} WHERE tenant_id = $1 AND build = $2 LIMIT $3"  # noqa: S608 - names of a Table
        return f"DELETE FROM {self.table} WHERE tenant_id = $1 AND build = $2 AND ({keys}) IN ({some})"  # noqa: S608 - names of a Table

    def _upsert(self) -> str:
        names = [column.name for column in self._columns]
        arrays = ["$2::uuid[]", "$3::bigint[]"]
        arrays += [self._array(column, number) for number, column in enumerate(self._columns, 4)]
        values = [f"new.{name}::jsonb" if name in self._decoders else f"new.{name}" for name in names]
        assignments = [f"{name} = excluded.{name}" for name in [*names, "position"] if name not in self.view.key]
        return (
            f"INSERT INTO {self.table} (tenant_id, build, position, {', '.join(names)}) "  # noqa: S608 - names of a Table
            f"SELECT new.tenant_id, $1, new.position, {', '.join(values)} "
            f"FROM unnest({', '.join(arrays)}) AS new(tenant_id, position, {', '.join(names)}) "
            f"ON CONFLICT (tenant_id, build, {', '.join(self.view.key)}) DO UPDATE SET {', '.join(assignments)}"
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
