"""Every projection with its codec, and the tables and builds they live in, made when missing."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from projections.fold import Pace, Projection
from projections.runtime.codec import ViewCodec, table_spec
from shared_kernel.database.pool import Connection

AnyProjection: TypeAlias = Projection[Any]  # Any: projections of every row type, side by side

_ATTACH_SECONDS = 3_600
"""For the indexes of some hundred million rows."""

_ASK_FOR_NEW_VERSIONS = """
INSERT INTO projection.request (id, kind, name, version, options, requested_by)
SELECT gen_random_uuid(), 'rebuild', v.name, v.version, '{}', 'release'
FROM unnest($1::text[], $2::int[]) AS v(name, version)
WHERE EXISTS (SELECT FROM read.active_build a WHERE a.name = v.name AND a.version <> v.version)
    AND NOT EXISTS (SELECT FROM read.active_build a WHERE (a.name, a.version) = (v.name, v.version))
    AND NOT EXISTS (
        SELECT FROM projection.request r
        WHERE r.kind = 'rebuild' AND (r.name, r.version) = (v.name, v.version) AND r.state IN ('requested', 'running'))
"""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A projection and what reads and writes its rows."""

    projection: AnyProjection
    codec: ViewCodec[Any]

    @property
    def name(self) -> str:
        """The view's name."""
        return self.projection.view.name

    @property
    def version(self) -> int:
        """The code's version."""
        return self.projection.view.version

    @property
    def label(self) -> str:
        """`name@version`."""
        return self.projection.view.label


class Catalog:
    """The projections this release runs, in the registry's order."""

    def __init__(self, projections: Sequence[AnyProjection]) -> None:
        self.subjects = tuple(Subject(projection=one, codec=ViewCodec(one.view, one.sums)) for one in projections)
        self.gathered = frozenset(one.view.name for one in projections if one.pace is Pace.GATHERED)
        self._by_name = {subject.name: subject for subject in self.subjects}
        if len(self._by_name) != len(self.subjects):
            message = "two projections of one release share a name"
            raise ValueError(message)

    def subject(self, name: str) -> Subject:
        """The subject of this name; KeyError where this release has none."""
        return self._by_name[name]

    def adapt(self, name: str, change: Callable[[AnyProjection], AnyProjection]) -> None:
        """From now on a subject's projection is what `change` makes of the one this release came with."""
        original = next(subject for subject in self.subjects if subject.name == name)
        self._by_name[name] = msgspec.structs.replace(original, projection=change(original.projection))

    def get(self, name: str) -> Subject | None:
        """The subject of this name, if this release has it."""
        return self._by_name.get(name)


async def ensure_tables(connection: Connection, catalog: Catalog) -> None:
    """Create the tables this release needs, each with its first build. Safe to run again, and beside itself.

    Raises:
        asyncpg.DuplicateTableError: a view changed its shape without a new version.
    """
    for subject in catalog.subjects:
        await connection.execute("SELECT projection.create_table($1::jsonb)", table_spec(subject.projection.view))


async def ask_for_new_versions(connection: Connection, catalog: Catalog) -> None:
    """Have versions built that stores do not read yet but of which they read another; nobody is shown half of one."""
    names, versions = [one.name for one in catalog.subjects], [one.version for one in catalog.subjects]
    await connection.execute(_ASK_FOR_NEW_VERSIONS, names, versions)


async def begin_build(connection: Connection, subject: Subject) -> int:
    """The next build's number, its table made where nobody reads."""
    build: int = await connection.fetchval("SELECT projection.begin_build($1, $2)", subject.name, subject.version)
    return build


async def attach_build(connection: Connection, name: str, version: int, build: int) -> None:
    """Protect, index and analyse what was loaded, and let it be seen; doing it again changes nothing.

    Indexes are built by one process: several would take all the cores from live batches.
    """
    await connection.execute(
        f"SET LOCAL statement_timeout = '{_ATTACH_SECONDS}s'; SET LOCAL max_parallel_maintenance_workers = 0"
    )
    await connection.execute(
        "SELECT projection.attach_build($1, $2, $3)", name, version, build, timeout=_ATTACH_SECONDS
    )
