"""ShelfWise's projector with the three views in place of its own: `python -m benchmarks.projecting.worker`."""

import os
from typing import Any

import msgspec
import uvloop

from benchmarks.projecting.three_views import THREE_VIEWS
from projections.fold import Projection
from projections.worker import ProjectorSettings, run_projector
from shared_kernel.observability.logging import configure_logging
from shared_kernel.process import collect_rarely, keep_for_good
from shared_kernel.settings import read_settings


def main(projections: tuple[Projection[Any], ...] = THREE_VIEWS) -> None:  # Any: rows of every view
    """The process's entry."""
    configure_logging(level="info", log_format="json")
    settings = read_settings(ProjectorSettings, os.environ)
    keep_for_good()
    collect_rarely()
    named = msgspec.structs.replace(settings, projections_from="benchmarks.projecting.three_views:THREE_VIEWS")
    uvloop.run(run_projector(named, projections=projections))


if __name__ == "__main__":
    main()
