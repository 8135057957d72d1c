"""One stream by itself: how it ends."""

import pytest

from read_side.live.news import read_event_id
from read_side.live.stream import Ending, Stream
from shared_kernel.identifiers import new_id


@pytest.mark.parametrize("ending", ["key", "fault"])
async def test_it_says_why_its_key_ended_it(ending: Ending) -> None:
    """Its client comes back after the one and not after the other."""

    async def still_may() -> Ending:
        return ending

    stream = Stream(
        tenant_id=new_id(),
        key_id=new_id(),
        topics=(),
        heard=read_event_id(None),
        lasts_seconds=600.0,
        heartbeat_seconds=0.0,
        still_may=still_may,
    )

    frames = [frame async for frame in stream.frames()]

    assert frames[-1] == b'event: end\ndata: {"reason":"%b"}\n\n' % ending.encode()
    assert len(frames) == 2, "no heartbeat after it"
