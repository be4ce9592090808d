"""The results folder: written whole or not at all, read with suspicion, typed for the page.

`video_id_name_list`, `duration_data` and `clips_data` are kept as `.json` and `.pickle` with equal
content, `run.json` says how they were made. Errors:

    ResultsError
    +-- ResultsMissing   a file is not there: the pipeline has not run, or not into this folder
    +-- ResultsBroken    a file is there and breaks a rule; the message names both
"""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from core.classes import PromptClass
from core.classification import ClassScore, Clip, Thresholds
from core.files import remove_leftovers, write_together
from core.types import ClassifyRequest
from store.safe_files import ResultsBroken as ResultsBroken
from store.safe_files import ResultsError as ResultsError
from store.safe_files import ResultsMissing as ResultsMissing
from store.safe_files import json_bytes, read_plain

T = TypeVar("T")

RUN_FILE = "run.json"
RESULT_NAMES = ("video_id_name_list", "duration_data", "clips_data")
ALL_CLIPS = "all_clips"  # not there in results of a version before it


@dataclass(frozen=True)
class RunPlatform:
    """What classified the videos; `models` is kind of evidence to model name.

    `scores` says how scores are made, "" where they are the platform's own.
    """

    name: str
    url: str
    embedded: bool
    models: Mapping[str, str]
    scores: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A video that was not classified, and why; `video_id` is "" where no index held it."""

    video_name: str
    reason: str
    video_id: str = ""


@dataclass(frozen=True)
class VideoDetails:
    """What the platform knows of a video file; 0 frames a second where it does not know.

    `damage` says what of the file could not be used, in words that follow its name.
    """

    duration_s: float
    fps: float
    damage: str = ""


@dataclass(frozen=True)
class VideoResult:
    """One classified video; `classes` are those that apply, best first, and may be none.

    `name` is the path relative to the videos folder, with "/" on every system.
    """

    video_id: str
    name: str
    classes: tuple[ClassScore, ...]


@dataclass(frozen=True)
class Run:
    """A results folder as one value: the criteria, how the run went, and every video.

    `details` are by video id; results of an earlier version have none.
    """

    request: ClassifyRequest
    index_id: str
    index_name: str
    platform: RunPlatform
    videos_dir: Path
    counts: Mapping[str, int]
    refused: tuple[LeftOut, ...]
    failed: tuple[LeftOut, ...]
    started_at: str
    finished_at: str
    elapsed_s: float
    details: Mapping[str, VideoDetails]
    videos: tuple[VideoResult, ...] = ()


# Writing


def write_results(folder: Path, results: Mapping[str, Any], run: Any) -> None:
    """Write every result in both forms and `run.json`.

    No file of the previous run is touched before all new ones are on the disk, so a failure leaves
    the previous results whole. `run.json` is replaced last.
    """
    contents: dict[Path, bytes] = {}
    for name, data in results.items():
        contents |= _both_forms(folder, name, data)
    contents[folder / RUN_FILE] = json_bytes(run)
    write_together(contents)
    remove_leftovers(folder)
    for name in {*RESULT_NAMES, ALL_CLIPS} - results.keys():
        for ending in ("json", "pickle"):
            (folder / f"{name}.{ending}").unlink(missing_ok=True)


def _both_forms(folder: Path, name: str, data: Any) -> dict[Path, bytes]:
    text = json_bytes(data)
    # Pickled from the JSON and not from `data`, so that both files give the same to a reader even
    # where `data` has tuples, enumerations or keys that are not strings.
    return {
        folder / f"{name}.json": text,
        folder / f"{name}.pickle": pickle.dumps(json.loads(text), protocol=4),
    }


# Reading


def read_result(folder: Path, name: str) -> Any:
    """Read `name.json`, or `name.pickle` where only that is there.

    Raises ResultsMissing or ResultsBroken.
    """
    return read_plain(_result_path(folder, name))


def fingerprint(folder: Path) -> tuple[tuple[str | int, ...], ...]:
    """Name, inode, time of change and size of each results file: differs when one is replaced."""
    found = []
    names = (*RESULT_NAMES, ALL_CLIPS)
    for path in (folder / RUN_FILE, *(_result_path(folder, name) for name in names)):
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((path.name, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def load_run(folder: Path) -> Run:
    """Read a whole results folder; raises ResultsMissing or ResultsBroken."""
    run = _parsed(folder / RUN_FILE, _run)
    names_path, durations_path, clips_path = (_result_path(folder, name) for name in RESULT_NAMES)
    names = _parsed(names_path, _video_names)
    judged = {path: _parsed(path, _classes_by_video) for path in (durations_path, clips_path)}
    for path, by_video in judged.items():
        for unknown in by_video.keys() - names.keys():
            raise ResultsBroken(path, f"video_id {unknown!r} is not in {names_path.name}{_AGAIN}")
    videos = (
        VideoResult(
            video_id, name, _merged(by_video.get(video_id, ()) for by_video in judged.values())
        )
        for video_id, name in names.items()
    )
    return replace(run, videos=tuple(videos))


def load_all_clips(folder: Path, run: Run) -> dict[str, tuple[ClassScore, ...]] | None:
    """Every clip of every class, by video id, whether the class applies or not.

    None where the results do not hold it. Raises ResultsBroken.
    """
    path = _result_path(folder, ALL_CLIPS)
    if not path.exists():
        return None
    by_video = _parsed(path, _classes_by_video)
    names = {criterion.name for criterion in run.request.classes}
    for video_id, classes in by_video.items():
        if video_id not in run.details:
            raise ResultsBroken(path, f"video_id {video_id!r} is not in {RUN_FILE}{_AGAIN}")
        for unknown in {found.name for found in classes} - names:
            raise ResultsBroken(path, f"class {unknown!r} is not in {RUN_FILE}{_AGAIN}")
    return by_video


def _result_path(folder: Path, name: str) -> Path:
    as_json, as_pickle = folder / f"{name}.json", folder / f"{name}.pickle"
    return as_pickle if as_pickle.exists() and not as_json.exists() else as_json


# Checking: each parser takes plain data and raises _Fault with the rule that it breaks


_AGAIN = ": run pipeline.py again"


class _Fault(ValueError):
    """A rule is broken; the message is the place and the rule."""


def _parsed(path: Path, parse: Callable[[Any], T]) -> T:
    try:
        return parse(read_plain(path))
    except _Fault as fault:
        raise ResultsBroken(path, f"{fault}{_AGAIN}") from None


def _field(record: Any, key: str) -> Any:
    if type(record) is not dict:
        raise _Fault("it must be an object")
    if key not in record:
        raise _Fault(f'"{key}" is missing')
    return record[key]


def _text(record: Any, key: str) -> str:
    value = _field(record, key)
    if type(value) is not str:
        raise _Fault(f'"{key}" must be a string')
    return value


def _number(record: Any, key: str, most: float = math.inf) -> float:
    value = _field(record, key)
    try:
        number = float(value) if type(value) in (int, float) else math.nan
    except OverflowError:
        number = math.inf
    if not (0 <= number <= most and math.isfinite(number)):
        span = "at least 0" if most == math.inf else f"from 0 to {most:g}"
        raise _Fault(f'"{key}" must be a number {span}')
    return number


def _flag(record: Any, key: str) -> bool:
    value = _field(record, key)
    if type(value) is not bool:
        raise _Fault(f'"{key}" must be true or false')
    return value


def _list(record: Any, key: str, parse: Callable[[Any], T]) -> tuple[T, ...]:
    return _each(_field(record, key), key, parse)


def _each(values: Any, where: str, parse: Callable[[Any], T]) -> tuple[T, ...]:
    if type(values) is not list:
        raise _Fault(f'"{where}" must be a list')
    parsed = []
    for place, value in enumerate(values):
        try:
            parsed.append(parse(value))
        except _Fault as fault:
            raise _Fault(f"{where}[{place}]: {fault}") from None
    return tuple(parsed)


def _string(value: Any) -> str:
    if type(value) is not str:
        raise _Fault("it must be a string")
    return value


def _table(record: Any, key: str, parse: Callable[[Any, str], T]) -> dict[str, T]:
    table = _field(record, key)
    if type(table) is not dict:
        raise _Fault(f'"{key}" must be an object')
    return {name: parse(table, name) for name in table}


def _run(value: Any) -> Run:
    request, index = _request(value), _field(value, "index")
    return Run(
        request=request,
        index_id=_text(index, "id"),
        index_name=_text(index, "name"),
        platform=_platform(_field(value, "platform")),
        videos_dir=Path(_text(value, "videos_dir")),
        counts=_table(value, "counts", lambda table, name: int(_number(table, name))),
        refused=_list(value, "refused", _left_out),
        failed=_list(value, "failed", _left_out),
        started_at=_text(value, "started_at"),
        finished_at=_text(value, "finished_at"),
        elapsed_s=_number(value, "elapsed_s"),
        details=_table(value, "details", _details) if "details" in value else {},
    )


def _request(value: Any) -> ClassifyRequest:
    thresholds = _field(value, "thresholds")
    return ClassifyRequest(
        _list(
            value,
            "classes",
            lambda entry: PromptClass(_text(entry, "name"), _list(entry, "prompts", _string)),
        ),
        _list(value, "options", _string),
        _text(value, "conversation_option"),
        Thresholds(
            _number(thresholds, "min_video_score", 100),
            _number(thresholds, "min_clip_score", 100),
            _number(thresholds, "min_duration_ratio", 1),
        ),
    )


def _details(table: Any, video_id: str) -> VideoDetails:
    entry = _field(table, video_id)
    return VideoDetails(
        _number(entry, "duration_s"),
        _number(entry, "fps"),
        # Results of an earlier version do not say.
        _text(entry, "damage") if "damage" in entry else "",
    )


def _platform(value: Any) -> RunPlatform:
    return RunPlatform(
        _text(value, "name"),
        _text(value, "url"),
        _flag(value, "embedded"),
        _table(value, "models", _text),
        # Results of an earlier version do not say.
        _text(value, "scores") if "scores" in value else "",
    )


def _left_out(value: Any) -> LeftOut:
    video_id = _text(value, "video_id") if "video_id" in value else ""
    return LeftOut(_text(value, "video_name"), _text(value, "reason"), video_id)


def _video_names(value: Any) -> dict[str, str]:
    pairs = _each(
        value,
        "video_id_name_list",
        lambda entry: (_text(entry, "video_id"), _text(entry, "video_name")),
    )
    names = dict(pairs)
    if len(names) < len(pairs):
        raise _Fault("a video_id is there twice")
    return names


def _classes_by_video(value: Any) -> dict[str, tuple[ClassScore, ...]]:
    return dict(
        _list(
            value,
            "data",
            lambda video: (_text(video, "video_id"), _list(video, "classes", _class_score)),
        )
    )


def _class_score(value: Any) -> ClassScore:
    name = _text(value, "name")
    clips = _list(value, "clips", _clip) if "clips" in value else ()
    scores = [clip.score for clip in clips]
    details = value.get("detailed_scores") or {
        "max_score": max(scores, default=0.0),
        "avg_score": round(sum(scores) / len(scores), 2) if scores else 0.0,
    }
    return ClassScore(
        name,
        _number(value, "score", 100),
        _number(value, "duration_ratio", 1),
        clips,
        _number(details, "max_score", 100),
        _number(details, "avg_score", 100),
    )


def _clip(value: Any) -> Clip:
    if type(value) is dict:
        # The usual clip at a glance: results hold a hundred thousand of them.
        start, end, score = value.get("start"), value.get("end"), value.get("score")
        option, prompt = value.get("option"), value.get("prompt")
        if (
            type(start) is type(end) is type(score) is float
            and type(option) is type(prompt) is str
            and 0.0 <= start <= end < math.inf
            and 0.0 <= score <= 100.0
        ):
            return Clip(start, end, score, option, prompt)
    clip = Clip(
        _number(value, "start"),
        _number(value, "end"),
        _number(value, "score", 100),
        _text(value, "option"),
        _text(value, "prompt"),
    )
    if clip.end < clip.start:
        raise _Fault('"end" must not be before "start"')
    return clip


def _merged(answers: Iterable[Iterable[ClassScore]]) -> tuple[ClassScore, ...]:
    """One video's classes from several answers, best first; a later answer knows more."""
    by_name = {found.name: found for answer in answers for found in answer}
    return tuple(sorted(by_name.values(), key=lambda found: (-found.score, found.name)))
