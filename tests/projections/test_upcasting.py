"""Events that an older release recorded, from the log through the projector into what is read."""

from functools import partial

import asyncpg
import msgspec

from tests.builders.projecting import assert_identical, projected, running_projector
from tests.builders.write_side import WriteSide, open_write_side
from tests.servers import Servers
from write_side.catalog.commands import ReviseEdition
from write_side.catalog.handlers import revise_edition

_AS_VERSION_1_WROTE_IT = """
UPDATE log.event
SET schema_version = 1, payload = payload - 'contributors' - 'popularity' || '{"authors": ["Jane Austen"]}'
WHERE type = 'EditionCreated' RETURNING 1
"""
_SHOWN = "SELECT title, contributors::text AS contributors, version, popularity FROM read.edition_catalogue__v1"


async def test_an_edition_of_version_1_is_shown_found_and_revised_as_any_other(servers: Servers) -> None:
    """Its authors have become contributors, and the log still says what it said."""
    async with open_write_side(servers) as write_side:
        edition = await write_side.edition()
        assert len(await write_side.as_administrator(_AS_VERSION_1_WROTE_IT)) == 1
        async with running_projector(servers):
            await projected(servers)
            assert await _shown(servers) == ("Emma", ["Jane Austen"], 1)
            command = ReviseEdition(title="Emma, a novel")
            await write_side.run(partial(revise_edition, edition, command))
            await projected(servers)
            assert await _shown(servers) == ("Emma, a novel", ["Jane Austen"], 2)
        await assert_identical(servers)
        assert await _recorded_authors(write_side) == ["Jane Austen"]


async def _shown(servers: Servers) -> tuple[str, list[str], int]:
    connection = await asyncpg.connect(servers.read_admin_url)
    try:
        row = await connection.fetchrow(_SHOWN)
    finally:
        await connection.close()
    assert row is not None
    names = [contributor["name"] for contributor in msgspec.json.decode(row["contributors"])]
    return row["title"], names, row["version"]


async def _recorded_authors(write_side: WriteSide) -> object:
    return next(event.payload["authors"] for event in await write_side.log() if event.type == "EditionCreated")
