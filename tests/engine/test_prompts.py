"""From evidence to clips, with the default models: what matches, where, and with which score."""

from __future__ import annotations

import dataclasses
import os
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import skimage.io
from hypothesis import given
from hypothesis import strategies as st

import engine.evidence
from core.classification import Thresholds, classify, judge
from engine.evidence import (
    Evidence,
    EvidenceCache,
    TextSpan,
    read_evidence,
    write_evidence,
)
from engine.pooling import cut_windows, is_prepared, prepare, with_neighbours
from engine.retrieval import prompts as scoring
from engine.retrieval.prompts import PromptSet

PROMPTS = {
    "Pets": ("cat", "a cat lying on a sofa", "dog"),
    "Drinks": ("cup of coffee", "a hot drink", "espresso"),
    "Weather": ("weather forecast", "heavy rain and storms", "sunny today"),
}


CAT_THEN_COFFEE = ["chelsea.png"] * 4 + ["coffee.png"] * 3


def picture(name: str) -> np.ndarray:
    image = skimage.io.imread(Path(skimage.data.__file__).parent / name)[..., :3]
    return cv2.resize(image, (640, 360), interpolation=cv2.INTER_AREA)


def evidence(
    models, names=(), *, scenes=(0.0,), transcript=(), screen_text=(), duration_s=None
) -> Evidence:
    """A video that shows each named picture for a second."""
    made = {name: models.visual.encode_frames([picture(name)])[0] for name in set(names)}
    vectors = np.array([made[name] for name in names], dtype=np.float16)
    return Evidence(
        duration_s=float(len(names)) if duration_s is None else duration_s,
        frame_times=np.arange(len(names), dtype=np.float32),
        frame_vectors=vectors.reshape(len(names), models.visual.dimension),
        scene_starts=np.array(scenes if names else (), dtype=np.float32),
        transcript=tuple(TextSpan(*line) for line in transcript),
        screen_text=tuple(TextSpan(*line) for line in screen_text),
        thumbnail_times=np.zeros(0, np.float32),
        thumbnails=(),
        models={},
    )


RAIN = ((0.0, 3.0, "Now the weather forecast."), (3.2, 8.0, "Heavy rain and strong wind tonight."))
PHYSICS = ((20.0, 26.0, "Potential energy is converted to kinetic energy."),)


def test_visual_clips_begin_and_end_with_the_scene(real_models):
    video = evidence(real_models, ["chelsea.png"] * 6 + ["coffee.png"] * 6, scenes=(0, 6))
    clips = PromptSet(PROMPTS, "visual", real_models).clips(video, min_score=65)
    assert {(clip.start, clip.end) for clip in clips["Pets"]} == {(0.0, 6.0)}
    assert {(clip.start, clip.end) for clip in clips["Drinks"]} == {(6.0, 12.0)}
    assert clips["Weather"] == []
    assert {clip.option for clip in clips["Pets"]} == {"visual"}
    assert clips["Pets"][0].prompt in PROMPTS["Pets"]


def test_speech_clips_cover_the_lines_that_match(real_models):
    video = evidence(real_models, transcript=RAIN + PHYSICS, duration_s=30.0)
    clips = PromptSet(PROMPTS, "conversation", real_models).clips(video, min_score=65)
    assert {(round(clip.start, 1), round(clip.end, 1)) for clip in clips["Weather"]} == {(0.0, 8.0)}
    assert clips["Pets"] == clips["Drinks"] == []


