"""Our alert rules as Prometheus reads them, and what becomes of one while scrapes come in."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import yaml

from tests.alerts.promql import History, Labels, Scrape, evaluate

CHECKOUT = Path(__file__).parents[2]
_DURATION = re.compile(r"(\d+)([smhd])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_PACE_SECONDS = 120.0
"""Between scrapes on the test's own clock: each window of five minutes holds some."""


class Annotations(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person is told."""

    summary: str
    runbook_url: str


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One alert, every field demanded."""

    alert: str
    expr: str
    labels: dict[str, str]
    annotations: Annotations
    held: str = msgspec.field(name="for")

    @property
    def for_seconds(self) -> float:
        """How long it is pending."""
        matched = _DURATION.fullmatch(self.held)
        assert matched, self.held
        return int(matched[1]) * _UNIT_SECONDS[matched[2]]


class _Group(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    interval: str
    rules: tuple[Rule, ...]


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    groups: tuple[_Group, ...]


def rules() -> dict[str, Rule]:
    """Every rule by its name."""
    text = (CHECKOUT / "deploy" / "alerts.yaml").read_text(encoding="utf-8")
    file = msgspec.convert(yaml.safe_load(text), _File)
    return {rule.alert: rule for group in file.groups for rule in group.rules}


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What was scraped of all processes: while all was well, in the condition (once or more), and when it was over."""

    calm: tuple[Scrape, ...]
    red: tuple[tuple[Scrape, ...], ...]
    over: tuple[Scrape, ...]

    def told(self, rule: Rule) -> tuple[History, float, float]:
        """The story on a clock that gives the rule its time; when red begins, and when it is over."""
        scrapes = [*_at(0.0, self.calm)]
        moment, number = _PACE_SECONDS, 0
        while number < len(self.red) or moment <= 2 * _PACE_SECONDS + rule.for_seconds:
            scrapes += _at(moment, self.red[min(number, len(self.red) - 1)])
            moment, number = moment + _PACE_SECONDS, number + 1
        for later in range(5):  # whatever looks back five minutes must forget
            scrapes += _at(moment + later * _PACE_SECONDS, self.over)
        return History(scrapes), _PACE_SECONDS, moment


def firing(rule: Rule, history: History, *, until: float, step_seconds: float = 30.0) -> dict[Labels, float]:
    """Who fires at a moment, each with the moment it began to, by evaluating from the beginning."""
    pending: dict[Labels, float] = {}
    fires: dict[Labels, float] = {}
    moment = 0.0
    while moment <= until:
        holds = evaluate(rule.expr, history, moment)
        pending = {labels: pending.get(labels, moment) for labels in holds}
        fires = {
            labels: fires.get(labels, moment) for labels, since in pending.items() if moment - since >= rule.for_seconds
        }
        moment += step_seconds
    return fires


def _at(moment: float, scrapes: Sequence[Scrape]) -> Iterator[Scrape]:
    return (msgspec.structs.replace(one, at=moment) for one in scrapes)
