"""What the charts draw: bars at the threshold, cells of the heat map."""

from __future__ import annotations

import pytest

from page.charts import heat_cell, histogram


@pytest.mark.parametrize(
    ("cut", "passes"),
    [(11.9, [True, True]), (12, [False, True]), (15.9, [False, True]), (16, [False, False])],
)
def test_bar_passes_if_it_reaches_above_the_threshold(cut: float, passes: list[bool]) -> None:
    below, above = 11.0, 12.0
    bars = histogram([below, above], cut)
    assert [(bar.left, bar.passes) for bar in bars] == list(zip((8.0, 12.0), passes, strict=True))


@pytest.mark.parametrize(
    ("score", "applies", "level"),
    [
        (0, False, 0),
        (24, False, 0),
        (26, False, 1),
        (64, False, 2),
        (100, False, 3),
        (26, True, 3),
        (64, True, 6),
        (100, True, 10),
    ],
)
def test_cell_is_paler_where_the_class_does_not_apply(
    score: float, applies: bool, level: int
) -> None:
    assert heat_cell(0, score, applies).level == level
