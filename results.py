"""The results folder: written whole or not at all, read with suspicion, typed for the page.

`video_id_name_list`, `duration_data` and `clips_data` are kept as `.json` and `.pickle` with equal
content, `run.json` says how they were made. Errors:

    ResultsError
    +-- ResultsMissing   a file is not there: the pipeline has not run, or not into this folder
    +-- ResultsBroken    a file is there and breaks a rule; the message names both
"""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import pickle
import pickletools
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from classification import ClassScore, Clip, Thresholds

T = TypeVar("T")

RUN_FILE = "run.json"
RESULT_NAMES = ("video_id_name_list", "duration_data", "clips_data")


class ResultsError(Exception):
    """The results cannot be shown; `path` is the file in question."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class ResultsMissing(ResultsError):
    """A results file is not there."""


class ResultsBroken(ResultsError):
    """A results file cannot be read, or its content breaks a rule."""


@dataclass(frozen=True)
class PromptClass:
    """A class as the user described it."""

    name: str
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class RunPlatform:
    """What classified the videos; `models` is kind of evidence to model name."""

    name: str
    url: str
    embedded: bool
    models: Mapping[str, str]


@dataclass(frozen=True)
class LeftOut:
    """A video that was not classified, and why."""

    video_name: str
    reason: str


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
    """A results folder as one value: the criteria, how the run went, and every video."""

    classes: tuple[PromptClass, ...]
    options: tuple[str, ...]
    conversation_option: str
    thresholds: Thresholds
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
    videos: tuple[VideoResult, ...] = ()


# Writing


def write_json(path: Path, data: Any) -> None:
    """Write one JSON file; a reader sees the old one or all of the new one."""
    _replace_together({path: _json_bytes(data)})


def write_result(folder: Path, name: str, data: Any) -> None:
    """Write `name.json` and `name.pickle`, both from the same plain data."""
    _replace_together(_both_forms(folder, name, data))


def write_results(folder: Path, results: Mapping[str, Any], run: Any) -> None:
    """Write every result in both forms and `run.json`.

    No file of the previous run is touched before all new ones are on the disk, so a failure leaves
    the previous results whole. `run.json` is replaced last.
    """
    contents: dict[Path, bytes] = {}
    for name, data in results.items():
        contents |= _both_forms(folder, name, data)
    contents[folder / RUN_FILE] = _json_bytes(run)
    _replace_together(contents)


def _both_forms(folder: Path, name: str, data: Any) -> dict[Path, bytes]:
    text = _json_bytes(data)
    # Pickled from the JSON and not from `data`, so that both files give the same to a reader even
    # where `data` has tuples, enumerations or keys that are not strings.
    return {
        folder / f"{name}.json": text,
        folder / f"{name}.pickle": pickle.dumps(json.loads(text), protocol=4),
    }


def _json_bytes(data: Any) -> bytes:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    # A file name that is not valid Unicode carries lone surrogates; backslashreplace writes them
    # as \udcXX, which is what JSON wants.
    return text.encode("utf-8", errors="backslashreplace")


def _replace_together(contents: Mapping[Path, bytes]) -> None:
    beside = {
        path: path.with_name(f".{path.name}.{secrets.token_hex(4)}.part") for path in contents
    }
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(beside[path], "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path in contents:
            os.replace(beside[path], path)
    finally:
        for part in beside.values():
            part.unlink(missing_ok=True)
    for folder in {path.parent for path in contents}:
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    """Make renames survive a power cut, where the system can open a folder at all."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# Reading


def read_result(folder: Path, name: str) -> Any:
    """Read `name.json`, or `name.pickle` where only that is there.

    Raises ResultsMissing or ResultsBroken.
    """
    return _read_plain(_result_path(folder, name))


def fingerprint(folder: Path) -> tuple[tuple[str | int, ...], ...]:
    """Name, inode, time of change and size of each results file: differs when one is replaced."""
    found = []
    for path in (folder / RUN_FILE, *(_result_path(folder, name) for name in RESULT_NAMES)):
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


def _result_path(folder: Path, name: str) -> Path:
    as_json, as_pickle = folder / f"{name}.json", folder / f"{name}.pickle"
    return as_pickle if as_pickle.exists() and not as_json.exists() else as_json


