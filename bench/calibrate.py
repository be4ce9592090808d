"""Fits the calibration curves on labelled videos, and prints how far the scores can be trusted.

    python bench/calibrate.py [CORPUS] [--evidence-dir DIR] [--choices]

CORPUS is a folder of labelled videos; bench/labelled.py describes it and the four sets of classes.
The constants printed first belong in engine/models/calibration.py. --evidence-dir stores the
evidence for the next run; --choices also prints the effect of leaving out each rule of scoring.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.labelled import (
    DEFAULT_CORPUS,
    KINDS,
    Classes,
    Counts,
    Json,
    TaskSet,
    count,
    load_task_sets,
    print_table,
)
from core import classification
from core.classification import Thresholds, classify
from core.command_line import make_parser
from engine import media, pooling
from engine.evidence import Evidence, TextSpan, read_evidence, write_evidence
from engine.indexing.extract import build_evidence
from engine.models import attributes, imagenet, text_encoder
from engine.models.calibration import EXPONENT, Calibration
from engine.models.choice import default_models
from engine.models.protocols import Models
from engine.retrieval import prompts as scoring
from engine.retrieval import segments
from engine.retrieval.prompts import PromptSet

BINS = (0.0, 0.1, 0.25, 0.5, 0.65, 0.75, 0.85, 0.95, 1.0)
LENGTHS = {"1-2 words": (1, 2), "3-5 words": (3, 5), "6 and more words": (6, 99)}

Array = npt.NDArray[np.float64]


class Corpus(NamedTuple):
    """The evidence of labelled videos, by file, and the sets of classes to look for."""

    evidence: Mapping[str, Evidence]
    task_sets: Mapping[str, TaskSet]


class Rows(NamedTuple):
    """Pairs of a row of evidence and a class: their similarity, and whether the class is there."""

    similarity: Array
    right: Array
    seconds: Array
    names: npt.NDArray[np.str_]


def load_corpus(folder: Path, models: Models, keep: Path | None) -> Corpus:
    """Read the labels, and extract the evidence or read it from `keep`."""
    task_sets = load_task_sets(folder)
    files = [video["file"] for video in task_sets["own"].tasks["videos"]]
    evidence = {file: _evidence(folder / "videos" / file, models, keep) for file in files}
    return Corpus(evidence, task_sets)


def _evidence(video: Path, models: Models, keep: Path | None) -> Evidence:
    kept = keep / f"{video.stem}.safetensors" if keep else None
    if kept and kept.exists():
        return pooling.prepare(read_evidence(kept), models)
    evidence = build_evidence(video, media.probe(video), models)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_evidence(kept, evidence)
    return evidence


def labelled_rows(
    corpus: Corpus, models: Models, option: str, *, alone: bool, length: tuple[int, int] = (0, 99)
) -> Rows:
    """Every row of one kind of evidence with every class of every task set.

    Each class is scored by all its prompts together or, if `alone`, by each prompt as if it were
    the only one; only prompts with a `length` in words count. A class counts once either way.
    """
    found: list[tuple[float, float, float, str]] = []
    for way, tasks in corpus.task_sets.items():
        judged = _judged(tasks.classes, alone, length)
        prompt_set = PromptSet(
            {key: prompts for key, (_, prompts) in judged.items()}, option, models
        )
        for file, evidence in corpus.evidence.items():
            rows, similarity = prompt_set.similarity(evidence)
            if not similarity.size:
                continue
            spans = [(float(s), float(e)) for s, e in zip(rows.starts, rows.ends, strict=True)]
            names = dict.fromkeys(name for name, _ in judged.values())
            labels = {
                name: [tasks.label(file, name, KINDS[option], span) for span in spans]
                for name in names
            }
            for place, (name, _) in enumerate(judged.values()):
                best = similarity[:, prompt_set.class_of == place].max(axis=1)
                share = 1 / sum(each == name for each, _ in judged.values())
                for (start, end), value, label in zip(spans, best, labels[name], strict=True):
                    if label is not None:
                        seconds = (end - start) * share
                        found.append((float(value), label, seconds, _topic(way, name)))
    values, right, seconds_of, topics = zip(*found, strict=True)
    return Rows(np.array(values), np.array(right), np.array(seconds_of), np.array(topics))


def _judged(
    classes: Classes, alone: bool, length: tuple[int, int]
) -> dict[str, tuple[str, Sequence[str]]]:
    """What is scored as a class of its own: its name and its prompts, by a key."""
    chosen = {
        name: [prompt for prompt in prompts if length[0] <= len(prompt.split()) <= length[1]]
        for name, prompts in classes.items()
    }
    if alone:
        return {
            f"{name}: {prompt}": (name, [prompt])
            for name, prompts in chosen.items()
            for prompt in prompts
        }
    return {name: (name, prompts) for name, prompts in chosen.items() if prompts}


def all_rows(corpus: Corpus, models: Models, option: str) -> Rows:
    """Classes of one prompt and of several, with equal weight, which the curves are fitted to."""
    ways = [labelled_rows(corpus, models, option, alone=alone) for alone in (False, True)]
    return Rows(*(np.concatenate(column) for column in zip(*ways, strict=True)))


def _topic(way: str, name: str) -> str:
    """A class's name, the same in both wordings: curves fitted without it must use neither."""
    return name if way in ("own", "other wording") else f"{name} ({way})"


