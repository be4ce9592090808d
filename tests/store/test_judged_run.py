"""Judged runs: the look-up gives what classification.judge gives, at any thresholds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.classification import Clip, Thresholds, judge
from store.judged_run import ClassProfile, load_judged_run
from tests.support.pages import clip, found, write_run

tenths = st.integers(0, 300).map(lambda number: number / 10)
clips = st.lists(
    st.builds(
        lambda start, length, score, prompt: Clip(start, start + length, score, "visual", prompt),
        tenths,
        tenths,
        st.integers(0, 100).map(float),
        st.sampled_from("ab"),
    ),
    max_size=12,
)
thresholds = st.builds(
    Thresholds,
    st.sampled_from([0.0, 40.0, 75.0]),
    st.sampled_from([0.0, 30.0, 65.0, 66.0, 100.0]),
    st.sampled_from([0.0, 0.1, 0.29, 0.5, 1.0]),
)


@given(clips, st.sampled_from([0.0, 7.0, 30.0, 60.0]), thresholds)
def test_look_up_is_the_judgement(made: list[Clip], duration_s: float, asked: Thresholds) -> None:
    expected = judge("a", made, duration_s, asked)
    looked_up = ClassProfile.of("a", made, duration_s).judge(asked)
    if expected is None or looked_up is None:
        assert looked_up is expected
        return
    assert looked_up.clips == expected.clips
    assert looked_up.duration_ratio == pytest.approx(expected.duration_ratio, abs=0.0101)
    assert looked_up.score == pytest.approx(expected.score, abs=0.3)
    assert looked_up.avg_score == pytest.approx(expected.avg_score, abs=0.011)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    strong = found("Pets", clip(0, 6, "a dog", 90), score=95, ratio=0.6)
    weak = found("Pets", clip(0, 6, "a dog", 90), clip(6, 9, "a cat", 40), score=95, ratio=0.9)
    below = found("Pets", clip(0, 1, "a cat", 60), score=55, ratio=0.1)
    return write_run(
        tmp_path / "results",
        tmp_path,
        {"dog.mp4": [strong], "none.mp4": []},
        all_clips={"dog.mp4": [weak], "none.mp4": [below]},
        durations={"dog.mp4": 10.0, "none.mp4": 10.0},
    )


def test_thresholds_of_the_run_give_the_answer_of_the_platform(folder: Path) -> None:
    judged_run = load_judged_run(folder)
    assert judged_run.has_all_clips
    assert judged_run.judge(judged_run.run.request.thresholds) == judged_run.run.videos


def test_lower_thresholds_find_more_and_higher_ones_less(folder: Path) -> None:
    judged_run = load_judged_run(folder)
    low = {video.name: video.classes for video in judged_run.judge(Thresholds(0, 30, 0))}
    assert [len(low["dog.mp4"][0].clips), low["dog.mp4"][0].duration_ratio] == [2, 0.9]
    assert low["none.mp4"][0].name == "Pets"
    assert not any(video.classes for video in judged_run.judge(Thresholds(75, 95, 0.1)))


def test_results_without_all_clips_are_shown_as_they_are(tmp_path: Path) -> None:
    write_run(tmp_path, tmp_path, {"a.mp4": [found("Pets", clip(2, 5, "a dog"))]})
    judged_run = load_judged_run(tmp_path)
    assert not judged_run.has_all_clips
    assert judged_run.judge(Thresholds(0, 0, 0)) == judged_run.run.videos
    assert judged_run.duration_s("id0") == 5


@pytest.mark.parametrize(
    ("change", "rule", "names"),
    [
        ({"video_id": "id9"}, "video_id 'id9' is not in run.json", {"dog.mp4", "none.mp4"}),
        ({"classes": [found("Cats")]}, "class 'Cats' is not in run.json", {"none.mp4"}),
    ],
)
def test_all_clips_that_do_not_fit_the_run_are_named(
    folder: Path, change: dict[str, object], rule: str, names: set[str]
) -> None:
    path = folder / "all_clips.json"
    data = json.loads(path.read_text())
    data["data"][0].update(change)
    path.write_text(json.dumps(data))
    judged_run = load_judged_run(folder)
    (entry,) = judged_run.run.unreadable
    assert entry.reason == f"all_clips.json: {rule}"
    assert judged_run.video_names == names


def test_a_run_without_all_clips_leaves_none_of_an_earlier_one(folder: Path) -> None:
    write_run(folder, folder, {"dog.mp4": []})
    assert not load_judged_run(folder).has_all_clips
