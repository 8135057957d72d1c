"""The projections that a process runs, by the name of the list that they are in."""

from collections.abc import Sequence
from importlib import import_module

from projections.runtime.catalog import AnyProjection

REGISTRY = "projections.registry:PROJECTIONS"


def projections_named(name: str) -> Sequence[AnyProjection]:
    """What `module:list` names; a release's own are in its registry."""
    module, _, attribute = name.partition(":")
    found: Sequence[AnyProjection] = getattr(import_module(module), attribute)
    return found
