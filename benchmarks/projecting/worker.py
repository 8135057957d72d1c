"""ShelfWise's projector with the three views in place of its own: `python -m benchmarks.projecting.worker`."""

import os
from typing import Any

import uvloop

from benchmarks.projecting.three_views import THREE_VIEWS
from projections.fold import Projection
from projections.worker import ProjectorSettings, run_projector
from shared_kernel.observability.logging import configure_logging
from shared_kernel.settings import read_settings


def main(projections: tuple[Projection[Any], ...] = THREE_VIEWS) -> None:  # Any: rows of every view
    """The process's entry."""
    configure_logging(level="info", log_format="json")
    uvloop.run(run_projector(read_settings(ProjectorSettings, os.environ), projections=projections))


if __name__ == "__main__":
    main()