def fit(rows: Rows) -> Calibration:
    """The maximum-likelihood curve, with rows weighted by their length."""
    powers = np.copysign(np.abs(rows.similarity) ** EXPONENT, rows.similarity)
    weights = rows.seconds / rows.seconds.sum()

    def loss_and_slope(curve: Array) -> tuple[float, Array]:
        log_odds = curve[0] * powers + curve[1]
        loss = weights @ (np.logaddexp(0, log_odds) - rows.right * log_odds)
        wrong = weights * (1 / (1 + np.exp(-log_odds)) - rows.right)
        return float(loss), np.array([wrong @ powers, wrong.sum()])

    slope, offset = minimize(loss_and_slope, x0=[0.5, -4.0], jac=True).x
    return Calibration(float(slope), float(offset), EXPONENT)


def _chances(curve: Calibration, similarity: Array) -> Array:
    return curve.percent(similarity.astype(np.float32)).astype(np.float64) / 100


def reliability(rows: Rows, chances: Array) -> Iterator[Sequence[object]]:
    for low, high in pairwise(BINS):
        inside = (chances >= low) & ((chances < high) | (high == 1.0))
        if inside.any():
            weights = rows.seconds[inside]
            yield (
                f"{100 * low:.0f}-{100 * high:.0f}",
                int(inside.sum()),
                100 * float(np.average(chances[inside], weights=weights)),
                100 * float(np.average(rows.right[inside], weights=weights)),
            )


def predict(
    corpus: Corpus, models: Models, classes: Classes, options: Sequence[str], least: Thresholds
) -> Json:
    """The classification of the corpus, in the form that its scorer takes."""
    prompt_sets = [PromptSet(classes, option, models) for option in options]
    data = []
    for file, evidence in corpus.evidence.items():
        clips: dict[str, list[classification.Clip]] = {name: [] for name in classes}
        for prompt_set in prompt_sets:
            for name, more in prompt_set.clips(evidence, least.min_clip_score).items():
                clips[name] += more
        found = [
            {
                "name": each.name,
                "score": each.score,
                "duration_ratio": each.duration_ratio,
                "clips": [clip.as_json() for clip in each.clips],
            }
            for each in classify(clips, evidence.duration_s, least)
        ]
        data.append({"video_id": file, "filename": file, "classes": found})
    return {"data": data}


def ranking(corpus: Corpus, models: Models, tasks: TaskSet) -> dict[str, Json]:
    """The scorer's reports without thresholds: all kinds together, and each alone."""
    ways = {"all": list(KINDS)} | {kind: [option] for option, kind in KINDS.items()}
    return {
        way: tasks.evaluate(predict(corpus, models, tasks.classes, options, Thresholds(0, 0, 0)))
        for way, options in ways.items()
    }


def summary(reports: Mapping[str, Json]) -> Sequence[float | None]:
    """mAP of all kinds together, and of each alone on the labels that it can find."""
    alone = (reports[kind]["by_evidence"][kind]["mAP"] for kind in KINDS.values())
    return reports["all"]["video_mAP"], *alone


def shown(corpus: Corpus, models: Models, tasks: TaskSet) -> Sequence[object]:
    """What applies at the default thresholds, and how much of it is right; clip F1 and IoU."""
    response = predict(corpus, models, tasks.classes, list(KINDS), Thresholds())
    counts, report = count(tasks, response), tasks.evaluate(response)
    return (
        f"{counts.right_classes} of {counts.classes}",
        f"{counts.right_clips} of {counts.clips}",
        f"{counts.right_classes} of {counts.true_classes}",
        f"{counts.of_them_shown_with_one} of {counts.videos_of_no_class}",
        report["clip_mean_F1"],
        report["clip_mean_tIoU"],
    )


