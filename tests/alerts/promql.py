"""As much of PromQL as our alerts use, over scrapes that were really made. Its grammar is a parser's, not ours.

What is not here fails loudly. `rate` divides by the time from first to last sample; Prometheus extrapolates a little.
"""

import functools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TypeAlias

import msgspec
import promql_parser as grammar
from prometheus_client.parser import text_string_to_metric_families

Labels: TypeAlias = frozenset[tuple[str, str]]
Vector: TypeAlias = dict[Labels, float]
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul,
    "/": lambda left, right: left / right if right else math.nan,
}  # fmt: skip
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {"sum": math.fsum, "max": max, "min": min}
_MATCHES: Mapping[str, Callable[[str, str], bool]] = {
    "Equal": operator.eq,
    "NotEqual": operator.ne,
    "Re": lambda value, pattern: re.fullmatch(pattern, value) is not None,
    "NotRe": lambda value, pattern: re.fullmatch(pattern, value) is None,
}


class Scrape(msgspec.Struct, frozen=True, kw_only=True):
    """What one process answered at a moment; no text where it did not."""

    at: float
    job: str
    text: str | None

    def samples(self) -> Mapping[str, Vector]:
        """By metric, with the labels that Prometheus adds, and `up`."""
        return _samples(self.job, self.text)


@functools.lru_cache(maxsize=128)
def _samples(job: str, text: str | None) -> Mapping[str, Vector]:
    # One scrape is looked at by many rules, at many moments.
    target = {("job", job), ("instance", job)}
    found: dict[str, Vector] = {"up": {frozenset(target): float(text is not None)}}
    for family in text_string_to_metric_families(text or ""):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset({*sample.labels.items(), *target})] = sample.value
    return found


class History:
    """Scrapes in the order of their moments, of any number of processes."""

    def __init__(self, scrapes: Sequence[Scrape]) -> None:
        self._scrapes = [(one.at, one.job, one.samples()) for one in sorted(scrapes, key=lambda one: one.at)]

    @property
    def names(self) -> set[str]:
        """Every metric that anybody ever exported."""
        return {name for _, _, samples in self._scrapes for name in samples}

    def instant(self, name: str, at: float) -> Vector:
        """The newest scrape of each process: what it no longer exports is no longer so."""
        newest = {job: samples for moment, job, samples in self._scrapes if moment <= at}
        return {labels: value for samples in newest.values() for labels, value in samples.get(name, {}).items()}

    def window(self, name: str, at: float, width: timedelta) -> dict[Labels, list[tuple[float, float]]]:
        """The samples of each series in the time before a moment."""
        series: dict[Labels, list[tuple[float, float]]] = {}
        for moment, _, samples in self._scrapes:
            if at - width.total_seconds() < moment <= at:
                for labels, value in samples.get(name, {}).items():
                    series.setdefault(labels, []).append((moment, value))
        return series


def evaluate(expression: str, history: History, at: float) -> Vector:
    """The vector that an expression gives at a moment; for an alert, an element for each that fires."""
    result = _Evaluation(history, at).value(grammar.parse(expression))
    assert isinstance(result, dict), "an alert's expression gives a vector"
    return result


def metrics_of(expression: str) -> set[str]:
    """The metrics that an expression names."""
    return set(re.findall(r"\b(?:shelfwise_[a-z_]+|up)\b", expression))


