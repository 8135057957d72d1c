"""What was projected, said in the log line of the request that caused it."""

from collections.abc import Iterable

import structlog

from projections.runtime.folding import TenantEvents

_MAX_REQUESTS = 100
"""Of one tenant in one batch: live traffic is far below, and catching up on thousands is not worth a line each."""

log = structlog.get_logger()


def log_projected(runs: Iterable[TenantEvents]) -> None:
    """A line for each request that recorded events: up to which position its effect can be read now."""
    for run in runs:
        lines = {
            recorded.metadata.request_id: {"actor": recorded.metadata.actor, "position": recorded.position}
            for recorded in run.recorded
            if recorded.metadata.request_id is not None
        }
        if len(lines) > _MAX_REQUESTS:
            first, last = run.recorded[0].position, run.recorded[-1].position
            log.info("caught_up", tenant=str(run.tenant_id), from_position=first, position=last, requests=len(lines))
            continue
        for request_id, fields in lines.items():
            log.info("projected", request_id=request_id, tenant=str(run.tenant_id), **fields)
