"""Labelled videos, the classes to look for in them, and the scoring of results.

A corpus is a folder with `videos/`, `tasks.json` (classes, prompts, true intervals) and `score.py`.
There are four sets of classes for the same videos, each a `TaskSet`: those of tasks.json in its own
wording and in another one (other_wordings.json), and two sets with other boundaries
(finer_classes.json, broader_classes.json), which were worded and labelled without knowledge of the
engine's methods.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
DEFAULT_CORPUS = ROOT.parent / "shared" / "corpus"
KINDS = {"visual": "visual", "conversation": "speech", "text_in_video": "text"}
# An interval shows a class that is there for the first share of it, and does not show one below the
# second share; what is in between does not count.
SHOWN, NOT_SHOWN = 0.5, 0.3

Json = dict[str, Any]
Classes = Mapping[str, Sequence[str]]


class TaskSet(NamedTuple):
    """A set of classes for the videos; `truths` by a file's name without its suffix."""

    tasks: Json
    classes: Classes
    truths: Mapping[str, Json]
    scorer: Any

    def label(self, file: str, name: str, kind: str, span: tuple[float, float]) -> float | None:
        """Whether an interval shows a class by a kind of evidence, or by "all": 1 or 0.

        None if it can be judged either way.
        """
        truth = self.truths[Path(file).stem]

        def share(intervals: Any) -> float:
            inside: float = self.scorer.length(self.scorer.inter([span], intervals))
            return inside / max(span[1] - span[0], 1e-3)

        clips = truth["clips"].get(name, {kind: [], "all": []})
        if share(truth["ign"].get(name, [])) > NOT_SHOWN:
            return None
        if share(clips[kind]) >= SHOWN:
            return 1.0
        return 0.0 if share(clips["all"]) < NOT_SHOWN else None

    def evaluate(self, response: Json) -> Json:
        """The scorer's report on a classification."""
        report: Json = self.scorer.evaluate(self.tasks, response)
        return report


class Counts(NamedTuple):
    """How much of a classification is right; what can be judged either way does not count."""

    classes: int
    right_classes: int
    true_classes: int
    clips: int
    right_clips: int
    videos_of_no_class: int
    of_them_shown_with_one: int


def count(tasks: TaskSet, response: Json, options: Iterable[str] = tuple(KINDS)) -> Counts:
    """Count the classes of a classification, and its clips by these kinds of evidence.

    `response` has a `filename` next to each `video_id`.
    """
    chosen = set(options)
    classes = right_classes = clips = right_clips = wrongly = 0
    for video in response["data"]:
        file = video["filename"]
        truth = tasks.truths[Path(file).stem]
        counted = [each for each in video["classes"] if each["name"] not in truth["ignvid"]]
        wrongly += bool(counted and not truth["labels"])
        classes += len(counted)
        right_classes += sum(each["name"] in truth["labels"] for each in counted)
        for each in counted:
            for clip in each["clips"]:
                label = tasks.label(file, each["name"], "all", (clip["start"], clip["end"]))
                if clip["option"] in chosen and label is not None:
                    clips += 1
                    right_clips += bool(label)
    labels = [truth["labels"] for truth in tasks.truths.values()]
    true_classes, no_class = sum(map(len, labels)), sum(not each for each in labels)
    return Counts(classes, right_classes, true_classes, clips, right_clips, no_class, wrongly)


def load_task_sets(corpus: Path) -> dict[str, TaskSet]:
    """The sets of classes for a corpus, the corpus's own first."""
    scorer = _load_scorer(corpus)
    own = _read(corpus / "tasks.json")
    other = own | {"classes": _read(ROOT / "bench/other_wordings.json")}
    tasks = {
        "own": own,
        "other wording": other,
        "finer classes": _read(ROOT / "bench/finer_classes.json"),
        "broader classes": _read(ROOT / "bench/broader_classes.json"),
    }
    return {
        name: TaskSet(
            each,
            {entry["name"]: entry["prompts"] for entry in each["classes"]},
            scorer.load_truth(each, "all"),
            scorer,
        )
        for name, each in tasks.items()
    }


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print rows as a Markdown table, floats with three decimals."""
    if title:
        print(f"\n{title}\n")
    print("| " + " | ".join(header) + " |")
    print("| --- " + "| ---: " * (len(header) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(map(_cell, row)) + " |", flush=True)
    print()


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _load_scorer(corpus: Path) -> Any:
    spec = importlib.util.spec_from_file_location("score", corpus / "score.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
