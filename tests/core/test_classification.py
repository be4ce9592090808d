"""The maths on clips: against the numbers recorded from the hosted platform, and by property."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.classification import (
    ClassScore,
    Clip,
    Thresholds,
    classify,
    coverage_bonus,
    duration_ratio,
    judge,
    least_seconds,
    normalized_scores,
    top_clips,
    union,
)

ALL = Thresholds(0, 0, 0)


def clip(start: float, end: float, score: float = 80.0, prompt: str = "dog") -> Clip:
    return Clip(start, end, score, "visual", prompt)


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([], []),
        ([(3, 3), (5, 4)], []),
        ([(0, 2), (1, 3)], [(0, 3)]),
        ([(4, 6), (0, 2), (2, 3)], [(0, 3), (4, 6)]),
        ([(0, 9), (1, 2)], [(0, 9)]),
    ],
)
def test_union(intervals: list[tuple[float, float]], expected: list[tuple[float, float]]) -> None:
    assert union(intervals) == expected


intervals = st.lists(
    st.tuples(st.floats(0, 100), st.floats(0, 100)).map(lambda pair: (min(pair), max(pair)))
)


@given(intervals)
def test_union_is_disjoint_in_order_and_covers_the_same(
    given_intervals: list[tuple[float, float]],
) -> None:
    merged = union(given_intervals)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(merged))
    for start, end in given_intervals:
        if start < end:
            assert any(left <= start and end <= right for left, right in merged)


@pytest.mark.parametrize(
    ("clips", "duration_s", "ratio"),
    [
        ([clip(0, 341.56)], 374, 0.91),
        ([clip(0, 500), clip(400, 816.24)], 859, 0.95),
        ([clip(0, 374.59)], 645, 0.58),
        ([clip(0, 5), clip(0, 5, prompt="cat")], 10, 0.5),
        ([clip(0, 12)], 10, 1.0),
        ([], 10, 0.0),
        ([clip(0, 1)], 0, 0.0),
    ],
)
def test_duration_ratio_is_that_of_the_union_in_two_places(
    clips: list[Clip], duration_s: float, ratio: float
) -> None:
    assert duration_ratio(clips, duration_s) == ratio


@pytest.mark.parametrize(("ratio", "bonus"), [(0.51, 2.0), (0.58, 4.8), (0.9, 10.5), (0.11, -5.5)])
def test_coverage_bonus_passes_through_the_recorded_points(ratio: float, bonus: float) -> None:
    assert coverage_bonus(ratio) == pytest.approx(bonus)


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_coverage_never_lowers_a_class(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert coverage_bonus(low) <= coverage_bonus(high)


def test_judge_applies_a_class_that_covers_enough_with_a_good_score() -> None:
    result = judge("Pets", [clip(0, 4, 70), clip(4, 8, 90)], 10, Thresholds())
    assert result is not None
    assert (result.max_score, result.avg_score, result.duration_ratio) == (90, 80, 0.8)
    assert result.score > 90
    assert [each.score for each in result.clips] == [90, 70]


@pytest.mark.parametrize(
    ("clips", "thresholds"),
    [
        ([clip(0, 10, 64.9)], Thresholds()),
        ([clip(0, 4.9, 99)], Thresholds()),
        ([clip(0, 10, 66)], Thresholds(min_video_score=80)),
        ([], ALL),
    ],
)
def test_judge_turns_down(clips: list[Clip], thresholds: Thresholds) -> None:
    assert judge("Pets", clips, 10, thresholds) is None


clips = st.lists(
    st.builds(
        clip,
        st.floats(0, 50),
        st.floats(50, 100),
        st.floats(0, 100),
        st.sampled_from(["dog", "cat"]),
    )
)


@given(clips, st.floats(0, 100), st.floats(0, 100))
def test_a_higher_clip_threshold_only_removes_clips(
    found: list[Clip], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    generous = judge("Pets", found, 100, Thresholds(0, low, 0))
    strict = judge("Pets", found, 100, Thresholds(0, high, 0))
    if strict:
        assert generous
        assert set(strict.clips) <= set(generous.clips)
        assert strict.duration_ratio <= generous.duration_ratio


@given(clips, st.sampled_from([0.0, 0.01, 0.3, 0.5, 1.0]))
def test_a_class_that_applies_has_the_least_seconds(found: list[Clip], ratio: float) -> None:
    thresholds = Thresholds(0, 0, ratio)
    if judge("Pets", found, 100, thresholds):
        assert sum(clip.end - clip.start for clip in found) >= least_seconds(100, thresholds)


@given(clips)
def test_scores_stay_between_0_and_100(found: list[Clip]) -> None:
    result = judge("Pets", found, 100, ALL)
    if result:
        assert 0 <= result.score <= 100
        assert 0 <= result.duration_ratio <= 1


def test_classify_puts_the_best_class_first_and_equal_ones_by_name() -> None:
    found = {
        "B": [clip(0, 10, 80)],
        "A": [clip(0, 10, 80)],
        "C": [clip(0, 10, 90)],
        "D": [clip(0, 1, 90)],
    }
    assert [each.name for each in classify(found, 10, Thresholds())] == ["C", "A", "B"]


def test_normalized_scores_are_shares_of_the_sum() -> None:
    assert normalized_scores([96.23, 90.78]) == pytest.approx([51.457, 48.543], abs=0.001)
    assert normalized_scores([37.83]) == [100.0]
    assert normalized_scores([0.0, 0.0]) == [0.0, 0.0]


def scored(*clips: Clip, name: str = "Pets") -> ClassScore:
    return ClassScore(name, 90.0, 0.5, clips, 90.0, 80.0)


def test_top_clips_have_distinct_prompts() -> None:
    classes = [
        scored(clip(0, 1, 90, "dog"), clip(2, 3, 89, "dog"), clip(0, 1, 70, "cat")),
        scored(clip(0, 1, 80, "soup"), clip(0, 1, 66, "bread"), name="Food"),
    ]
    assert [(c.prompt, c.score) for c in top_clips(classes)] == [
        ("dog", 90),
        ("soup", 80),
        ("cat", 70),
    ]
    assert [c.prompt for c in top_clips(classes[:1])] == ["dog", "cat"]
    assert [c.prompt for c in top_clips(classes, count=1)] == ["dog"]
    assert top_clips([]) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (clip(9, 20, 91, "z"), clip(0, 1, 90, "a")),
        (clip(1, 20, 90, "z"), clip(2, 3, 90, "a")),
        (clip(1, 2, 90, "z"), clip(1, 3, 90, "a")),
        (clip(1, 2, 90, "a"), clip(1, 2, 90, "z")),
        (Clip(1, 2, 90, "conversation", "a"), Clip(1, 2, 90, "visual", "a")),
    ],
    ids=["score", "start", "length", "prompt", "option"],
)
def test_top_clips_tie_breaks(first: Clip, second: Clip) -> None:
    for order in ([first, second], [second, first]):
        assert top_clips([scored(*order)])[0] == first
