"""What a server would do in the middle of a round, done before it."""

import asyncpg

from benchmarks.place import Place


async def settle(place: Place) -> None:
    """Loading is over: vacuum, analyse and checkpoint both databases."""
    for url in (place.write_admin_url, place.read_admin_url):
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("VACUUM ANALYZE")
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()
