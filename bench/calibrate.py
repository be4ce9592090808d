"""Fits the chance that evidence is right on labelled videos, and prints how far it can be trusted.

    python bench/calibrate.py [CORPUS] [--evidence-dir DIR] [--choices]

CORPUS is a folder with `videos/`, `tasks.json` (classes, prompts, true intervals) and `score.py`.
Each class is asked for by its own prompts and by those of bench/other_wordings.json. The constants
printed first belong into engine/models/calibration.py. --evidence-dir keeps the evidence for the
next run; --choices prints also what the rules of scoring bring, each left out in turn.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent.parent))

import classification
from classification import Thresholds, classify
from engine import media, moments, scoring
from engine.evidence import Evidence, read_evidence, write_evidence
from engine.gathering import build_evidence
from engine.models import Models, calibration, default_models, imagenet, text_encoder
from engine.models.calibration import percent
from engine.scoring import Question

ROOT = Path(__file__).parent.parent
OPTIONS = {"visual": "visual", "conversation": "speech", "text_in_video": "text"}
CURVES = {
    "visual": calibration.VISUAL,
    "conversation": calibration.CONVERSATION,
    "text_in_video": calibration.TEXT_IN_VIDEO,
}
# A row of evidence shows a class when that holds for this share of it, and does not below the
# second; what lies between is not counted.
SHOWN, NOT_SHOWN = 0.5, 0.3
BINS = (0.0, 0.1, 0.25, 0.5, 0.65, 0.75, 0.85, 0.95, 1.0)
LENGTHS = {"1-2 words": (1, 2), "3-5 words": (3, 5), "6 words and more": (6, 99)}

Json = dict[str, Any]
Array = npt.NDArray[np.float64]
Classes = Mapping[str, Sequence[str]]


class Corpus(NamedTuple):
    """Labelled videos and what the engine gathered from them."""

    tasks: Json
    scorer: Any
    truths: Mapping[str, Json]
    evidence: Mapping[str, Evidence]
    wordings: Mapping[str, Classes]


class Rows(NamedTuple):
    """Rows of evidence, one for each class: how far they stand out, and whether they are right."""

    standing_out: Array
    right: Array
    seconds: Array
    names: npt.NDArray[np.str_]


def load_corpus(folder: Path, models: Models, keep: Path | None) -> Corpus:
    """Read the labels and gather the evidence, or read it where `keep` has it."""
    spec = importlib.util.spec_from_file_location("score", folder / "score.py")
    assert spec
    assert spec.loader
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    wordings = {
        "own": tasks["classes"],
        "other": json.loads((ROOT / "bench/other_wordings.json").read_text(encoding="utf-8")),
    }
    return Corpus(
        tasks,
        scorer,
        scorer.load_truth(tasks, "all"),
        {
            video["file"]: _evidence(folder / "videos" / video["file"], models, keep)
            for video in tasks["videos"]
        },
        {
            wording: {entry["name"]: entry["prompts"] for entry in entries}
            for wording, entries in wordings.items()
        },
    )


def _evidence(video: Path, models: Models, keep: Path | None) -> Evidence:
    kept = keep / f"{video.stem}.safetensors" if keep else None
    if kept and kept.exists():
        return moments.ready(read_evidence(kept), models)
    evidence = build_evidence(video, media.probe(video), models)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_evidence(kept, evidence)
    return evidence


def labelled_rows(corpus: Corpus, models: Models, option: str, classes: Classes) -> Rows:
    """Every row of one kind of evidence against every class."""
    question = Question(classes, option, models)
    found: list[tuple[float, float, float, str]] = []
    for file, evidence in corpus.evidence.items():
        rows = question.logits(evidence)
        if not rows.logits.size:
            continue
        standing_out = (rows.logits - CURVES[option].offset) / CURVES[option].slope
        truth = corpus.truths[Path(file).stem]
        for place, name in enumerate(classes):
            best = standing_out[:, question.class_of == place].max(axis=1)
            for start, end, value in zip(rows.starts, rows.ends, best, strict=True):
                label = _label(corpus.scorer, truth, name, OPTIONS[option], (start, end))
                if label is not None:
                    found.append((float(value), label, float(end - start), name))
    values, right, seconds, names = zip(*found, strict=True)
    return Rows(np.array(values), np.array(right), np.array(seconds), np.array(names))


def _label(
    scorer: Any, truth: Json, name: str, kind: str, span: tuple[float, float]
) -> float | None:
    def share(intervals: Any) -> float:
        inside: float = scorer.length(scorer.inter([span], intervals))
        return inside / max(span[1] - span[0], 1e-3)

    clips = truth["clips"].get(name, {kind: [], "all": []})
    if share(truth["ign"].get(name, [])) > NOT_SHOWN:
        return None
    if share(clips[kind]) >= SHOWN:
        return 1.0
    return 0.0 if share(clips["all"]) < NOT_SHOWN else None


def joined(parts: Sequence[Rows]) -> Rows:
    return Rows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def fit(rows: Rows) -> tuple[float, float]:
    """Slope and offset of the likeliest logistic curve, rows weighted by their length (Newton)."""
    design = np.stack([rows.standing_out, np.ones(len(rows.right))], axis=1)
    weights = rows.seconds / rows.seconds.mean()
    curve = np.array([1.0, -3.0])
    for _ in range(50):
        chances = 1 / (1 + np.exp(-design @ curve))
        slope = design.T @ (weights * (chances - rows.right))
        bend = (design * (weights * chances * (1 - chances))[:, None]).T @ design
        curve -= np.linalg.solve(bend, slope)
    return float(curve[0]), float(curve[1])


def left_out_chances(rows: Rows) -> Array:
    """Each class judged by a curve that was fitted without it."""
    chances = np.zeros(len(rows.right))
    for name in np.unique(rows.names):
        own = rows.names == name
        slope, offset = fit(Rows(*(column[~own] for column in rows)))
        chances[own] = 1 / (1 + np.exp(-(slope * rows.standing_out[own] + offset)))
    return chances


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


def of_length(classes: Classes, fewest: int, most: int) -> dict[str, list[str]]:
    """The classes with only their prompts of so many words."""
    chosen = {
        name: [prompt for prompt in prompts if fewest <= len(prompt.split()) <= most]
        for name, prompts in classes.items()
    }
    return {name: prompts for name, prompts in chosen.items() if prompts}


def predict(
    corpus: Corpus, models: Models, classes: Classes, options: Sequence[str], least: Thresholds
) -> Json:
    """What classification answers for the corpus, as its scorer wants it."""
    questions = [Question(classes, option, models) for option in options]
    data = []
    for file, evidence in corpus.evidence.items():
        clips: dict[str, list[classification.Clip]] = {name: [] for name in classes}
        for question in questions:
            for name, more in question.clips(evidence, least.min_clip_score).items():
                clips[name] += more
        found = [
            {
                "name": each.name,
                "score": each.score,
                "duration_ratio": each.duration_ratio,
                "clips": [clip._asdict() for clip in each.clips],
            }
            for each in classify(clips, evidence.duration_s, least)
        ]
        data.append({"video_id": file, "filename": file, "classes": found})
    return {"data": data}


def ranking(corpus: Corpus, models: Models, classes: Classes) -> dict[str, Json]:
    """The scorer's reports with everything let in: all kinds together, and each alone."""
    least = Thresholds(0, 0, 0)
    ways = {"all": list(OPTIONS)} | {kind: [option] for option, kind in OPTIONS.items()}
    return {
        way: corpus.scorer.evaluate(corpus.tasks, predict(corpus, models, classes, options, least))
        for way, options in ways.items()
    }