def test_screen_text_clips(real_models):
    text = ((4.0, 9.0, "WEATHER FORECAST Monday: sunny, 24 degrees"), (12.0, 14.0, "1:46 30 12"))
    clips = PromptSet(PROMPTS, "text_in_video", real_models).clips(
        evidence(real_models, screen_text=text, duration_s=20.0), min_score=65
    )
    assert {(clip.start, clip.end) for clip in clips["Weather"]} == {(4.0, 9.0)}


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("heavy rain", True),
        ("raining heavily", False),
        ("winds", True),
        ("the strong winds tonight", True),
        ("strong coffee", False),
        ("weather forecasts", True),
        ("of the", False),
    ],
)
def test_exact_match_looks_for_the_words(real_models, prompt, found):
    prompt_set = PromptSet({"any": (prompt,)}, "conversation", real_models, "exact_match")
    video = evidence(real_models, transcript=RAIN, duration_s=10.0)
    assert bool(prompt_set.clips(video, min_score=65)["any"]) == found


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("Hunde", True),
        ("über den Hund", False),
        ("кошка", True),
        ("собака", False),
        ("犬", True),
        ("黒い犬", True),
        ("猫", False),
        ("หมา", True),
    ],
)
def test_exact_match_takes_several_languages_at_once(real_models, prompt, found):
    said = "Heute: drei Hunde. Дома кошка. 大きな黒い犬がいます。 หมาดำ"
    video = evidence(real_models, transcript=((0.0, 5.0, said),), duration_s=5.0)
    prompt_set = PromptSet({"any": (prompt,)}, "conversation", real_models, "exact_match")
    assert bool(prompt_set.clips(video, min_score=65)["any"]) == found


@pytest.mark.parametrize(
    ("said", "prompt", "score"),
    [
        ("he was running in the park", "to run", 95),
        ("Die Katzen schlafen auf dem Sofa.", "eine Katze auf dem Sofa", 95),
        ("Los perros corren por el parque.", "un perro en la playa", 47.5),
        ("Les chevaux sont dans le pré.", "le cheval", 95),
        ("Кошки спали на диване.", "кошка", 95),
        ("大きな黒い犬がいます。", "黒い猫", 95 * 2 / 3),
    ],
)
def test_exact_match_compares_stems_in_the_language_of_the_speech(real_models, said, prompt, score):
    video = evidence(real_models, transcript=((0.0, 5.0, said),), duration_s=5.0)
    prompt_set = PromptSet({"any": (prompt,)}, "conversation", real_models, "exact_match")
    assert [clip.score for clip in prompt_set.clips(video)["any"]] == pytest.approx([score], 1e-3)


def test_words_that_are_not_said_are_worth_nothing(real_models):
    video = evidence(real_models, transcript=RAIN, duration_s=8.0)
    prompt_set = PromptSet({"Pets": ("dog",)}, "conversation", real_models, "exact_match")
    (found,) = classify(prompt_set.clips(video), 8.0, Thresholds(0, 0, 0))
    assert (found.max_score, found.score) == (0, 0)


def test_a_prompt_that_no_other_confirms_scores_lower(real_models):
    video = evidence(real_models, ["chelsea.png"] * 3)
    alone = PromptSet({"Pets": ("cat",)}, "visual", real_models).clips(video)["Pets"]
    prompts = {"Pets": ("cat", "motorcycle", "orchestra")}
    among = PromptSet(prompts, "visual", real_models).clips(video)
    scores = {clip.prompt: clip.score for clip in among["Pets"]}
    assert scores["motorcycle"] < scores["cat"] < alone[0].score


def test_every_second_belongs_to_a_clip_of_every_prompt(real_models):
    names = ["chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"] * 4
    video = evidence(real_models, names, scenes=range(16))
    for clips in PromptSet(PROMPTS, "visual", real_models).clips(video).values():
        for prompt in {clip.prompt for clip in clips}:
            spans = sorted((clip.start, clip.end) for clip in clips if clip.prompt == prompt)
            assert spans[0][0] == 0
            assert spans[-1][1] == 16
            assert all(one[1] == other[0] for one, other in pairwise(spans))


@pytest.mark.parametrize("min_score", [10, 30, 65, 90])
def test_a_threshold_only_removes_clips(real_models, min_score):
    names = ["chelsea.png", "chelsea.png", "coffee.png", "rocket.jpg"] * 3
    video = evidence(real_models, names, scenes=range(12), transcript=RAIN)
    for option in scoring.OPTIONS:
        prompt_set = PromptSet(PROMPTS, option, real_models)
        every, some = prompt_set.clips(video), prompt_set.clips(video, min_score)
        for name in PROMPTS:
            assert some[name] == [clip for clip in every[name] if clip.score >= min_score]


