"""What a stream tells, and how a client says how much of it it has heard."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from read_side.live.topics import Topic
from read_side.query_execution.states import Standing

_MAX_ID_LENGTH: Final = 2048
"""Every view there is takes some 600 characters; what is longer is none of ours."""
_POSITION: Final = re.compile(r"[0-9]{1,19}\Z")


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Where a topic stands, as `data` tells it.

    Attributes:
        view: the topic's name.
        revision: opaque; while it stays the same, so do the rows behind the topic's routes. A store's midnight alone
            changes what a window that is counted from today takes of them.
        position, as_of, lag_events, source, degraded: as in the `meta` of a query; of the view that is furthest behind.
        furthest: the position of the view that is furthest on.
    """

    view: str
    revision: str
    position: int
    furthest: int
    as_of: datetime | None
    lag_events: int | None
    source: Literal["cache", "table"]
    degraded: bool | UnsetType = UNSET

    @property
    def mark(self) -> str:
        """What has to differ for it to be told again: not the position alone, which moves with every event."""
        return f"{self.revision}!" if self.degraded is True else self.revision


def news_of(topic: Topic, standing: Standing) -> News:
    """Of all the topic's views together: what all of them show, by the one that is furthest behind."""
    states = [(view.version, standing.states[view.label]) for view in topic.views]
    behind = min((state for _, state in states), key=lambda state: state.position)
    return News(
        view=topic.name,
        revision="+".join(f"{version}.{state.build}.{state.revision}" for version, state in states),
        position=behind.position,
        furthest=max(state.position for _, state in states),
        as_of=behind.as_of,
        lag_events=None if standing.head is None else max(0, standing.head - behind.position),
        source=standing.source,
        degraded=True if any(state.parked for _, state in states) else UNSET,
    )


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a client says by `Last-Event-ID`.

    Attributes:
        position: of every view it has asked for, it knows what is shown up to here; what is further on may be news.
        marks: what it was told last, by topic; empty where it gives a position of its own.
    """

    position: int = -1
    marks: Mapping[str, str] = msgspec.field(default_factory=dict)

    def includes(self, news: News) -> bool:
        """Whether it need not be told: where marks are given they decide, for rows can change at one position, too."""
        if self.marks:
            return self.marks.get(news.view) == news.mark
        return news.furthest <= self.position


def event_id(told: Iterable[News]) -> str:
    """`<position>;<topic>=<mark>;…`: the position that all of what was told includes, and exactly what that was."""
    known = sorted(told, key=lambda news: news.view)
    position = min((news.position for news in known), default=0)
    return ";".join([f"{position}", *(f"{news.view}={news.mark}" for news in known)])


def read_event_id(text: str | None) -> Heard:
    """What `Last-Event-ID` says: an id of ours, or a position. Of what cannot be read, nothing was heard."""
    if text is None or len(text) > _MAX_ID_LENGTH:
        return Heard()
    position, *marks = text.strip().split(";")
    if not _POSITION.match(position):
        return Heard()
    pairs = (mark.partition("=") for mark in marks)
    return Heard(position=int(position), marks={name: mark for name, _, mark in pairs})


def event(name: str, data: bytes, *, id_text: str | None = None) -> bytes:
    """One event as it is written. Source: HTML, section 9.2.5."""
    identified = b"" if id_text is None else b"id: %b\n" % id_text.encode("ascii")
    return b"event: %b\n%bdata: %b\n\n" % (name.encode("ascii"), identified, data)