def shown(corpus: Corpus, models: Models, classes: Classes) -> Sequence[object]:
    """At the defaults: classes, clips, true classes, and videos that no class applies to."""
    right = given = right_clips = given_clips = wrongly = 0
    answer = predict(corpus, models, classes, list(OPTIONS), Thresholds())
    for video in answer["data"]:
        truth = corpus.truths[Path(video["filename"]).stem]
        counted = [each for each in video["classes"] if each["name"] not in truth["ignvid"]]
        wrongly += bool(counted and not truth["labels"])
        for each in counted:
            name = each["name"]
            given += 1
            right += name in truth["labels"]
            for clip in each["clips"]:
                span = (clip["start"], clip["end"])
                kind = OPTIONS[clip["option"]]
                label = _label(corpus.scorer, truth, name, kind, span)
                other = _label(corpus.scorer, truth, name, "all", span)
                if other is not None:
                    given_clips += 1
                    right_clips += bool(label or other)
    wanted = sum(len(truth["labels"]) for truth in corpus.truths.values())
    without = sum(not truth["labels"] for truth in corpus.truths.values())
    return (
        f"{right} of {given}",
        f"{right_clips} of {given_clips}",
        f"{right} of {wanted}",
        f"{wrongly} of {without}",
    )


def summary(corpus: Corpus, models: Models, classes: Classes) -> Sequence[object]:
    """mAP of all kinds together, and of each kind alone on the truth that it carries."""
    reports = ranking(corpus, models, classes)
    alone = (reports[kind]["by_evidence"][kind]["mAP"] for kind in OPTIONS.values())
    return reports["all"]["video_mAP"], *alone


