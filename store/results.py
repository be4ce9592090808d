"""The results folder: written whole or not at all, and checked by the same types when it is read.

`video_id_name_list`, `duration_data`, `clips_data` and `all_clips` are stored as `.json` and
`.pickle` with equal content; `run.json` says how they were made. The errors are those of
`store.safe_files`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct, structs

from core.classes import PromptClass
from core.classification import ClassScore, Clip, NonNegative, Ratio, Score, Seconds, Thresholds
from core.files import remove_leftovers, write_together
from core.types import ClassifyRequest
from store.records import LeftOut, Run, RunPlatform, VideoDetails, VideoResult
from store.safe_files import (
    ResultsBroken,
    ResultsRefused,
    StoredFile,
    both_forms,
    broken_rule,
    json_bytes,
    read_plain,
)

T = TypeVar("T")

RUN = "run"
NAMES = "video_id_name_list"
CLASSIFIED = ("duration_data", "clips_data")
RESULT_NAMES = (NAMES, *CLASSIFIED)
ALL_CLIPS = "all_clips"  # results of early versions lack it
RUN_FILE = f"{RUN}.json"


# Writing


def write_results(folder: Path, results: Mapping[str, Any], run: Any) -> None:
    """Write every result as JSON and as a pickle, and `run.json`.

    `results` are plain data by name, with all of RESULT_NAMES. No file of the previous run is
    touched before all new ones are on the disk, so a failure leaves the previous results whole.
    `run.json` is replaced last. Raises ResultsRefused for what `load_run` would not read.
    """
    contents: dict[Path, bytes] = {}
    for name, data in results.items():
        contents |= both_forms(folder, name, data)
    path = folder / RUN_FILE
    contents[path] = json_bytes(path, run)
    _require_readable(
        {path.stem: StoredFile(path, contents[path]) for path in contents if path.suffix == ".json"}
    )
    _replace_all(folder, contents)


def copy_results(source: Path, target: Path) -> None:
    """Replace the results in `target` with those in `source`, unchecked."""
    paths = [path for path in _result_paths(source) if path.exists()]
    _replace_all(target, {target / path.name: path.read_bytes() for path in paths})


def _replace_all(folder: Path, contents: Mapping[Path, bytes]) -> None:
    write_together(contents)
    for path in _result_paths(folder):
        if path not in contents:
            path.unlink(missing_ok=True)
    remove_leftovers(folder)


def _result_paths(folder: Path) -> list[Path]:
    """Every file that results can have, `run.json` last."""
    names = (*RESULT_NAMES, ALL_CLIPS)
    both = [folder / f"{name}.{form}" for name in names for form in ("json", "pickle")]
    return [*both, folder / RUN_FILE]


def _require_readable(files: Mapping[str, StoredFile]) -> None:
    try:
        run = _run_of(files)
    except ResultsBroken as error:
        raise ResultsRefused(error.path, error.rule) from error
    for entry in run.unreadable:
        raise ResultsRefused(files[RUN].path.parent, entry.reason)


# Reading


def read_result(folder: Path, name: str) -> Any:
    """Read `name.json`, or `name.pickle` if there is no JSON file, unchecked.

    Raises ResultsMissing or ResultsBroken.
    """
    return read_plain(_result_path(folder, name))


def fingerprint(folder: Path) -> tuple[tuple[str | int, ...], ...]:
    """Name, inode, modification time and size of each results file: changes with any of them."""
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
    """Read a whole results folder.

    A video with an invalid entry in any file is listed as unreadable, and the others are read.
    Raises ResultsMissing, or ResultsBroken if a whole file is of no use.
    """
    paths = {RUN: folder / RUN_FILE} | {name: _result_path(folder, name) for name in RESULT_NAMES}
    all_clips = _result_path(folder, ALL_CLIPS)
    if all_clips.exists():
        paths[ALL_CLIPS] = all_clips
    return _run_of({name: StoredFile.read(path) for name, path in paths.items()})


def _result_path(folder: Path, name: str) -> Path:
    as_json, as_pickle = folder / f"{name}.json", folder / f"{name}.pickle"
    return as_pickle if as_pickle.exists() and not as_json.exists() else as_json


# The shapes of the files. Unknown fields are ignored; fields with a default are missing in results
# of earlier versions.


class _NameEntry(Struct):
    video_id: str
    video_name: str


class _DetailedScores(Struct):
    max_score: Score | None = None
    avg_score: Score | None = None


class _ClassEntry(Struct):
    name: str
    score: Score
    duration_ratio: Ratio
    clips: tuple[Clip, ...] = ()
    detailed_scores: _DetailedScores | None = None

    def __post_init__(self) -> None:
        for at, clip in enumerate(self.clips):
            if clip.end < clip.start:
                raise ValueError(f'clips[{at}]: "end" must not be before "start"')

    def class_score(self) -> ClassScore:
        """The class; if the platform gave no detailed scores, they come from the clips."""
        given = self.detailed_scores or _DetailedScores()
        scores = [clip.score for clip in self.clips]
        best, mean = given.max_score, given.avg_score
        if best is None:
            best = max(scores, default=0.0)
        if mean is None:
            mean = round(sum(scores) / len(scores), 2) if scores else 0.0
        return ClassScore(self.name, self.score, self.duration_ratio, self.clips, best, mean)


class _VideoEntry(Struct):
    video_id: str
    classes: tuple[_ClassEntry, ...]


class _Response(Struct):
    data: list[_VideoEntry]


class _UncheckedResponse(Struct):
    data: list[Any]


class _Thresholds(Struct):
    min_video_score: Score
    min_clip_score: Score
    min_duration_ratio: Ratio


class _Index(Struct):
    id: str
    name: str


class _RunFile(Struct):
    classes: tuple[PromptClass, ...]
    options: tuple[str, ...]
    conversation_option: str
    thresholds: _Thresholds
    index: _Index
    platform: RunPlatform
    videos_dir: str
    counts: dict[str, NonNegative]
    refused: tuple[LeftOut, ...]
    failed: tuple[LeftOut, ...]
    started_at: str
    finished_at: str
    elapsed_s: Seconds
    details: dict[str, Any] = {}


# Joining the files


@dataclass(frozen=True)
class _Entries(Generic[T]):
    """The valid entries of a file, by video id, and the invalid ones."""

    good: dict[str, T]
    broken: list[LeftOut]


_Classes = _Entries[tuple[ClassScore, ...]]
_Rule = Callable[[_VideoEntry], str]  # which rule an entry breaks, or ""


def _run_of(files: Mapping[str, StoredFile]) -> Run:
    run_file = files[RUN].decode(_RunFile)
    names = _names(files[NAMES])
    details = _details(files[RUN], run_file.details)
    rules = dict.fromkeys(CLASSIFIED, _listed_in(files[NAMES], names))
    rules[ALL_CLIPS] = _described_by(run_file, details)
    responses = {name: _classes(files[name], rule) for name, rule in rules.items() if name in files}
    broken = [*names.broken, *details.broken]
    broken += (entry for response in responses.values() for entry in response.broken)
    unreadable = _once_each(broken, names.good)
    readable = names.good.keys() - {entry.video_id for entry in unreadable}
    return replace(
        _described(run_file),
        details=details.good,
        videos=tuple(
            VideoResult(video_id, name, _merged(video_id, (responses[each] for each in CLASSIFIED)))
            for video_id, name in names.good.items()
            if video_id in readable
        ),
        all_clips=_only(readable, responses[ALL_CLIPS]) if ALL_CLIPS in responses else None,
        unreadable=unreadable,
    )


def _described(run_file: _RunFile) -> Run:
    thresholds = Thresholds(**structs.asdict(run_file.thresholds))
    return Run(
        request=ClassifyRequest(
            run_file.classes, run_file.options, run_file.conversation_option, thresholds
        ),
        index_id=run_file.index.id,
        index_name=run_file.index.name,
        platform=run_file.platform,
        videos_dir=Path(run_file.videos_dir),
        counts={what: int(count) for what, count in run_file.counts.items()},
        refused=run_file.refused,
        failed=run_file.failed,
        started_at=run_file.started_at,
        finished_at=run_file.finished_at,
        elapsed_s=run_file.elapsed_s,
        details={},
    )


def _names(file: StoredFile) -> _Entries[str]:
    """The names of the videos; an id that occurs more than once stands for none of them."""
    broken: list[LeftOut] = []
    try:
        entries = file.decode(list[_NameEntry])
    except ResultsBroken:
        entries, broken = _valid_entries(file, file.decode(list[Any]), _NameEntry)
    count = Counter(entry.video_id for entry in entries)
    good = {}
    for entry in entries:
        if count[entry.video_id] == 1:
            good[entry.video_id] = entry.video_name
        else:
            reason = f"{file.path.name}: video_id {entry.video_id!r} occurs more than once"
            broken.append(LeftOut(entry.video_name, reason, entry.video_id))
    return _Entries(good, broken)


def _details(file: StoredFile, by_video: Mapping[str, Any]) -> _Entries[VideoDetails]:
    good: dict[str, VideoDetails] = {}
    broken: list[LeftOut] = []
    for video_id, entry in by_video.items():
        try:
            good[video_id] = msgspec.convert(entry, VideoDetails)
        except ValueError as error:
            rule = broken_rule(error, f"details.{video_id}")
            broken.append(LeftOut("", f"{file.path.name}: {rule}", video_id))
    return _Entries(good, broken)


def _classes(file: StoredFile, rule_broken_by: _Rule) -> _Classes:
    """The classes of each video in a response of the platform."""
    broken: list[LeftOut] = []
    try:
        entries = file.decode(_Response).data
    except ResultsBroken:
        entries, broken = _valid_entries(
            file, file.decode(_UncheckedResponse).data, _VideoEntry, "data"
        )
    good = {}
    for entry in entries:
        if rule := rule_broken_by(entry):
            broken.append(LeftOut("", f"{file.path.name}: {rule}", entry.video_id))
        else:
            good[entry.video_id] = tuple(found.class_score() for found in entry.classes)
    return _Entries(good, broken)


def _valid_entries(
    file: StoredFile, values: Sequence[Any], kind: type[T], place: str = ""
) -> tuple[list[T], list[LeftOut]]:
    """The valid entries of a list, and the others with the reason."""
    good: list[T] = []
    broken: list[LeftOut] = []
    for at, value in enumerate(values):
        try:
            good.append(msgspec.convert(value, kind))
        except ValueError as error:
            reason = f"{file.path.name}: {broken_rule(error, f'{place}[{at}]')}"
            broken.append(
                LeftOut(_text_of(value, "video_name"), reason, _text_of(value, "video_id"))
            )
    return good, broken


def _text_of(entry: Any, key: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, str) else ""


def _listed_in(file: StoredFile, names: _Entries[str]) -> _Rule:
    listed = names.good.keys() | {entry.video_id for entry in names.broken}

    def rule_broken_by(entry: _VideoEntry) -> str:
        if entry.video_id in listed:
            return ""
        return f"video_id {entry.video_id!r} is not in {file.path.name}"

    return rule_broken_by


def _described_by(run_file: _RunFile, details: _Entries[VideoDetails]) -> _Rule:
    names = {described.name for described in run_file.classes}

    def rule_broken_by(entry: _VideoEntry) -> str:
        if entry.video_id not in details.good:
            return f"video_id {entry.video_id!r} is not in {RUN_FILE}"
        unknown = [found.name for found in entry.classes if found.name not in names]
        return f"class {unknown[0]!r} is not in {RUN_FILE}" if unknown else ""

    return rule_broken_by


def _once_each(broken: Iterable[LeftOut], names: Mapping[str, str]) -> tuple[LeftOut, ...]:
    """Each video with an invalid entry once, with its name if that is known."""
    found: dict[str, LeftOut] = {}
    for entry in broken:
        name = names.get(entry.video_id) or entry.video_name or entry.video_id or "unknown video"
        found.setdefault(entry.video_id or entry.reason, replace(entry, video_name=name))
    return tuple(found.values())


def _merged(video_id: str, responses: Iterable[_Classes]) -> tuple[ClassScore, ...]:
    """One video's classes from several responses, best first; the later one has the clips."""
    by_name = {found.name: found for each in responses for found in each.good.get(video_id, ())}
    return tuple(sorted(by_name.values(), key=lambda found: (-found.score, found.name)))


def _only(video_ids: Container[str], response: _Classes) -> dict[str, tuple[ClassScore, ...]]:
    return {video_id: found for video_id, found in response.good.items() if video_id in video_ids}