def of_few_prompts(corpus: Corpus, models: Models, number: int) -> Sequence[object]:
    """What is right at the defaults if every class has this many prompts, over all task sets.

    Each run of this many consecutive prompts of a class is used in turn.
    """
    totals = np.zeros(len(Counts._fields), int)
    for tasks in corpus.task_sets.values():
        most = max(map(len, tasks.classes.values()))
        for first in range(most - number + 1):
            classes = {
                name: prompts[first : first + number]
                for name, prompts in tasks.classes.items()
                if len(prompts) >= first + number
            }
            response = predict(corpus, models, classes, list(KINDS), Thresholds())
            totals += count(tasks, response)
    counts = Counts(*totals.tolist())
    return (
        number,
        f"{counts.right_classes} of {counts.classes}",
        f"{counts.right_clips} of {counts.clips}",
    )


def without_neighbours(lines: Sequence[TextSpan]) -> list[str]:
    return [line.text for line in lines]


def own_names_only() -> list[imagenet.Label]:
    return [imagenet.Label(label.words, []) for label in ALL_LABELS]


def without_words(place: int) -> tuple[tuple[str, ...], ...]:
    """The words of the attributes, but none for this one, so that no prompt uses it."""
    return tuple(("",) if at == place else words for at, words in enumerate(attributes.WORDS))


def across_scenes(evidence: Evidence) -> pooling.Windows:
    return CUT(replace(evidence, scene_starts=np.zeros(0, np.float32)))


ALL_LABELS, CUT = imagenet.read_labels(), pooling.cut_windows
ATTRIBUTES = ("graphics on dark", "graphics on light", "black and white", "face")
# What is left out, as (object, attribute, replacement).
CHOICES: dict[str, Sequence[tuple[object, str, object]]] = {
    "as it is": (),
    "labels by their own names only": ((imagenet, "read_labels", own_names_only),),
    "posterior as the network gives it": ((imagenet, "TEMPERATURE", 1.0),),
    "labels count from a z-score of 0": ((imagenet, "MIN_LABEL", 0.0),),
    "labels count from a z-score of 2": ((imagenet, "MIN_LABEL", 2.0),),
    "no attributes": ((imagenet, "MAX_ATTRIBUTE", 0.0),),
    **{
        f"no attribute: {name}": ((imagenet, "WORDS", without_words(place)),)
        for place, name in enumerate(ATTRIBUTES)
    },
    "windows of one frame": ((pooling, "WINDOW_S", 0.01),),
    "windows of 10 seconds": ((pooling, "WINDOW_S", 10.0),),
    "windows that span scenes": ((pooling, "cut_windows", across_scenes),),
    "no hysteresis": ((segments, "BANDS", ((65.0, 65.0), (35.0, 35.0))),),
    "clips of any length": ((scoring, "MIN_CLIP_S", 0.0),),
    "class means without a zero prompt": ((segments, "ZERO_PROMPTS", 0.0),),
    "frames: prompts scored alone": ((imagenet.ImageNetEncoder, "agreement", 0.0),),
    "texts: prompts scored alone": ((scoring, "TEXT_AGREEMENT", 0.0),),
    "lines read without neighbours": ((pooling, "with_neighbours", without_neighbours),),
    "words looked up as they are": ((text_encoder, "_known_form", lambda word, tokenizer: word),),
    "every second has the weight of the best": (
        (classification, "sustained_ratio", classification.duration_ratio),
    ),
    "curves with exponent 1": ((sys.modules[__name__], "EXPONENT", 1.0),),
}


def choice_rows(corpus: Corpus) -> Iterator[Sequence[object]]:
    """Results without each choice, averaged over the task sets.

    Each has its own curves, fitted in the same way as those in use.
    """
    for name, changes in CHOICES.items():
        with ExitStack() as stack:
            for where, attribute, value in changes:
                stack.enter_context(patch.object(where, attribute, value))
            models = default_models(threads=2)
            made = {file: pooling.prepare(each, models) for file, each in corpus.evidence.items()}
            changed = corpus._replace(evidence=made)
            rows = {option: all_rows(changed, models, option) for option in KINDS}
            curves = {option: fit(found) for option, found in rows.items()}
            stack.enter_context(
                patch.object(imagenet.ImageNetEncoder, "calibration", curves["visual"])
            )
            stack.enter_context(patch.object(scoring, "CALIBRATIONS", curves))
            by_way = [
                (
                    *summary(ranking(changed, models, tasks)),
                    *shown(changed, models, tasks)[-2:],
                )
                for tasks in corpus.task_sets.values()
            ]
            means = (float(np.mean(column)) for column in zip(*by_way, strict=True))
            yield name, *means, *(loss(rows[option], curves[option]) for option in KINDS)