def without_neighbours(lines: Sequence[Any]) -> list[str]:
    return [line.text for line in lines]


def own_names_only() -> list[imagenet.Label]:
    return [imagenet.Label(label.words, []) for label in ALL_LABELS]


ALL_LABELS = imagenet.read_labels()
# What is left out, as (object, attribute, what stands in its place).
CHOICES: dict[str, Sequence[tuple[object, str, object]]] = {
    "as it is": (),
    "labels by their own names only": ((imagenet, "read_labels", own_names_only),),
    "posterior as the network gives it": ((imagenet, "TEMPERATURE", 1.0),),
    "labels speak from 0 deviations on": ((imagenet, "LEAST_LABEL", 0.0),),
    "labels speak from 2 deviations on": ((imagenet, "LEAST_LABEL", 2.0),),
    "no attributes": ((imagenet, "MOST_ATTRIBUTE", 0.0),),
    "moments of one frame": ((moments, "MOMENT_S", 0.01),),
    "moments of 10 seconds": ((moments, "MOMENT_S", 10.0),),
    "pictures: prompts judged alone": ((imagenet.ImageNetEncoder, "agreement", 0.0),),
    "texts: prompts judged alone": ((scoring, "AGREEMENT", 0.0),),
    "lines read without neighbours": ((moments, "windows", without_neighbours),),
    "words looked up as they are": ((text_encoder, "_known_form", lambda word, tokenizer: word),),
    "every moment weighs like the best": (
        (classification, "sustained_ratio", classification.duration_ratio),
    ),
}


def choice_rows(corpus: Corpus) -> Iterator[Sequence[object]]:
    """What is reached with each choice left out, over both wordings."""
    for name, changes in CHOICES.items():
        with ExitStack() as stack:
            for where, attribute, value in changes:
                stack.enter_context(patch.object(where, attribute, value))
            models = default_models(threads=2)
            made = {file: moments.ready(each, models) for file, each in corpus.evidence.items()}
            changed = corpus._replace(evidence=made)
            both = [summary(changed, models, classes) for classes in corpus.wordings.values()]
            losses = (_loss(changed, models, option) for option in OPTIONS)
            yield name, *(float(np.mean(column)) for column in zip(*both, strict=True)), *losses


def _loss(corpus: Corpus, models: Models, option: str) -> float:
    """How unlikely the labels are by a curve of their own, in bits a row; less is better."""
    rows = joined(
        [labelled_rows(corpus, models, option, each) for each in corpus.wordings.values()]
    )
    slope, offset = fit(rows)
    chances = np.clip(1 / (1 + np.exp(-(slope * rows.standing_out + offset))), 1e-9, 1 - 1e-9)
    likely = np.where(rows.right > 0, chances, 1 - chances)
    return float(-np.average(np.log2(likely), weights=rows.seconds))


