"""Segments: many videos at once give what one row after another gives, and where segments end."""

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
    MAX_GAP_S,
    ZERO_PROMPTS,
    AgreedSimilarity,
    Classes,
    Rows,
    find_segments,
)

# Few of them, or of the means of two or three, lie on a border of a band.
SIMILARITY = st.integers(-40, 40).map(lambda number: number / 5 + 0.07)


@st.composite
def videos(draw):
    """A few videos of a few rows, each row with a gap before it, a length and its similarity."""
    prompts = draw(st.integers(1, 4))
    row = st.tuples(
        st.sampled_from([0.0, 1.0, 3.0]),
        st.sampled_from([0.0, 1.0, 2.5]),
        st.lists(SIMILARITY, min_size=prompts, max_size=prompts),
    )
    return prompts, draw(st.lists(st.lists(row, max_size=8), min_size=1, max_size=4))


def table_of(prompts: int, found: list) -> tuple[Rows, np.ndarray]:
    starts, ends, similarity = [], [], []
    for video in found:
        time = 0.0
        for gap, length, row in video:
            starts.append(time + gap)
            ends.append(time := starts[-1] + length)
            similarity.append(row)
    offsets = np.cumsum([0, *map(len, found)])
    rows = Rows(offsets, np.array(starts, np.float32), np.array(ends, np.float32))
    return rows, np.array(similarity, np.float32).reshape(-1, prompts)


def one_by_one(
    rows: Rows, table: np.ndarray, classes: Classes, curve: Calibration, min_score: float
) -> list[tuple]:
    found = []
    for video in range(len(rows.offsets) - 1):
        part = range(rows.offsets[video], rows.offsets[video + 1])
        for prompt in range(table.shape[1]):
            segment, marks, previous = 0, [], None
            above = [False] * len(BANDS)
            for row in part:
                similarity = float(table[row, prompt])
                if classes.agreement:
                    peers = table[row, classes.class_of == classes.class_of[prompt]]
                    mean = float(peers.sum()) / (len(peers) + ZERO_PROMPTS)
                    similarity = min(
                        similarity, similarity + classes.agreement * (mean - similarity)
                    )
                score = float(curve.percent(np.float32(similarity)))
                before = list(above)
                for at, (enter, leave) in enumerate(BANDS):
                    above[at] = score >= enter or (above[at] and score >= leave)
                gap = previous is not None and rows.starts[row] - rows.ends[previous]
                segment += before != above or (gap and gap > MAX_GAP_S)
                marks.append((segment, row, score))
                previous = row
            for _, group in groupby(marks, key=lambda mark: mark[0]):
                _, members, scores = zip(*group, strict=True)
                lengths = [max(rows.ends[row] - rows.starts[row], 1e-3) for row in members]
                mean = np.average(scores, weights=lengths)
                if mean >= min_score:
                    start, end = rows.starts[members[0]], rows.ends[members[-1]]
                    found.append((video, prompt, start, end, mean))
    return found


CURVES = st.sampled_from([LOG_ODDS, Calibration(0.6, -3.0)])


@given(
    videos(), st.sampled_from([0.0, 0.5]), CURVES, st.sampled_from([0.0, 12.5, 42.5, 66.5, 88.5])
)
def test_many_at_once_are_as_one_by_one(made, agreement, curve, min_score):
    prompts, found = made
    rows, table = table_of(prompts, found)
    # Scores that lie on a border may fall on either side of it.
    borders = np.array([min_score or -1, *np.ravel(BANDS)])
    classes = Classes(np.arange(prompts) // 2, agreement)
    where = np.indices(table.shape)
    scores = curve.percent(AgreedSimilarity(table, classes).at(*where))
    assume(np.abs(scores[..., None] - borders).min(initial=1) > 1e-2)
    wanted = one_by_one(rows, table, classes, curve, min_score)
    blocks = np.array_split(table, 3)
    found = zip(*find_segments(rows, blocks, classes, curve, min_score), strict=True)
    segments = sorted(found, key=lambda segment: segment[:2])
    assert [row[:4] for row in segments] == [row[:4] for row in wanted]
    assert [row[4] for row in segments] == pytest.approx([row[4] for row in wanted], rel=1e-4)


def test_a_whole_score_is_out_of_reach_and_none_excludes_nothing():
    rows = Rows(np.array([0, 2]), np.array([0, 1], np.float32), np.array([1, 2], np.float32))
    table = np.array([[9], [-9]], np.float32)
    classes = Classes(np.zeros(1, int), 0.0)

    def scores(table: np.ndarray, min_score: float) -> list[float]:
        return find_segments(rows, [table], classes, LOG_ODDS, min_score).scores.tolist()

    assert scores(table, 100.0) == []
    assert scores(2 * table, 100.0) == [100.0]  # rounded
    assert scores(table, 0.0) == pytest.approx([99.99, 0.01], abs=0.01)


@pytest.mark.parametrize(
    ("gap_s", "segments"),
    [(0.0, [(0, 3)]), (2.0, [(0, 5)]), (2.01, [(0, 1), (3.01, 5.01)])],
)
def test_rows_up_to_two_seconds_apart_are_one_segment(gap_s, segments):
    starts = np.array([0, 1 + gap_s], np.float32)
    ends = np.array([1, 3 + gap_s], np.float32)
    classes = Classes(np.zeros(1, int), 0.0)
    table = np.array([[9], [9]], np.float32)
    found = find_segments(
        Rows(np.array([0, 2]), starts, ends), [table], classes, LOG_ODDS, min_score=65
    )
    edges = np.stack([found.starts, found.ends], axis=1)
    assert edges.tolist() == pytest.approx(np.array(segments), abs=1e-4)


def test_similarity_at_is_the_inverse_of_percent():
    chances = np.array([0.0, 0.5, 50.0, 95.0, 100.0], np.float32)
    back = LOG_ODDS.percent(LOG_ODDS.similarity_at(chances))
    assert back == pytest.approx(chances, rel=1e-5)
    assert (back[0], back[-1]) == (0, 100)


@pytest.mark.parametrize("curve", [calibration.VISUAL, calibration.CONVERSATION])
def test_a_fitted_curve_rises_is_never_certain_and_has_an_inverse(curve):
    far = np.linspace(-6, 12, 100, dtype=np.float32)
    chances = curve.percent(far)
    assert (np.diff(chances) >= 0).all()
    assert chances[0] == pytest.approx(0.01, abs=0.001)
    assert chances[-1] == pytest.approx(99.99, abs=0.001)
    inside = (chances > 0.02) & (chances < 99.98)
    assert curve.similarity_at(chances[inside]) == pytest.approx(far[inside], abs=0.01)
