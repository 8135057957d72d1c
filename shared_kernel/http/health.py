"""Whether this process lives, may be sent requests, and has started; each question with its own answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, TypeAlias

import msgspec
import structlog
from litestar import Response, get
from litestar.enums import MediaType
from litestar.handlers import HTTPRouteHandler

from shared_kernel.access.roles import PUBLIC
from shared_kernel.errors import FieldError, UnavailableError
from shared_kernel.http.routes import declare
from shared_kernel.observability.metrics import METRICS_MEDIA_TYPE, Metrics

_log = structlog.get_logger(component="health")

MAX_CHECK_SECONDS: Final = 1.0
"""Probes themselves usually give up after a second or two."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Something this process cannot do without; `run` returns when it is there and raises when not."""

    name: str
    run: Callable[[], Awaitable[object]]
    timeout_seconds: float = MAX_CHECK_SECONDS

    def __post_init__(self) -> None:
        if not 0 < self.timeout_seconds <= MAX_CHECK_SECONDS:
            message = f"{self.name}: a check takes at most {MAX_CHECK_SECONDS} s"
            raise ValueError(message)


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """Something that requests do not need, and people want to know of: red, it takes no process out of service."""

    name: str
    status: Literal["green", "red"]
    says: str


Details: TypeAlias = Callable[[], tuple[Detail, ...]]
"""Answers at once, from what is known already."""


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """Green, with the names of what was looked at, and what is known beside."""

    status: str = "ok"
    checks: tuple[str, ...] = ()
    details: tuple[Detail, ...] | msgspec.UnsetType = msgspec.UNSET


class NotReadyError(UnavailableError):
    """At least one check is red, or the process is about to end (503)."""

    code = "not_ready"
    title = "Not ready"

    def __init__(self, failed: Sequence[str]) -> None:
        super().__init__("Not ready: " + ", ".join(failed) + ".")
        self.errors = tuple(
            FieldError(pointer=name, code="check_failed", detail="This is not available.") for name in failed
        )


class Draining:
    """Turned on before a process ends: it is sent nothing new while it finishes what it has."""

    def __init__(self) -> None:
        self._is_on = False
        self._then: list[Callable[[], object]] = []

    @property
    def is_on(self) -> bool:
        """Whether the process is about to end."""
        return self._is_on

    def begin(self) -> None:
        """There is no way back: the process ends."""
        self._is_on = True
        while self._then:
            self._then.pop()()

    def then(self, call: Callable[[], object]) -> None:
        """Have something called when it begins, once; it returns at once and raises nothing."""
        self._then.append(call)


class Health:
    """The checks of one process, run together, each within its bound."""

    def __init__(
        self,
        checks: Sequence[Check] = (),
        *,
        startup: Sequence[Check] = (),
        details: Details | None = None,
        draining: Draining | None = None,
    ) -> None:
        """Take what readiness needs, what must have been there once to count as started, and what else to tell."""
        self._checks = tuple(checks)
        self._startup = tuple(startup) or self._checks
        self._details = details
        self.draining = draining or Draining()
        self._has_started = False
        self._red: frozenset[str] = frozenset()

    async def ready(self) -> HealthReport:
        """Say that requests may come.

        Raises:
            NotReadyError: naming what is red.
        """
        if self.draining.is_on:
            raise NotReadyError(["draining"])
        report = await self._report(self._checks)
        return report if self._details is None else msgspec.structs.replace(report, details=self._details())

    async def started(self) -> HealthReport:
        """Say that everything needed was there once; afterwards nothing is asked again.

        Raises:
            NotReadyError: naming what never was.
        """
        if not self._has_started:
            await self._report(self._startup)
            self._has_started = True
        return HealthReport(checks=tuple(check.name for check in self._startup))

    async def _report(self, checks: Sequence[Check]) -> HealthReport:
        results = await asyncio.gather(*(_is_green(check) for check in checks))
        red = [check.name for check, is_green in zip(checks, results, strict=True) if not is_green]
        if frozenset(red) != self._red:
            # Once per change: probes come every few seconds, and a log full of them hides the first.
            _log.warning("readiness_changed", red=red)
            self._red = frozenset(red)
        if red:
            raise NotReadyError(red)
        return HealthReport(checks=tuple(check.name for check in checks))


async def _is_green(check: Check) -> bool:
    try:
        async with asyncio.timeout(check.timeout_seconds):
            await check.run()
    except Exception as error:  # noqa: BLE001  # an edge: a check fails in whatever way its dependency does, and red is the account
        _log.debug("check_failed", check=check.name, reason=type(error).__name__)
        return False
    return True


def health_handlers(health: Health, metrics: Metrics) -> list[HTTPRouteHandler]:
    """`/health/live`, `/health/ready`, `/health/startup` and `/metrics`, for machines of ours."""

    @get("/health/live", opt=declare(policy=PUBLIC), include_in_schema=False)
    async def live() -> HealthReport:
        """Answer without asking anything: a dependency that is down is no reason to be restarted."""
        return HealthReport()

    @get("/health/ready", opt=declare(policy=PUBLIC), include_in_schema=False)
    async def ready() -> HealthReport:
        return await health.ready()

    @get("/health/startup", opt=declare(policy=PUBLIC), include_in_schema=False)
    async def startup() -> HealthReport:
        return await health.started()

    @get("/metrics", opt=declare(policy=PUBLIC), include_in_schema=False, media_type=MediaType.TEXT)
    async def read_metrics() -> Response[bytes]:
        return Response(metrics.render(), media_type=METRICS_MEDIA_TYPE)

    return [live, ready, startup, read_metrics]