def print_table(title: str, header: Sequence[str], rows: Iterator[Sequence[object]]) -> None:
    print(f"\n{title}\n")
    print("| " + " | ".join(header) + " |")
    print("| --- " + "| ---: " * (len(header) - 1) + "|")
    for row in rows:
        cells = (f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row)
        print("| " + " | ".join("-" if cell == "None" else cell for cell in cells) + " |")


def print_calibration(corpus: Corpus, models: Models) -> None:
    print("For engine/models/calibration.py:\n")
    parts = {
        option: {
            wording: labelled_rows(corpus, models, option, classes)
            for wording, classes in corpus.wordings.items()
        }
        for option in OPTIONS
    }
    for option, by_wording in parts.items():
        slope, offset = fit(joined(list(by_wording.values())))
        print(f"{option.upper()} = Calibration({slope:.2f}, {offset:.2f})")
    header = ("score", "rows", "mean score", "of them right, %")
    for option, by_wording in parts.items():
        rows = joined(list(by_wording.values()))
        title = f"Reliability of {OPTIONS[option]}, each class by a curve fitted without it"
        print_table(title, header, reliability(rows, left_out_chances(rows)))
    for length, (fewest, most) in LENGTHS.items():
        chosen = [
            (option, labelled_rows(corpus, models, option, of_length(classes, fewest, most)))
            for classes in corpus.wordings.values()
            for option in OPTIONS
        ]
        chances = np.concatenate([in_force(option, rows) for option, rows in chosen])
        title = f"Reliability of the curves in force, prompts of {length} only, all kinds"
        print_table(title, header, reliability(joined([rows for _, rows in chosen]), chances))


def in_force(option: str, rows: Rows) -> Array:
    """Chances by the curve that the engine uses."""
    logits = CURVES[option].logits(rows.standing_out.astype(np.float32))
    return percent(logits).astype(np.float64) / 100


def print_ranking(corpus: Corpus, models: Models) -> None:
    reports = {
        wording: ranking(corpus, models, classes) for wording, classes in corpus.wordings.items()
    }
    print_table(
        "Mean average precision: all kinds, and each alone on the truth that it carries",
        ("wording", "all", *OPTIONS.values()),
        ((wording, *summary(corpus, models, corpus.wordings[wording])) for wording in reports),
    )
    for wording, by_way in reports.items():
        print_table(
            f"Average precision by class, {wording} wording: all kinds, and each alone",
            ("class", "videos", *by_way),
            (
                (name, row["positives"], *(way["per_class"][name]["AP"] for way in by_way.values()))
                for name, row in by_way["all"]["per_class"].items()
            ),
        )
    print_table(
        "Right at the default thresholds",
        (
            "wording",
            "right of classes shown",
            "right of clips shown",
            "found of true classes",
            "videos of no class shown with one",
        ),
        (
            (wording, *shown(corpus, models, classes))
            for wording, classes in corpus.wordings.items()
        ),
    )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("corpus", nargs="?", type=Path, default=ROOT / "../shared/corpus")
    parser.add_argument("--evidence-dir", type=Path, help="keep the evidence in this folder")
    parser.add_argument("--choices", action="store_true", help="print what each rule brings")
    given = parser.parse_args()
    if not (given.corpus / "tasks.json").is_file():
        print(f"Not measured: {given.corpus} is no corpus of labelled videos")
        return
    models = default_models(threads=2)
    corpus = load_corpus(given.corpus, models, given.evidence_dir)
    print_calibration(corpus, models)
    print_ranking(corpus, models)
    if given.choices:
        print_table(
            "What each rule brings: mAP as above, mean of both wordings; then bits lost a row",
            ("left out", "all", *OPTIONS.values(), *(f"bits, {k}" for k in OPTIONS.values())),
            choice_rows(corpus),
        )


if __name__ == "__main__":
    main()
