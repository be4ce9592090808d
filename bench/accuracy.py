"""How right the classes and clips are on labelled videos, at any threshold and at the defaults.

    python bench/accuracy.py [CORPUS] [--engine-data-dir DIR]

CORPUS, by default the one beside a developer's checkout, is a folder with `videos/`, `tasks.json`
(classes, prompts, true intervals) and `score.py`, the corpus's own scorer. The pipeline runs once
for each way of judging; the engine indexes the videos in the first run only, and with
--engine-data-dir not even then if it did before.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import pipeline
from classification import union
from results import read_result

KINDS = {"visual": "visual", "conversation": "speech", "text_in_video": "text"}
EVERYTHING = ",".join(KINDS)
AT_ANY_THRESHOLD = ("--min-video-score", "0", "--min-clip-score", "0", "--min-duration-ratio", "0")
# A shown clip is right when at least this share of its time belongs to its class.
RIGHT_SHARE = 0.5

Json = dict[str, Any]


def load_scorer(corpus: Path) -> Any:
    """The corpus's own scorer, as a module."""
    spec = importlib.util.spec_from_file_location("score", corpus / "score.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def predictions(corpus: Path, work: Path, data_dir: Path, options: str, *more: str) -> Json:
    """What the pipeline answers for the corpus, with the file names that the scorer asks for."""
    command = ["--videos", str(corpus / "videos"), "--classes", str(work / "classes.json")]
    command += ["--results", str(work / "results"), "--engine-data-dir", str(data_dir)]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pipeline.main([*command, "--options", options, *more])
    if code == pipeline.NOTHING_DONE:
        sys.exit(said.getvalue())
    names = {
        entry["video_id"]: entry["video_name"]
        for entry in read_result(work / "results", "video_id_name_list")
    }
    answer = read_result(work / "results", "clips_data")["data"]
    return {"data": [each | {"filename": names[each["video_id"]]} for each in answer]}


def print_table(header: Sequence[str], rows: Iterator[Sequence[object]]) -> None:
    print("| " + " | ".join(header) + " |")
    print("| --- " + "| ---: " * (len(header) - 1) + "|")
    for row in rows:
        cells = ("-" if cell is None else cell for cell in row)
        print(
            "| " + " | ".join(f"{c:.3f}" if isinstance(c, float) else f"{c}" for c in cells) + " |"
        )
    print()


def ranking_rows(reports: Mapping[str, Json]) -> Iterator[Sequence[object]]:
    """A row for each way of judging; a kind alone is held to the truth that this kind carries."""
    for name, report in reports.items():
        kind = KINDS.get(name)
        own = report["by_evidence"][kind]["mAP"] if kind else None
        yield (
            kind or "all together",
            report["video_mAP"],
            own,
            report["top1"]["accuracy"],
            report["clip_mean_F1"],
            report["clip_mean_tIoU"],
        )


def evidence_rows(report: Json) -> Iterator[Sequence[object]]:
    """How much of each kind's truth all kinds together find."""
    for kind, found in report["by_evidence"].items():
        yield kind, found["mAP"], found["mean_F1"], found["mean_tIoU"], found["mean_recall"]


def class_rows(reports: Mapping[str, Json]) -> Iterator[Sequence[object]]:
    """Average precision of every class, by each kind alone and by all together."""
    for name, row in reports[EVERYTHING]["per_class"].items():
        alone = (reports[option]["per_class"][name]["AP"] for option in KINDS)
        yield name, row["positives"], *alone, row["AP"]


def true_time(truth: Json, name: str) -> list[tuple[float, float]]:
    """Where a class truly is, together with where a fair judge could go either way."""
    labelled = truth["clip_labels"].get(name, []) + truth["ignore"].get(name, [])
    return union((each["start"], each["end"]) for each in labelled)


def is_right(clip: Json, truth: list[tuple[float, float]]) -> bool:
    inside = sum(max(min(clip["end"], e) - max(clip["start"], s), 0.0) for s, e in truth)
    length: float = clip["end"] - clip["start"]
    return bool(inside >= RIGHT_SHARE * length)


def default_rows(tasks: Json, found: Json) -> Iterator[Sequence[object]]:
    """What is shown at the default thresholds, and how much of it is right."""
    truths = {video["file"]: video for video in tasks["videos"]}
    shown = [(truths[v["filename"]], c) for v in found["data"] for c in v["classes"]]
    right = sum(
        c["name"] in truth["video_labels"] or c["name"] in truth["ignore"] for truth, c in shown
    )
    labels = sum(len(video["video_labels"]) for video in tasks["videos"])
    yield "classes shown", len(shown)
    yield "of them right (precision)", right / len(shown) if shown else None
    yield "of all true classes (recall)", right / labels
    for option, kind in (*KINDS.items(), ("", "any kind")):
        clips = [
            is_right(clip, true_time(truth, c["name"]))
            for truth, c in shown
            for clip in c["clips"]
            if option in (clip["option"], "")
        ]
        yield f"clips shown, {kind}", len(clips)
        yield "of them right", sum(clips) / len(clips) if clips else None
    none_true = {name for name, truth in truths.items() if not truth["video_labels"]}
    wrongly = none_true & {v["filename"] for v in found["data"]}
    yield "videos with no true class", len(none_true)
    yield "of them shown with one", len(wrongly)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "corpus",
        nargs="?",
        type=Path,
        default=Path("../shared/corpus"),
        help="folder with videos/, tasks.json and score.py",
    )
    parser.add_argument("--engine-data-dir", type=Path, help="keep the evidence in this folder")
    given = parser.parse_args()
    if not (given.corpus / "tasks.json").is_file():
        print(f"Not measured: {given.corpus} is no corpus of labelled videos")
        return
    tasks = json.loads((given.corpus / "tasks.json").read_text(encoding="utf-8"))
    scorer = load_scorer(given.corpus)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "classes.json").write_text(json.dumps(tasks["classes"]), encoding="utf-8")
        data_dir = given.engine_data_dir or work / "data"
        reports = {
            options: scorer.evaluate(
                tasks, predictions(given.corpus, work, data_dir, options, *AT_ANY_THRESHOLD)
            )
            for options in (EVERYTHING, *KINDS)
        }
        at_defaults = predictions(given.corpus, work, data_dir, EVERYTHING)
    print("Ranking at any threshold (mAP of own kind: truth that this kind alone carries)\n")
    header = ("evidence used", "mAP", "mAP of own kind", "top-1", "clip F1", "clip IoU")
    print_table(header, ranking_rows(reports))
    print("All kinds together, by the kind of evidence that carries the truth\n")
    print_table(
        ("truth carried by", "mAP", "clip F1", "clip IoU", "recall"),
        evidence_rows(reports[EVERYTHING]),
    )
    print("Average precision by class\n")
    print_table(("class", "videos", *KINDS.values(), "all together"), class_rows(reports))
    print("At the default thresholds\n")
    print_table(("what", "figure"), default_rows(tasks, at_defaults))


if __name__ == "__main__":
    main()
