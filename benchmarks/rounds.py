"""Contenders take turns, round by round, so that what disturbs the machine disturbs them alike."""

import sys
from collections.abc import Callable, Sequence

import msgspec

from benchmarks import machine
from benchmarks.load.plan import LoadPlan
from benchmarks.load.running import LoadGenerator
from benchmarks.statistics import median, spread

_NUMBERS_PER_ROUND = 300_000
"""More than one round asks; the warm-up's numbers lie between those of two rounds."""


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how often is measured."""

    rounds: int
    seconds: float
    warm_seconds: float
    scale: float
    """Of the amounts of data, as a share of the full ones."""


FULL = Effort(rounds=3, seconds=5.0, warm_seconds=1.0, scale=1.0)
QUICK = Effort(rounds=1, seconds=1.0, warm_seconds=0.5, scale=0.1)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table: the same thing, measured a few times.

    Attributes:
        cpu_us: processor time of the server's processes for one answer, where that was measured.
        p99_ms: of the answers' times, the median of the rounds'.
    """

    key: str
    unit: str
    values: tuple[float, ...]
    note: str = ""
    cpu_us: float | None = None
    p99_ms: float | None = None

    @property
    def median(self) -> float:
        """Of the rounds."""
        return median(self.values)

    @property
    def spread(self) -> float:
        """Highest less lowest, as a share of the median."""
        return spread(self.values)


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who answers requests.

    Attributes:
        pid: of the server's process; its descendants count too.
        before, after: run around each of its turns, unmeasured.
    """

    key: str
    port: int
    pid: int
    requests: tuple[bytes, ...]
    connections: int = 32
    note: str = ""
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None


class AnswersFailed(Exception):
    """A contender answered with an error: its figure would be of something else."""


class _Turn(msgspec.Struct, frozen=True, kw_only=True):
    per_second: float
    cpu_us: float
    p99_ms: float


def compete(contenders: Sequence[Contender], generator: LoadGenerator, effort: Effort) -> list[Row]:
    """Every contender once a round, the order turned about each time.

    Raises:
        AnswersFailed: one of them answers with errors.
    """
    turns: dict[str, list[_Turn]] = {one.key: [] for one in contenders}
    for number in range(effort.rounds):
        for one in contenders if number % 2 == 0 else reversed(contenders):
            if one.before:
                one.before()
            turns[one.key].append(_turn(one, generator, effort, number))
            if one.after:
                one.after()
    return [_row(one, turns[one.key]) for one in contenders]


def _turn(one: Contender, generator: LoadGenerator, effort: Effort, number: int) -> _Turn:
    plan = LoadPlan(
        port=one.port,
        requests=one.requests,
        connections=one.connections,
        seconds=effort.seconds,
        warm_seconds=effort.warm_seconds,
        first_number=number * _NUMBERS_PER_ROUND,
    )
    before = machine.cpu_seconds(one.pid)
    result = generator.run(plan)
    used = machine.cpu_seconds(one.pid) - before
    if result.failed or not result.answered:
        raise AnswersFailed(f"{one.key}: {result.failed} of {result.answered + result.failed}: {result.first_failure}")
    # The generator also warmed the server up, at the same pace.
    share = effort.seconds / (effort.seconds + effort.warm_seconds)
    note(f"{one.key}: {result.per_second:,.0f}/s, p50 {result.p50_ms:.2f} ms, p99 {result.p99_ms:.2f} ms")
    return _Turn(per_second=result.per_second, cpu_us=used * share / result.answered * 1e6, p99_ms=result.p99_ms)


def _row(one: Contender, turns: Sequence[_Turn]) -> Row:
    return Row(
        key=one.key,
        unit="1/s",
        values=tuple(turn.per_second for turn in turns),
        note=one.note,
        cpu_us=median([turn.cpu_us for turn in turns]),
        p99_ms=median([turn.p99_ms for turn in turns]),
    )


def note(text: str) -> None:
    """Say how far the run is, on stderr."""
    sys.stderr.write(f"  {text}\n")
    sys.stderr.flush()
