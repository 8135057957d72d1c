"""Medians, spreads, percentiles and slopes: all that the tables say."""

from collections.abc import Sequence


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the middle two.

    Raises:
        ValueError: of nothing.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("nothing was measured")
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def spread(values: Sequence[float]) -> float:
    """How far apart the highest and the lowest are, as a share of the median; 0 where all are 0."""
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed (nearest rank, nothing interpolated).

    Args:
        values: in any order.
        share: such as 0.99.

    Raises:
        ValueError: of nothing.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("nothing was measured")
    rank = max(1, -(-round(share * len(ordered) * 1_000_000) // 1_000_000))
    return ordered[min(rank, len(ordered)) - 1]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The least-squares line's rise per unit of x; 0 where all x are one."""
    count = len(points)
    if not count:
        raise ValueError("nothing was measured")
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    width = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / width if width else 0.0
