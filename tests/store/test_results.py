"""Results folder: whole or not at all, equal in both forms, and nothing but plain data."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.classes import PromptClass
from core.classification import ClassScore, Clip
from store import results

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
    assert run.refused == (results.LeftOut("notes.mp4", "not a video"),)
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


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def adjacent_surrogates(value: Any) -> bool:
    """A high surrogate before a low one is one character in JSON."""
    text = json.dumps(value)
    return any(f"\\ud{high}" in text for high in "89ab")


@given(data=PLAIN)
def test_json_and_pickle_give_the_same(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    folder = tmp_path_factory.mktemp("results")
    results.write_results(folder, {"any": data}, RUN)
    from_json = results.read_result(folder, "any")
    (folder / "any.json").unlink()
    assert repr(results.read_result(folder, "any")) == repr(from_json)
    if not adjacent_surrogates(data):
        assert from_json == data


def test_undecodable_file_name_survives(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    results.write_results(tmp_path, {"any": [name]}, RUN)
    assert results.read_result(tmp_path, "any") == [name]


@pytest.mark.parametrize("data", [math.nan, math.inf, {1, 2}, object(), b"bytes"])
def test_what_json_cannot_say_is_not_written(tmp_path: Path, data: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        results.write_results(tmp_path, {"any": [data]}, RUN)
    assert list(tmp_path.iterdir()) == []


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
    with pytest.raises(results.ResultsMissing, match=name) as caught:
        results.load_run(folder)
    assert caught.value.path.name == name
    assert "pipeline.py" in str(caught.value)


BROKEN = [
    ("run", [], "it must be an object"),
    ("run", {}, '"thresholds" is missing'),
    ("run", {**RUN, "classes": {}}, '"classes" must be a list'),
    ("run", {**RUN, "classes": [{"name": "a", "prompts": ["b", 1]}]}, r"prompts\[1\]: .* string"),
    ("run", {**RUN, "options": "visual"}, '"options" must be a list'),
    ("run", {**RUN, "thresholds": {}}, '"min_video_score" is missing'),
    ("run", {**RUN, "thresholds": {**RUN["thresholds"], "min_duration_ratio": 2}}, "from 0 to 1"),
    ("run", {**RUN, "platform": {**RUN["platform"], "embedded": 1}}, "true or false"),
    ("run", {**RUN, "platform": {**RUN["platform"], "models": []}}, '"models" must be an object'),
    ("run", {**RUN, "counts": {"videos": -1}}, '"videos" must be a number at least 0'),
    ("run", {**RUN, "failed": [{"video_name": "a"}]}, r'failed\[0\]: "reason" is missing'),
    ("run", {**RUN, "elapsed_s": True}, '"elapsed_s" must be a number'),
    ("video_id_name_list", {}, "must be a list"),
    ("video_id_name_list", [NAMES[0], NAMES[0]], "twice"),
    ("video_id_name_list", [{"video_id": 7, "video_name": "a"}], '"video_id" must be a string'),
    ("video_id_name_list", NAMES[1:], "video_id 'a1' is not in video_id_name_list"),
    ("duration_data", {"data": None}, '"data" must be a list'),
    ("duration_data", {"data": [None]}, r"data\[0\]: it must be an object"),
    ("duration_data", {"data": [{"video_id": "a1"}]}, r'data\[0\]: "classes" is missing'),
    ("clips_data", {"data": [{"video_id": "a1", "classes": [None]}]}, r"classes\[0\]: it must"),
]
BROKEN_CLIPS = [
    ({}, '"start" is missing'),
    ({**CLIP, "start": "0"}, '"start" must be a number at least 0'),
    ({**CLIP, "start": -1}, '"start" must be a number at least 0'),
    ({**CLIP, "end": 10**400}, '"end" must be a number'),
    ({**CLIP, "start": 5}, '"end" must not be before "start"'),
    ({**CLIP, "score": 100.5}, '"score" must be a number from 0 to 100'),
    ({**CLIP, "prompt": None}, '"prompt" must be a string'),
    ({**CLIP, "option": ["visual"]}, '"option" must be a string'),
]


@pytest.mark.parametrize(("name", "data", "rule"), BROKEN)
def test_broken_rule_is_named_with_its_file(folder: Path, name: str, data: Any, rule: str) -> None:
    (folder / f"{name}.json").write_text(json.dumps(data))
    with pytest.raises(results.ResultsBroken, match=rule) as caught:
        results.load_run(folder)
    assert isinstance(caught.value.path, Path)


@pytest.mark.parametrize(("broken", "rule"), BROKEN_CLIPS)
def test_broken_clip_is_found_by_its_place(folder: Path, broken: Any, rule: str) -> None:
    answer = copy.deepcopy(CLIPS)
    answer["data"][0]["classes"][0]["clips"][1] = broken
    (folder / "clips_data.json").write_text(json.dumps(answer))
    with pytest.raises(results.ResultsBroken, match=rule) as caught:
        results.load_run(folder)
    assert "clips_data.json: data[0]: classes[0]: clips[1]: " in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe\x00", b"[" * 200_000, b"9" * 5_000, '{"data": [}'.encode("utf-16")],
    ids=["empty", "cut", "not text", "too deep", "too long a number", "utf-16 and broken"],
)
def test_broken_json(folder: Path, content: bytes) -> None:
    (folder / "clips_data.json").write_bytes(content)
    with pytest.raises(results.ResultsBroken, match=r"clips_data\.json: it is not valid JSON"):
        results.load_run(folder)


def test_not_a_number_in_json_is_refused(folder: Path) -> None:
    text = (folder / "duration_data.json").read_text().replace("91.5", "NaN")
    (folder / "duration_data.json").write_text(text)
    with pytest.raises(results.ResultsBroken, match=r'"score" must be a number'):
        results.load_run(folder)


def test_folder_in_the_place_of_a_file(folder: Path) -> None:
    (folder / "run.json").unlink()
    (folder / "run.json").mkdir()
    with pytest.raises(results.ResultsBroken, match="it cannot be read"):
        results.load_run(folder)


class Runs:
    """A pickle that runs a command when it is read by the usual unpickler."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


