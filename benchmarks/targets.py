"""What is to hold, as ratios within one run."""

from collections.abc import Mapping

import msgspec

from benchmarks.rounds import Row


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A row's median over another's, and its bound: at least, or with `at_most` the other way."""

    name: str
    of: str
    over: str
    bound: float
    at_most: bool = False

    def check(self, rows: Mapping[str, Row]) -> "Checked | None":
        """Whether it holds; None where one of the two was not measured."""
        if self.of not in rows or self.over not in rows:
            return None
        divisor = rows[self.over].median
        value = rows[self.of].median / divisor if divisor else float("inf")
        return Checked(
            name=self.name,
            value=value,
            target=("≤ " if self.at_most else "≥ ") + f"{self.bound:g} times {self.over}",
            ok=value <= self.bound if self.at_most else value >= self.bound,
        )


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A target beside what was measured."""

    name: str
    value: float
    target: str
    ok: bool


TARGETS = (
    Target(name="cached query", of="read.cached.shelfwise", over="read.floor.multiplexed", bound=0.60),
    Target(name="cached query", of="read.cached.shelfwise", over="read.floor.pooled", bound=1.3),
    Target(name="cached query", of="read.cached.shelfwise", over="read.list.fastapi", bound=30),
    Target(name="table-backed list page", of="read.list.shelfwise", over="read.floor.table", bound=0.60),
    Target(name="table-backed list page", of="read.list.shelfwise", over="read.list.fastapi", bound=8),
    Target(name="dashboard over 50,000 lines", of="read.dashboard.shelfwise", over="read.dashboard.fastapi", bound=300),
    Target(name="placing an order, projecting beside", of="write.shelfwise", over="write.floor.litestar", bound=0.70),
    Target(name="placing an order, projecting beside", of="write.shelfwise", over="write.fastapi", bound=3),
    Target(name="placing an order, projecting beside", of="write.shelfwise", over="write.fastapi.plain", bound=3),
    Target(
        name="projection, tables and Redis, one worker", of="project.shelfwise", over="project.floor.redis", bound=0.50
    ),
    Target(
        name="projection, tables and Redis, one worker",
        of="project.shelfwise",
        over="project.eventsourcing",
        bound=20,
    ),
    Target(name="rebuild, two cores", of="rebuild.shelfwise", over="rebuild.floor.insert_select", bound=0.30),
    Target(name="commit to visible, p50", of="e2e.shelfwise.p50", over="e2e.floor.p50", bound=3, at_most=True),
    Target(name="commit to visible, p99", of="e2e.shelfwise.p99", over="e2e.floor.p99", bound=4, at_most=True),
    Target(name="commands, 200 tenants", of="growth.commands.200", over="growth.commands.10", bound=0.9),
)
"""The issue's table. Queries of `make bench-growth` add one each, and memory has bounds of its own in `soak`."""
