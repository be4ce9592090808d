"""The results folder: written whole or not at all, and never what a reader would refuse."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from core.classes import PromptClass
from core.classification import ClassScore, Clip
from store import results
from store.records import LeftOut, VideoDetails
from store.safe_files import ResultsBroken, ResultsMissing, ResultsRefused

RUN: dict[str, Any] = {
    "classes": [{"name": "Pets", "prompts": ["dog", "cat"]}],
    "options": ["visual", "conversation"],
    "conversation_option": "semantic",
    "thresholds": {"min_video_score": 75, "min_clip_score": 65, "min_duration_ratio": 0.5},
    "index": {"id": "64f0", "name": "mine"},
    "platform": {
        "name": "embedded",
        "url": "http://127.0.0.1:1",
        "embedded": True,
        "models": {"visual": "net"},
    },
    "videos_dir": "classify",
    "counts": {"videos": 3, "classified": 2, "refused": 1},
    "refused": [{"video_name": "notes.mp4", "reason": "not a video"}],
    "failed": [],
    "started_at": "2026-01-02T03:04:05Z",
    "finished_at": "2026-01-02T03:05:05Z",
    "elapsed_s": 60.0,
}
NAMES = [{"video_id": "a1", "video_name": "sub/é.mp4"}, {"video_id": "b2", "video_name": "b.mp4"}]
CLIP = {"start": 1.5, "end": 4, "score": 90, "option": "visual", "prompt": "dog"}
DURATION = {
    "data": [
        {
            "video_id": "a1",
            "classes": [
                {"name": "Pets", "score": 91.5, "duration_ratio": 0.75},
                {"name": "Food", "score": 95, "duration_ratio": 1},
            ],
        }
    ]
}
CLIPS = {
    "data": [
        {
            "video_id": "a1",
            "classes": [
                {
                    "name": "Pets",
                    "score": 91.5,
                    "duration_ratio": 0.75,
                    "clips": [CLIP, {**CLIP, "start": 5, "end": 6, "score": 70}],
                }
            ],
        }
    ]
}
ALL = {"video_id_name_list": NAMES, "duration_data": DURATION, "clips_data": CLIPS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    results.write_results(tmp_path, ALL, RUN)
    return tmp_path


def clip(score: float, start: float, end: float, prompt: str, option: str = "visual") -> Clip:
    return Clip(start, end, score, option, prompt)


def test_load_run_joins_both_answers_with_the_names(folder: Path) -> None:
    run = results.load_run(folder)
    assert run.request.classes == (PromptClass("Pets", ("dog", "cat")),)
    assert run.request.thresholds.min_clip_score == 65
    assert run.platform.models == {"visual": "net"}
    assert run.refused == (LeftOut("notes.mp4", "not a video"),)
    first, second = run.videos
    assert (first.name, second.name, second.classes) == ("sub/é.mp4", "b.mp4", ())
    food, pets = first.classes
    assert (food.name, food.clips) == ("Food", ())
    assert pets == ClassScore(
        "Pets", 91.5, 0.75, (clip(90, 1.5, 4, "dog"), clip(70, 5, 6, "dog")), 90, 80
    )


def test_detailed_scores_of_the_platform_win(folder: Path) -> None:
    answer = copy.deepcopy(CLIPS)
    answer["data"][0]["classes"][0]["detailed_scores"] = {"max_score": 99, "avg_score": 55.5}
    results.write_results(folder, {**ALL, "clips_data": answer}, RUN)
    pets = results.load_run(folder).videos[0].classes[1]
    assert (pets.max_score, pets.avg_score) == (99, 55.5)


def test_the_pickles_alone_give_the_same_run(folder: Path) -> None:
    from_json = results.load_run(folder)
    for name in results.RESULT_NAMES:
        (folder / f"{name}.json").unlink()
    assert results.load_run(folder) == from_json


def test_failure_while_writing_leaves_the_previous_results(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    flushed = 0

    def full_disk(handle: int) -> None:
        nonlocal flushed
        flushed += 1
        if flushed == 5:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        results.write_results(folder, {**ALL, "clips_data": {"data": []}}, {**RUN, "options": []})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_files_are_replaced_together_run_last(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced: list[str] = []
    real = os.replace

    def watched(source: Path, target: Path) -> None:
        assert len(list(folder.glob(".*.part"))) == 7 - len(replaced), "all new files are there"
        replaced.append(target.name)
        real(source, target)

    monkeypatch.setattr(os, "replace", watched)
    results.write_results(folder, ALL, RUN)
    assert len(replaced) == 7
    assert replaced[-1] == "run.json"
    assert not list(folder.glob(".*.part"))


def test_written_files_have_the_usual_permissions(folder: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    assert (folder / "run.json").stat().st_mode == plain.stat().st_mode


def test_fingerprint_changes_with_any_file(folder: Path) -> None:
    before = results.fingerprint(folder)
    assert results.fingerprint(folder) == before
    results.write_results(folder, {**ALL, "duration_data": {"data": []}}, RUN)
    assert results.fingerprint(folder) != before
    assert results.fingerprint(folder / "nowhere") == ()


@pytest.mark.parametrize("name", ["run.json", *(f"{name}.json" for name in results.RESULT_NAMES)])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).with_suffix(".pickle").unlink(missing_ok=True)
    with pytest.raises(ResultsMissing, match=name) as caught:
        results.load_run(folder)
    assert caught.value.path.name == name
    assert "pipeline.py" in str(caught.value)


BROKEN_FILES = [
    ("run", [], "expected an object, got a list"),
    ("run", {}, '"classes" is missing'),
    ("run", {**RUN, "classes": {}}, "classes: expected a list, got an object"),
    (
        "run",
        {**RUN, "classes": [{"name": "a", "prompts": ["b", 1]}]},
        "classes[0].prompts[1]: expected a string, got a number",
    ),
    ("run", {**RUN, "options": "visual"}, "options: expected a list, got a string"),
    ("run", {**RUN, "thresholds": {}}, 'thresholds: "min_video_score" is missing'),
    (
        "run",
        {**RUN, "thresholds": {**RUN["thresholds"], "min_duration_ratio": 2}},
        "thresholds.min_duration_ratio: expected a number <= 1.0",
    ),
    (
        "run",
        {**RUN, "platform": {**RUN["platform"], "embedded": 1}},
        "platform.embedded: expected a boolean, got a number",
    ),
    (
        "run",
        {**RUN, "platform": {**RUN["platform"], "models": []}},
        "platform.models: expected an object, got a list",
    ),
    ("run", {**RUN, "counts": {"videos": -1}}, "counts[...]: expected a number >= 0.0"),
    ("run", {**RUN, "failed": [{"video_name": "a"}]}, 'failed[0]: "reason" is missing'),
    ("run", {**RUN, "elapsed_s": True}, "elapsed_s: expected a number, got a boolean"),
    ("run", {**RUN, "details": []}, "details: expected an object, got a list"),
    ("video_id_name_list", {}, "expected a list, got an object"),
    ("duration_data", {"data": None}, "data: expected a list, got null"),
    ("clips_data", [], "expected an object, got a list"),
    ("all_clips", {}, '"data" is missing'),
]
# The file, its content, what is told of which video, and the videos that can be shown all the same.
BROKEN_ENTRIES: list[tuple[str, Any, str, tuple[str, str], list[str]]] = [
    (
        "video_id_name_list",
        [NAMES[0], *NAMES],
        "video_id 'a1' occurs more than once",
        ("sub/é.mp4", "a1"),
        ["b2"],
    ),
    (
        "video_id_name_list",
        [*NAMES, {"video_id": 7, "video_name": "c.mp4"}],
        "[2].video_id: expected a string, got a number",
        ("c.mp4", ""),
        ["a1", "b2"],
    ),
    (
        "video_id_name_list",
        [NAMES[0], {"video_id": "b2"}],
        '[1]: "video_name" is missing',
        ("b2", "b2"),
        ["a1"],
    ),
    (
        "duration_data",
        {"data": [None, *DURATION["data"]]},
        "data[0]: expected an object, got null",
        ("unknown video", ""),
        ["a1", "b2"],
    ),
    (
        "duration_data",
        {"data": [{"video_id": "a1"}]},
        'data[0]: "classes" is missing',
        ("sub/é.mp4", "a1"),
        ["b2"],
    ),
    (
        "clips_data",
        {"data": [{"video_id": "a1", "classes": [None]}]},
        "data[0].classes[0]: expected an object, got null",
        ("sub/é.mp4", "a1"),
        ["b2"],
    ),
    (
        "clips_data",
        {"data": [{"video_id": ["b2"], "classes": []}, *CLIPS["data"]]},
        "data[0].video_id: expected a string, got a list",
        ("unknown video", ""),
        ["a1", "b2"],
    ),
    (
        "clips_data",
        {"data": [{"video_id": "c3", "classes": []}, *CLIPS["data"]]},
        "video_id 'c3' is not in video_id_name_list.json",
        ("c3", "c3"),
        ["a1", "b2"],
    ),
    (
        "run",
        {**RUN, "details": {"b2": {"fps": 25}}},
        'details.b2: "duration_s" is missing',
        ("b.mp4", "b2"),
        ["a1"],
    ),
    (
        "run",
        {**RUN, "details": {"a1": {"duration_s": 9, "fps": -1}}},
        "details.a1.fps: expected a number >= 0.0",
        ("sub/é.mp4", "a1"),
        ["b2"],
    ),
    ("all_clips", CLIPS, "video_id 'a1' is not in run.json", ("sub/é.mp4", "a1"), ["b2"]),
]
BROKEN_CLIPS = [
    ({}, 'classes[0].clips[1]: "start" is missing'),
    ({**CLIP, "start": "0"}, "classes[0].clips[1].start: expected a number, got a string"),
    ({**CLIP, "start": -1}, "classes[0].clips[1].start: expected a number >= 0.0"),
    ({**CLIP, "end": 10**400}, "classes[0].clips[1].end: number out of range"),
    ({**CLIP, "start": 5}, 'classes[0]: clips[1]: "end" must not be before "start"'),
    ({**CLIP, "score": 100.5}, "classes[0].clips[1].score: expected a number <= 100.0"),
    ({**CLIP, "prompt": None}, "classes[0].clips[1].prompt: expected a string, got null"),
    ({**CLIP, "option": ["visual"]}, "classes[0].clips[1].option: expected a string, got a list"),
]


def with_clip(broken: Any) -> dict[str, Any]:
    """An answer about both videos; the second clip of the second one is broken."""
    answer = copy.deepcopy(CLIPS)
    other = copy.deepcopy(CLIPS["data"][0])
    other["video_id"] = "b2"
    other["classes"][0]["clips"][1] = broken
    answer["data"].append(other)
    return answer


@pytest.mark.parametrize(("name", "data", "rule"), BROKEN_FILES)
def test_file_of_no_use_is_named_with_the_rule_and_the_repair(
    folder: Path, name: str, data: Any, rule: str
) -> None:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ResultsBroken) as caught:
        results.load_run(folder)
    assert caught.value.path == path
    assert str(caught.value) == f"{path}: {rule}: run pipeline.py again"


@pytest.mark.parametrize("form", ["json", "pickle"])
@pytest.mark.parametrize(("name", "data", "rule", "video", "readable"), BROKEN_ENTRIES)
def test_broken_entry_is_told_beside_the_good_ones(
    folder: Path,
    form: str,
    name: str,
    data: Any,
    rule: str,
    video: tuple[str, str],
    readable: list[str],
) -> None:
    path = folder / f"{name}.json"
    if form == "pickle" and name != "run":
        path.unlink(missing_ok=True)
        path = path.with_suffix(".pickle")
    text = json.dumps(data)
    path.write_bytes(text.encode() if path.suffix == ".json" else pickle.dumps(json.loads(text)))
    run = results.load_run(folder)
    assert run.unreadable == (LeftOut(video[0], f"{path.name}: {rule}", video[1]),)
    assert [each.video_id for each in run.videos] == readable
    if "a1" in readable:
        assert {found.name for found in run.videos[0].classes} == {"Pets", "Food"}


def test_a_video_that_is_not_listed_is_told_once(folder: Path) -> None:
    (folder / "video_id_name_list.json").write_text(json.dumps(NAMES[1:]))
    run = results.load_run(folder)
    reason = "duration_data.json: video_id 'a1' is not in video_id_name_list.json"
    assert run.unreadable == (LeftOut("a1", reason, "a1"),)
    assert [each.video_id for each in run.videos] == ["b2"]


@pytest.mark.parametrize(("broken", "rule"), BROKEN_CLIPS)
def test_broken_clip_is_found_by_its_place(folder: Path, broken: Any, rule: str) -> None:
    (folder / "clips_data.json").write_text(json.dumps(with_clip(broken)))
    run = results.load_run(folder)
    assert run.unreadable == (LeftOut("b.mp4", f"clips_data.json: data[1].{rule}", "b2"),)
    (video,) = run.videos
    assert (video.video_id, len(video.classes[1].clips)) == ("a1", 2)


@pytest.mark.parametrize(("name", "data", "rule"), BROKEN_FILES)
def test_what_would_not_be_read_is_not_written(
    folder: Path, name: str, data: Any, rule: str
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run, answers = (data, ALL) if name == "run" else (RUN, {**ALL, name: data})
    with pytest.raises(ResultsRefused) as caught:
        results.write_results(folder, answers, run)
    told = f"{folder / name}.json: {rule}: nothing was written, and earlier results are kept"
    assert str(caught.value) == told
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [
        *(row[:3] for row in BROKEN_ENTRIES),
        *(("clips_data", with_clip(broken), f"data[1].{rule}") for broken, rule in BROKEN_CLIPS),
        (
            "clips_data",
            with_clip({**CLIP, "end": math.nan}),
            "data[1].classes[0].clips[1].end: expected a finite number",
        ),
    ],
)
def test_an_entry_that_would_not_be_read_is_not_written(
    folder: Path, name: str, data: Any, rule: str
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run, answers = (data, ALL) if name == "run" else (RUN, {**ALL, name: data})
    with pytest.raises(ResultsRefused) as caught:
        results.write_results(folder, answers, run)
    assert f"{name}.json: {rule}: nothing was written" in str(caught.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_results_of_an_early_version_are_read(folder: Path) -> None:
    run = results.load_run(folder)
    assert (run.details, run.platform.scores, run.all_clips) == ({}, "", None)
    newer = {
        **RUN,
        "details": {"a1": {"duration_s": 9, "fps": 25.0}},
        "counts": {"videos": 2.0},
        "note": None,
    }
    answer = copy.deepcopy(CLIPS)
    answer["data"][0]["classes"][0]["detailed_scores"] = None
    results.write_results(folder, {**ALL, "clips_data": answer, "all_clips": CLIPS}, newer)
    run = results.load_run(folder)
    assert run.details == {"a1": VideoDetails(9.0, 25.0)}
    assert run.counts == {"videos": 2}
    assert run.all_clips is not None
    assert run.all_clips["a1"] == run.videos[0].classes[1:]


def test_half_characters_are_read_wherever_they_stand(folder: Path) -> None:
    half = os.fsdecode(b"caf\xe9")
    run = {
        **RUN,
        "videos_dir": half,
        "refused": [{"video_name": half, "reason": half}],
        "details": {half: {"duration_s": 9, "fps": 25, "damage": half}},
    }
    names = [{"video_id": half, "video_name": f"{half}.mp4"}]
    data = {"data": [{**CLIPS["data"][0], "video_id": half}]}
    answers = {"video_id_name_list": names, "duration_data": data, "clips_data": data}
    results.write_results(folder, {**answers, "all_clips": data}, run)
    for name in ("json", *answers):
        (folder / f"{name}.json").unlink(missing_ok=True)
        found = results.load_run(folder)
        assert found.videos[0].name == f"{half}.mp4"
        assert (found.videos_dir, found.refused) == (Path(half), (LeftOut(half, half),))
        assert found.details[half].damage == half
        assert found.unreadable == ()


def test_results_are_copied_as_they_are(folder: Path, tmp_path: Path) -> None:
    (folder / "clips_data.json").write_text(json.dumps(with_clip({})))
    (folder / "duration_data.json").unlink()
    (folder / "notes.txt").touch()
    target = tmp_path / "copy"
    results.write_results(target, {**ALL, "all_clips": {"data": []}}, RUN)
    results.copy_results(folder, target)
    ours = {path for path in folder.iterdir() if path.is_file() and path.name != "notes.txt"}
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        path.name: path.read_bytes() for path in ours
    }
    assert results.load_run(target) == results.load_run(folder)


def test_what_killed_runs_left_is_swept(folder: Path) -> None:
    orphan = folder / ".run.json.0123abcd.part"
    orphan.touch()
    os.utime(orphan, (0, 0))
    results.write_results(folder, ALL, RUN)
    assert not orphan.exists()


def test_folder_in_the_place_of_a_file(folder: Path) -> None:
    (folder / "run.json").unlink()
    (folder / "run.json").mkdir()
    with pytest.raises(ResultsBroken, match="it cannot be read"):
        results.load_run(folder)


def test_json_is_preferred_to_the_pickle(folder: Path) -> None:
    (folder / "clips_data.pickle").write_bytes(b"broken")
    assert results.load_run(folder).videos[0].classes[1].clips