SHARED: list[Any] = []
CYCLE: list[Any] = []
CYCLE.append(CYCLE)
LAUGHS: list[Any] = ["ha"]
for _ in range(40):
    LAUGHS = [LAUGHS, LAUGHS]

HOSTILE = {
    "class": pickle.dumps(Clip(0, 1, 2, "visual", "dog")),
    "path": pickle.dumps(Path("x")),
    "builtin": pickle.dumps(len),
    "tuple": pickle.dumps((1, 2)),
    "set": pickle.dumps({1}),
    "bytes": pickle.dumps(b"x"),
    "bytearray": pickle.dumps(bytearray(4), protocol=5),
    "text protocol": pickle.dumps(["a"], protocol=0),
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent id": b"\x80\x02X\x01\x00\x00\x00aQ.",
    "shared list": pickle.dumps([SHARED, SHARED]),
    "shared dictionary": pickle.dumps([d := {"a": 1}, d]),
    "cycle": pickle.dumps(CYCLE),
    "billion laughs": pickle.dumps(LAUGHS),
    "memo place stored again": (
        b"\x80\x04X\x01\x00\x00\x00aq\x00X\x01\x00\x00\x00aq\x00" + b"]\x94h\x01a."
    ),
    "far memo place": b"\x80\x02]r" + struct.pack("<I", 2**32 - 1) + b".",
    "promised gigabytes": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.",
    "promised frame": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"].",
    "list as a key": b"\x80\x02}]K\x01s.",
    "nothing on the stack": b"\x80\x02.",
    "items into a string": b"\x80\x02X\x01\x00\x00\x00aK\x01K\x02s.",
    "newer protocol": b"\x80\x63].",
    "cut": pickle.dumps({"data": [1, 2, 3]})[:-4],
    "empty": b"",
    "text": b'{"data": []}',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_unpickler_refuses_all_but_plain_data(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "any.pickle").write_bytes(content)
    with pytest.raises(results.ResultsBroken, match=r"any\.pickle: it is not a pickle of plain"):
        results.read_result(tmp_path, "any")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_hostile_pickle_is_not_run(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    hostile = pickle.dumps({"data": [Runs(f"touch '{mark}'")]}, protocol=protocol)
    (tmp_path / "any.pickle").write_bytes(hostile)
    with pytest.raises(results.ResultsBroken):
        results.read_result(tmp_path, "any")
    assert not mark.exists()
    pickle.loads(hostile)
    assert mark.exists(), "the pickle is really hostile"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_other_programs_are_read(tmp_path: Path, protocol: int) -> None:
    data = {"data": [{"name": "é", "n": [1, -2, 70_000, 2**80, 0.5, None]}, {"name": "é"}]}
    (tmp_path / "any.pickle").write_bytes(pickle.dumps(data, protocol=protocol))
    assert results.read_result(tmp_path, "any") == data


def test_json_is_preferred_to_the_pickle(folder: Path) -> None:
    (folder / "clips_data.pickle").write_bytes(b"broken")
    assert results.load_run(folder).videos[0].classes[1].clips