def _read_plain(path: Path) -> Any:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ResultsMissing(path, "there is no such file: run pipeline.py first") from None
    except OSError as error:
        raise ResultsBroken(path, f"it cannot be read: {error.strerror}") from error
    if path.suffix == ".pickle":
        return _unpickle(path, content)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ResultsBroken(path, f"it is not valid JSON: {error}") from error


_STRINGS = frozenset(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"))
_STORES = frozenset(("MEMOIZE", "BINPUT", "LONG_BINPUT"))
_FETCHES = frozenset(("BINGET", "LONG_BINGET"))
_CONTAINERS = frozenset(
    ("MARK", "EMPTY_DICT", "EMPTY_LIST", "SETITEM", "SETITEMS", "APPEND", "APPENDS")
)
_SCALARS = frozenset(
    ("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT")
)
_FRAMING = frozenset(("PROTO", "FRAME", "STOP"))
_PLAIN = _STRINGS | _STORES | _FETCHES | _CONTAINERS | _SCALARS | _FRAMING


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


def _unpickle(path: Path, content: bytes) -> Any:
    try:
        _check_opcodes(content)
        return _PlainUnpickler(io.BytesIO(content)).load()
    # A hostile or cut pickle makes the unpickler raise nearly anything.
    except Exception as error:
        raise ResultsBroken(path, f"it is not a pickle of plain data: {error}") from error


def _check_opcodes(content: bytes) -> None:
    """Refuse a pickle that is more than lists, dicts, strings, numbers, bools and None.

    The check reads the program without running it. Besides classes it refuses what makes a small
    file need much memory or time: far memo places, and containers within each other or themselves.
    """
    containers: set[int] = set()
    stored = 0
    previous = ""
    for opcode, argument, position in pickletools.genops(content):
        if opcode.name not in _PLAIN:
            raise pickle.UnpicklingError(f"{opcode.name} at byte {position} is not plain data")
        if opcode.name in _STORES:
            place = stored if argument is None else int(argument)
            if place > stored:
                raise pickle.UnpicklingError(f"memo place {place} at byte {position} is too far")
            stored = max(stored, place + 1)
            if previous not in _STRINGS:
                containers.add(place)
        elif opcode.name in _FETCHES and argument in containers:
            raise pickle.UnpicklingError(f"one container in two places at byte {position}")
        previous = opcode.name


# Checking: each parser takes plain data and raises _Fault with the rule that it breaks


_AGAIN = ": run pipeline.py again"


class _Fault(ValueError):
    """A rule is broken; the message is the place and the rule."""


def _parsed(path: Path, parse: Callable[[Any], T]) -> T:
    try:
        return parse(_read_plain(path))
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
    thresholds, index = _field(value, "thresholds"), _field(value, "index")
    return Run(
        classes=_list(
            value,
            "classes",
            lambda entry: PromptClass(_text(entry, "name"), _list(entry, "prompts", _string)),
        ),
        options=_list(value, "options", _string),
        conversation_option=_text(value, "conversation_option"),
        thresholds=Thresholds(
            _number(thresholds, "min_video_score", 100),
            _number(thresholds, "min_clip_score", 100),
            _number(thresholds, "min_duration_ratio", 1),
        ),
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
    )


def _platform(value: Any) -> RunPlatform:
    return RunPlatform(
        _text(value, "name"),
        _text(value, "url"),
        _flag(value, "embedded"),
        _table(value, "models", _text),
    )


def _left_out(value: Any) -> LeftOut:
    return LeftOut(_text(value, "video_name"), _text(value, "reason"))


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


# Choosing


def top_clips(classes: Iterable[ClassScore], count: int = 3) -> tuple[Clip, ...]:
    """The best clips of these classes, each of another prompt, best first.

    Of equal scores the earlier start goes first, then the shorter clip, then the prompt and the
    option in alphabetical order, so that the choice never depends on the order of the answer.
    """
    ranked = sorted(
        (clip for found in classes for clip in found.clips),
        key=lambda clip: (
            -clip.score,
            clip.start,
            clip.end - clip.start,
            clip.prompt,
            clip.option,
        ),
    )
    best_by_prompt: dict[str, Clip] = {}
    for clip in ranked:
        best_by_prompt.setdefault(clip.prompt, clip)
    return tuple(itertools.islice(best_by_prompt.values(), count))