def loss(rows: Rows, curve: Calibration) -> float:
    """The log loss of a curve, in bits a row; less is better."""
    chances = np.clip(_chances(curve, rows.similarity), 1e-9, 1 - 1e-9)
    likely = np.where(rows.right > 0, chances, 1 - chances)
    return float(-np.average(np.log2(likely), weights=rows.seconds))


def print_calibration(corpus: Corpus, models: Models) -> None:
    print("For engine/models/calibration.py:\n")
    fitted_on = {option: all_rows(corpus, models, option) for option in KINDS}
    for option, rows in fitted_on.items():
        curve = fit(rows)
        print(f"{option.upper()} = Calibration({curve.slope:.2f}, {curve.offset:.2f})")
    for option, kind in KINDS.items():
        together = labelled_rows(corpus, models, option, alone=False)
        print_reliability(fitted_on[option], together, f"{kind}, all prompts of a class together")
    for option, kind in KINDS.items():
        for words, length in LENGTHS.items():
            rows = labelled_rows(corpus, models, option, alone=True, length=length)
            print_reliability(fitted_on[option], rows, f"{kind}, one prompt alone of {words}")


def print_reliability(fitted_on: Rows, rows: Rows, what: str) -> None:
    print_table(
        ("score", "rows", "mean score", "of them right, %"),
        reliability(rows, chances_without(fitted_on, rows)),
        f"Reliability of {what}; each class by a curve fitted without it",
    )


def chances_without(fitted_on: Rows, rows: Rows) -> Array:
    """Each class of `rows`, scored by a curve fitted on the other classes of `fitted_on`."""
    chances = np.zeros(len(rows.right))
    for name in np.unique(rows.names):
        others = fitted_on.names != name
        curve = fit(Rows(*(column[others] for column in fitted_on)))
        own = rows.names == name
        chances[own] = _chances(curve, rows.similarity[own])
    return chances


def print_ranking(corpus: Corpus, models: Models) -> None:
    reports = {way: ranking(corpus, models, tasks) for way, tasks in corpus.task_sets.items()}
    print_table(
        ("task set", "all", *KINDS.values()),
        ((way, *summary(report)) for way, report in reports.items()),
        "Mean average precision: all kinds, and each alone on the labels that it can find",
    )
    for way, report in reports.items():
        print_table(
            ("class", "videos", *report),
            (
                (
                    name,
                    row["positives"],
                    *(each["per_class"][name]["AP"] for each in report.values()),
                )
                for name, row in report["all"]["per_class"].items()
                if row["positives"]
            ),
            f"Average precision by class, {way}: all kinds, and each alone",
        )
    print_table(
        (
            "task set",
            "classes that apply: right",
            "clips: right",
            "true classes found",
            "videos of no class with one",
            "clip F1",
            "clip IoU",
        ),
        ((way, *shown(corpus, models, tasks)) for way, tasks in corpus.task_sets.items()),
        "Right at the default thresholds",
    )
    print_table(
        ("prompts of a class", "classes that apply: right", "clips: right"),
        (of_few_prompts(corpus, models, number) for number in (1, 2, 3)),
        "The same by the number of prompts of a class, over all task sets",
    )


def main() -> None:
    """Print everything."""
    parser = make_parser(__doc__, {})
    parser.add_argument("corpus", nargs="?", type=Path, default=DEFAULT_CORPUS)
    parser.add_argument("--evidence-dir", type=Path, help="store the evidence in this folder")
    parser.add_argument("--choices", action="store_true", help="print the effect of each rule")
    given = parser.parse_args()
    if not (given.corpus / "tasks.json").is_file():
        print(f"Not measured: {given.corpus} is not a corpus of labelled videos")
        return
    models = default_models(threads=2)
    corpus = load_corpus(given.corpus, models, given.evidence_dir)
    print_calibration(corpus, models)
    print_ranking(corpus, models)
    if given.choices:
        print_table(
            (
                "left out",
                *("all", *KINDS.values(), "clip F1", "clip IoU"),
                *(f"bits, {kind}" for kind in KINDS.values()),
            ),
            choice_rows(corpus),
            "The effect of each rule: mAP as above, clips at the defaults, log loss in bits a row",
        )


if __name__ == "__main__":
    main()