class _Evaluation:
    def __init__(self, history: History, at: float) -> None:
        self._history = history
        self._at = at

    def value(self, node: object) -> Vector | float:
        match node:
            case grammar.NumberLiteral():
                return float(node.val)
            case grammar.ParenExpr():
                return self.value(node.expr)
            case grammar.VectorSelector():
                return _matching(self._history.instant(f"{node.name}", self._at), node.matchers.matchers)
            case grammar.AggregateExpr():
                return self._aggregate(node)
            case grammar.BinaryExpr():
                return self._binary(node)
            case grammar.Call():
                return self._call(node)
        message = f"{type(node).__name__} is more PromQL than our alerts use"
        raise NotImplementedError(message)

    def _vector(self, node: object) -> Vector:
        value = self.value(node)
        assert isinstance(value, dict)
        return value

    def _aggregate(self, node: grammar.AggregateExpr) -> Vector:
        kept = set(node.modifier.labels) if node.modifier is not None else set()
        groups: dict[Labels, list[float]] = {}
        for labels, value in self._vector(node.expr).items():
            groups.setdefault(_only(labels, kept), []).append(value)
        return {labels: _AGGREGATES[str(node.op)](values) for labels, values in groups.items()}

    def _binary(self, node: grammar.BinaryExpr) -> Vector:
        name = str(node.op).strip()
        left, right = self._vector(node.lhs), self.value(node.rhs)
        on = None if node.modifier is None or node.modifier.matching is None else set(node.modifier.matching.labels)
        if isinstance(right, float):
            pairs = [(labels, value, right) for labels, value in left.items()]
        else:
            by_key = {_key(labels, on): value for labels, value in right.items()}
            if name in {"and", "unless"}:
                wanted = name == "and"
                return {labels: value for labels, value in left.items() if (_key(labels, on) in by_key) == wanted}
            pairs = [
                (labels, value, by_key[_key(labels, on)])
                for labels, value in left.items()
                if _key(labels, on) in by_key
            ]
        if name in _COMPARISONS:
            return {labels: value for labels, value, other in pairs if _COMPARISONS[name](value, other)}
        return {_nameless(labels): _ARITHMETIC[name](value, other) for labels, value, other in pairs}

    def _call(self, node: grammar.Call) -> Vector:
        match node.func.name:
            case "rate":
                return self._rate(node.args[0])
            case "histogram_quantile":
                return _quantile(node.args[0].val, self._vector(node.args[1]))
        message = f"{node.func.name} is more PromQL than our alerts use"
        raise NotImplementedError(message)

    def _rate(self, node: grammar.MatrixSelector) -> Vector:
        selector = node.vector_selector
        series = self._history.window(f"{selector.name}", self._at, node.range)
        kept = _matching(dict.fromkeys(series, 0.0), selector.matchers.matchers)
        rates: Vector = {}
        for labels in kept:
            samples = series[labels]
            if len(samples) > 1:
                # A counter that fell began anew at zero.
                grown = math.fsum(
                    later - earlier if later >= earlier else later for (_, earlier), (_, later) in pairwise(samples)
                )
                rates[labels] = grown / (samples[-1][0] - samples[0][0])
        return rates


def _matching(vector: Vector, matchers: Sequence[grammar.Matcher]) -> Vector:
    return {
        labels: value
        for labels, value in vector.items()
        if all(_MATCHES[_kind(one)](dict(labels).get(one.name, ""), one.value) for one in matchers)
    }


def _kind(matcher: grammar.Matcher) -> str:
    return str(matcher.op).rpartition(".")[2]


def _only(labels: Labels, kept: set[str]) -> Labels:
    return frozenset(pair for pair in labels if pair[0] in kept)


def _key(labels: Labels, on: set[str] | None) -> Labels:
    return labels if on is None else _only(labels, on)


def _nameless(labels: Labels) -> Labels:
    return frozenset(pair for pair in labels if pair[0] != "__name__")


def _quantile(quantile: float, buckets: Vector) -> Vector:
    """Linear within the bucket that holds the quantile; of the last, infinite one, where it begins."""
    by_series: dict[Labels, list[tuple[float, float]]] = {}
    for labels, count in buckets.items():
        rest = frozenset(pair for pair in labels if pair[0] != "le")
        by_series.setdefault(rest, []).append((float(dict(labels)["le"]), count))
    return {labels: _quantile_of(quantile, sorted(bounds)) for labels, bounds in by_series.items()}


def _quantile_of(quantile: float, bounds: Sequence[tuple[float, float]]) -> float:
    rank, below, floor = quantile * bounds[-1][1], 0.0, 0.0
    if not bounds[-1][1]:
        return math.nan
    for bound, count in bounds:
        if count >= rank:
            inside = count - below
            return floor if math.isinf(bound) else floor + (bound - floor) * ((rank - below) / inside if inside else 1)
        below, floor = count, bound
    return math.nan
