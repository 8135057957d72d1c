"""The driver's figures, by hand."""

import pytest

from benchmarks.statistics import median, percentile, slope, spread


def test_the_median_of_an_even_number_lies_between_the_middle_two() -> None:
    """Whatever their order."""
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0, 3.0, 2.0]) == 2.5


def test_the_spread_is_a_share_of_the_median() -> None:
    """From the lowest to the highest."""
    assert spread([90.0, 100.0, 120.0]) == pytest.approx(0.3)
    assert spread([0.0, 0.0]) == 0.0


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """Nearest rank: of a hundred values the 99th smallest."""
    values = [float(number) for number in range(100, 0, -1)]
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 0.5) == 50.0
    assert percentile(values, 1.0) == 100.0
    assert percentile([7.0], 0.01) == 7.0


def test_a_line_has_its_own_slope() -> None:
    """And a single moment has none."""
    assert slope([(0.0, 5.0), (10.0, 25.0), (20.0, 45.0)]) == pytest.approx(2.0)
    assert slope([(3.0, 1.0), (3.0, 9.0)]) == 0.0


@pytest.mark.parametrize("figure", [median, spread])
def test_nothing_has_no_figure(figure) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001  # two of one shape
    """A contender that was never measured must not look fast."""
    with pytest.raises(ValueError, match="nothing was measured"):
        figure([])
