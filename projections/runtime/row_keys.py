"""Rows looked up by a key's text, as operators write it: PostgreSQL reads each part as its column's type."""

from typing import Any

from sqlalchemy.dialects.postgresql import asyncpg

from shared_kernel.views import View

_DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def split_key(text: str) -> tuple[str, ...]:
    """The parts that `encode_key` joined."""
    parts, current, escaped = [], "", False
    for character in text:
        if not escaped and character == "|":
            parts.append(current)
            current = ""
        elif not escaped and character == "\\":
            escaped = True
            continue
        else:
            current += character
        escaped = False
    return (*parts, current)


def select_as_json(view: View[Any]) -> str:  # Any: views of every row type
    """One row as JSON text: $1 the tenant, $2 the build, then the parts of the key."""
    conditions = " AND ".join(
        f"t.{name} = ${number}::text::{view.table.columns[name].type.compile(dialect=_DIALECT)}"
        for number, name in enumerate(view.key, 3)
    )
    columns = ", ".join(f"t.{column.name}" for column in view.own_columns)
    return (
        f"SELECT row_to_json(r)::text FROM (SELECT {columns}, t.position FROM {view.table.fullname} t "  # noqa: S608 - names of a Table
        f"WHERE t.tenant_id = $1 AND t.build = $2 AND {conditions}) r"
    )


def select_present(view: View[Any]) -> str:  # Any: as above
    """Which of many keys have a row: $1 the tenant, $2 the build, $3 numbers, then one text array a key column."""
    arrays = ", ".join(f"${number}::text[]" for number, _ in enumerate(view.key, 4))
    conditions = " AND ".join(
        f"t.{name} = wanted.{name}::{view.table.columns[name].type.compile(dialect=_DIALECT)}" for name in view.key
    )
    return (
        f"SELECT wanted.number FROM unnest($3::int[], {arrays}) AS wanted(number, {', '.join(view.key)}) "  # noqa: S608 - names of a Table
        f"JOIN {view.table.fullname} t ON t.tenant_id = $1 AND t.build = $2 AND {conditions}"
    )
