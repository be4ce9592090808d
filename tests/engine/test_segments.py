"""Stretches of many videos at once are those that a look at one row after another finds."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.models import calibration
from engine.models.calibration import LOG_ODDS, Calibration
from engine.retrieval.segments import (
    BANDS,
    DOUBT,
    LONGEST_GAP_S,
    AgreedLikeness,
    Classes,
    Rows,
    find_stretches,
)

# Few of them, or of the means of two or three, lie on a border of a band.
LIKENESS = st.integers(-40, 40).map(lambda number: number / 5 + 0.07)


@st.composite
def videos(draw):
    """A few videos of a few rows, each row with a gap before it, a length and its likeness."""
    prompts = draw(st.integers(1, 4))
    row = st.tuples(
        st.sampled_from([0.0, 1.0, 3.0]),
        st.sampled_from([0.0, 1.0, 2.5]),
        st.lists(LIKENESS, min_size=prompts, max_size=prompts),
    )
    return prompts, draw(st.lists(st.lists(row, max_size=8), min_size=1, max_size=4))


def table_of(prompts: int, found: list) -> tuple[Rows, np.ndarray]:
    starts, ends, likeness = [], [], []
    for video in found:
        time = 0.0
        for gap, length, row in video:
            starts.append(time + gap)
            ends.append(time := starts[-1] + length)
            likeness.append(row)
    firsts = np.cumsum([0, *map(len, found)])
    rows = Rows(firsts, np.array(starts, np.float32), np.array(ends, np.float32))
    return rows, np.array(likeness, np.float32).reshape(-1, prompts)


def one_by_one(
    rows: Rows, table: np.ndarray, classes: Classes, curve: Calibration, at_least: float
) -> list[tuple]:
    found = []
    for video in range(len(rows.firsts) - 1):
        part = range(rows.firsts[video], rows.firsts[video + 1])
        for prompt in range(table.shape[1]):
            stretch, marks, previous = 0, [], None
            above = [False] * len(BANDS)
            for row in part:
                likeness = float(table[row, prompt])
                if classes.agreement:
                    peers = table[row, classes.class_of == classes.class_of[prompt]]
                    mean = float(peers.sum()) / (len(peers) + DOUBT)
                    likeness = min(likeness, likeness + classes.agreement * (mean - likeness))
                score = float(curve.percent(np.float32(likeness)))
                before = list(above)
                for at, (enter, leave) in enumerate(BANDS):
                    above[at] = score >= enter or (above[at] and score >= leave)
                gap = previous is not None and rows.starts[row] - rows.ends[previous]
                stretch += before != above or (gap and gap > LONGEST_GAP_S)
                marks.append((stretch, row, score))
                previous = row
            for _, group in groupby(marks, key=lambda mark: mark[0]):
                _, members, scores = zip(*group, strict=True)
                lengths = [max(rows.ends[row] - rows.starts[row], 1e-3) for row in members]
                mean = np.average(scores, weights=lengths)
                if mean >= at_least:
                    start, end = rows.starts[members[0]], rows.ends[members[-1]]
                    found.append((video, prompt, start, end, mean))
    return found


CURVES = st.sampled_from([LOG_ODDS, Calibration(0.6, -3.0)])


@given(
    videos(), st.sampled_from([0.0, 0.5]), CURVES, st.sampled_from([0.0, 12.5, 42.5, 66.5, 88.5])
)
def test_many_at_once_are_as_one_by_one(made, agreement, curve, at_least):
    prompts, found = made
    rows, table = table_of(prompts, found)
    # Scores that lie on a border may fall on either side of it.
    borders = np.array([at_least or -1, *np.ravel(BANDS)])
    classes = Classes(np.arange(prompts) // 2, agreement)
    where = np.indices(table.shape)
    scores = curve.percent(AgreedLikeness(table, classes).at(*where))
    assume(np.abs(scores[..., None] - borders).min(initial=1) > 1e-2)
    wanted = one_by_one(rows, table, classes, curve, at_least)
    blocks = np.array_split(table, 3)
    found = zip(*find_stretches(rows, blocks, classes, curve, at_least), strict=True)
    stretches = sorted(found, key=lambda stretch: stretch[:2])
    assert [row[:4] for row in stretches] == [row[:4] for row in wanted]
    assert [row[4] for row in stretches] == pytest.approx([row[4] for row in wanted], rel=1e-4)


def test_a_whole_score_is_out_of_reach_and_none_excludes_nothing():
    rows = Rows(np.array([0, 2]), np.array([0, 1], np.float32), np.array([1, 2], np.float32))
    table = np.array([[9], [-9]], np.float32)
    classes = Classes(np.zeros(1, int), 0.0)

    def scores(table: np.ndarray, at_least: float) -> list[float]:
        return find_stretches(rows, [table], classes, LOG_ODDS, at_least).scores.tolist()

    assert scores(table, 100.0) == []
    assert scores(2 * table, 100.0) == [100.0]  # rounded
    assert scores(table, 0.0) == pytest.approx([99.99, 0.01], abs=0.01)


def test_standing_out_is_the_way_back():
    chances = np.array([0.0, 0.5, 50.0, 95.0, 100.0], np.float32)
    back = LOG_ODDS.percent(LOG_ODDS.standing_out(chances))
    assert back == pytest.approx(chances, rel=1e-5)
    assert (back[0], back[-1]) == (0, 100)


@pytest.mark.parametrize("curve", [calibration.VISUAL, calibration.CONVERSATION])
def test_a_fitted_curve_rises_is_never_certain_and_has_a_way_back(curve):
    far = np.linspace(-6, 12, 100, dtype=np.float32)
    chances = curve.percent(far)
    assert (np.diff(chances) >= 0).all()
    assert chances[0] == pytest.approx(0.01, abs=0.001)
    assert chances[-1] == pytest.approx(99.99, abs=0.001)
    inside = (chances > 0.02) & (chances < 99.98)
    assert curve.standing_out(chances[inside]) == pytest.approx(far[inside], abs=0.01)