@pytest.mark.parametrize("option", scoring.OPTIONS)
@pytest.mark.parametrize("min_score", [0, 65])
def test_videos_scored_together_get_the_same_clips_as_alone(real_models, option, min_score):
    videos = [
        evidence(real_models, CAT_THEN_COFFEE, scenes=(0, 4), transcript=RAIN),
        evidence(real_models, duration_s=5.0),
        evidence(real_models, transcript=PHYSICS, screen_text=RAIN, duration_s=30.0),
        evidence(real_models, ["rocket.jpg"], transcript=RAIN, screen_text=PHYSICS),
    ]
    prompt_set = PromptSet(PROMPTS, option, real_models)
    found = prompt_set.find(videos, min_score)
    alone = [prompt_set.clips(video, min_score) for video in videos]
    assert any(any(clips.values()) for clips in alone)
    for wanted in (np.ones((4, 3), bool), np.eye(4, 3, dtype=bool), np.zeros((4, 3), bool)):
        together = [{name: [] for name in PROMPTS} for _ in videos]
        for video, name, clip in found.clips(wanted):
            together[video][name].append(clip)
        for clips, every, chosen in zip(together, alone, wanted, strict=True):
            expected = {
                name: every[name] if each else []
                for name, each in zip(PROMPTS, chosen, strict=True)
            }
            assert clips == expected
    for clips, lengths in zip(alone, found.seconds, strict=True):
        sums = [sum(clip.end - clip.start for clip in clips[name]) for name in PROMPTS]
        assert lengths == pytest.approx(sums, abs=1e-4)
    assert prompt_set.find([], min_score).seconds.shape == (0, 3)


def test_persistent_classes_rank_above_short_ones(real_models):
    flash = evidence(real_models, ["rocket.jpg"] * 9 + ["chelsea.png"] * 3, scenes=(0, 9))
    lasting = evidence(real_models, ["chelsea.png"] * 12)
    prompt_set = PromptSet(PROMPTS, "visual", real_models)
    scores = [
        judge("Pets", prompt_set.clips(video)["Pets"], 12.0, Thresholds(0, 0, 0)).score
        for video in (flash, lasting)
    ]
    assert scores[0] + 3 < scores[1] < 100


def test_a_prompt_set_keeps_classes_apart(real_models):
    video = evidence(real_models, ["chelsea.png"] * 3)
    shared = {"Cats": ("cat",), "Animals": ("cat", "dog")}
    clips = PromptSet(shared, "visual", real_models).clips(video)
    assert {clip.prompt for clip in clips["Cats"]} == {"cat"}
    assert {clip.prompt for clip in clips["Animals"]} == {"cat", "dog"}


@pytest.mark.parametrize("option", scoring.OPTIONS)
def test_evidence_without_anything(real_models, option):
    nothing = evidence(real_models, duration_s=5.0)
    assert PromptSet(PROMPTS, option, real_models).clips(nothing) == {name: [] for name in PROMPTS}
    assert PromptSet(PROMPTS, option, real_models).similarity(nothing)[1].shape == (0, 9)
    assert PromptSet({}, option, real_models).clips(nothing) == {}
    assert PromptSet({}, option, real_models).similarity(nothing)[1].shape == (0, 0)


def test_unknown_option_is_an_error(real_models):
    with pytest.raises(ValueError, match=r"'smell'.*visual"):
        PromptSet(PROMPTS, "smell", real_models)


def test_clips_carry_the_requested_option(real_models):
    video = evidence(real_models, screen_text=((0.0, 5.0, "weather forecast"),), duration_s=5.0)
    clips = PromptSet(PROMPTS, "text_in_video", real_models, shown_as="logo").clips(video)
    assert {clip.option for clip in clips["Weather"]} == {"logo"}


