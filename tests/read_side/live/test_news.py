"""What a stream tells, and what a client that comes back need not be told again."""

from datetime import UTC, datetime

import pytest

from read_side.live.news import Heard, News, event_id, news_of, read_event_id
from read_side.live.topics import TOPICS
from read_side.query_execution.states import Standing
from read_side.routes import ROUTES
from shared_kernel.http.routes import declaration_of
from shared_kernel.redis.state import ProjectionState

_NOT_LISTENED_TO = {"snapshots", "live"}
_AS_OF = datetime(2026, 1, 2, tzinfo=UTC)


def _news(view: str, position: int, revision: str = "1.1.1") -> News:
    return News(
        view=view, revision=revision, position=position, furthest=position, as_of=_AS_OF, lag_events=0, source="cache"
    )


def test_every_route_can_be_listened_to_by_its_own_policy() -> None:
    """A route that is added is added to the topics, or here; nobody hears of what they may not read."""
    policies: dict[str, set[str]] = {}
    for route in ROUTES:
        path = next(iter(route.paths)).strip("/")
        name = path if path.replace("/", "-") not in TOPICS else path.replace("/", "-")
        policies.setdefault(name.split("/")[0], set()).add(declaration_of(route).policy.name)

    assert set(policies) - _NOT_LISTENED_TO == set(TOPICS)
    for name, topic in TOPICS.items():
        assert topic.policy.name in policies[name]


def test_a_topic_of_two_views_moves_with_either_and_shows_what_both_show() -> None:
    """The position is that of the one behind."""
    list_view, detail_view = TOPICS["orders"].views
    ahead = ProjectionState(build=2, revision=9, position=7, as_of=_AS_OF, parked=0, rows=1)
    behind = ProjectionState(build=1, revision=4, position=6, as_of=_AS_OF, parked=1, rows=1)
    states = {list_view.label: ahead, detail_view.label: behind}

    news = news_of(TOPICS["orders"], Standing(states=states, source="table", head=10))

    assert (news.position, news.furthest, news.lag_events, news.source, news.degraded) == (6, 7, 4, "table", True)
    assert news.revision == f"{list_view.version}.2.9+{detail_view.version}.1.4"


def test_an_id_says_exactly_what_was_told() -> None:
    """It begins with the position that all of it includes, and is read back."""
    told = [_news("orders", 7, "1.1.5"), _news("kpis", 5, "1.1.3")]

    assert event_id(told) == "5;kpis=1.1.3;orders=1.1.5"
    heard = read_event_id(event_id(told))
    assert all(heard.includes(one) for one in told)
    assert heard.includes(_news("orders", 9, "1.1.5")), "its rows are the same"
    assert not heard.includes(_news("orders", 7, "1.1.6")), "rows were mended at the same position"
    assert not heard.includes(_news("orders", 7, "1.2.5")), "another build"
    assert not heard.includes(_news("stock", 1)), "never told of"


def test_a_position_is_an_id_too() -> None:
    """Of whoever read the views first: what is past it is told."""
    heard = read_event_id("6")

    assert heard.includes(_news("orders", 6))
    assert not heard.includes(_news("orders", 7))


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_bare_position_includes_a_topic_once_it_includes_all_its_views(ahead: int) -> None:
    """Whichever of the two is held up: what the other has shown since is news."""
    states = {
        view.label: ProjectionState(
            build=1, revision=1, position=1000 if place == ahead else 6, as_of=_AS_OF, parked=0, rows=1
        )
        for place, view in enumerate(TOPICS["orders"].views)
    }
    news = news_of(TOPICS["orders"], Standing(states=states, source="cache", head=1000))

    assert not read_event_id("900").includes(news)
    assert read_event_id("1000").includes(news)


@pytest.mark.parametrize("text", [None, "", "x", "-1", "1" * 20, "5 ", "0x5", "5;" + "a=b;" * 1000])
def test_what_cannot_be_read_was_not_heard(text: str | None) -> None:
    """Told twice is better than never told."""
    expected = Heard(position=5) if text == "5 " else Heard()
    assert read_event_id(text) == expected