def test_prepared_evidence_is_stored_and_scores_the_same(real_models, tmp_path):
    raw = evidence(real_models, ["chelsea.png"] * 4, transcript=RAIN, screen_text=RAIN)
    made = prepare(raw, real_models)
    assert is_prepared(made)
    assert not is_prepared(raw)
    write_evidence(tmp_path / "video", made)
    stored = read_evidence(tmp_path / "video")
    assert is_prepared(stored)
    for option in scoring.OPTIONS:
        prompt_set = PromptSet(PROMPTS, option, real_models)
        assert prompt_set.clips(stored) == prompt_set.clips(made) == prompt_set.clips(raw)


def test_every_float16_is_converted_exactly(real_models, tmp_path):
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)].astype(np.float32).reshape(-1, 8)
    video = dataclasses.replace(evidence(real_models, duration_s=5.0), window_vectors=finite)
    write_evidence(tmp_path / "video", video)
    np.testing.assert_array_equal(read_evidence(tmp_path / "video").window_vectors, finite)


@given(
    count=st.integers(1, 40),
    scenes=st.lists(st.integers(0, 45), max_size=6),
    step=st.sampled_from([0.5, 1.0, 4.0]),
)
def test_windows_are_consecutive_and_within_scenes(count, scenes, step):
    times = np.arange(count, dtype=np.float32) * step
    starts = np.array(sorted({0, *scenes}), dtype=np.float32) * step
    duration_s = float(count * step)
    video = dataclasses.replace(BARE, duration_s=duration_s, frame_times=times, scene_starts=starts)
    edges, first_frames = cut_windows(video)
    assert first_frames[0] == 0
    assert edges[0] == 0
    assert edges[-1] == duration_s
    assert first_frames == sorted(set(first_frames))
    assert edges[1:-1] == [float(times[first]) for first in first_frames[1:]]
    assert {float(start) for start in starts if 0 < start < times[-1]} <= set(edges)
    assert all(after - before < 4.5 + step for before, after in pairwise(edges))


BARE = Evidence(
    duration_s=0.0,
    frame_times=np.zeros(0, np.float32),
    frame_vectors=np.zeros((0, 0), np.float16),
    scene_starts=np.zeros(0, np.float32),
    transcript=(),
    screen_text=(),
    thumbnail_times=np.zeros(0, np.float32),
    thumbnails=(),
    models={},
)


def test_windows_of_no_frames():
    assert cut_windows(BARE) == ([], [])


def test_lines_are_joined_with_their_neighbours():
    lines = [TextSpan(at, at + 1, word) for at, word in enumerate("abcd")]
    assert with_neighbours(lines) == ["a b", "a b c", "b c d", "c d"]
    assert with_neighbours([*lines, TextSpan(30, 31, "z")]) == ["a b", "a b c", "b c d", "c d", "z"]
    assert with_neighbours([]) == []


def test_cached_evidence_is_read_once_while_there_is_space(tmp_path, monkeypatch):
    paths = [tmp_path / name for name in "abc"]
    video = dataclasses.replace(BARE, window_vectors=np.ones((1, 1000), np.float32))
    for path in paths:
        write_evidence(path, video)
    reads = []

    def read(path, **how):
        reads.append(path.name)
        return read_evidence(path, **how)

    monkeypatch.setattr(engine.evidence, "read_evidence", read)
    recent = EvidenceCache(2 * video.window_vectors.nbytes)
    for path in (*paths[:2], *paths[:2], paths[2], paths[0]):
        recent.read(path)
    assert reads == ["a", "b", "c", "a"]


def test_changed_evidence_is_read_again(tmp_path):
    path = tmp_path / "video"
    recent = EvidenceCache(2**20)
    write_evidence(path, BARE)
    recent.read(path)
    write_evidence(path, dataclasses.replace(BARE, duration_s=7.0))
    os.utime(path, ns=(1, 1))
    assert recent.read(path).duration_s == 7.0
    path.unlink()
    with pytest.raises(FileNotFoundError):
        recent.read(path)
