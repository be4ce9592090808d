"""How right the classes and clips are on labelled videos, at any threshold and at the defaults.

    python bench/accuracy.py [CORPUS] [--engine-data-dir DIR]

CORPUS, by default the one next to a developer's checkout, is a folder of labelled videos
(bench/labelled.py), which are classified by its own classes. The pipeline runs once for each row of
the tables; the engine indexes the videos in the first run only, or never if --engine-data-dir has
them.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import pipeline
from bench.labelled import (
    DEFAULT_CORPUS,
    KINDS,
    Json,
    TaskSet,
    count,
    load_task_sets,
    print_table,
)
from core.command_line import make_parser
from store.results import read_result

EVERYTHING = ",".join(KINDS)
AT_ANY_THRESHOLD = ("--min-video-score", "0", "--min-clip-score", "0", "--min-duration-ratio", "0")


def predictions(corpus: Path, work: Path, data_dir: Path, options: str, *more: str) -> Json:
    """The pipeline's results for the corpus, with the file names that the scorer needs."""
    command = ["--videos", str(corpus / "videos"), "--classes", str(work / "classes.json")]
    command += ["--results", str(work / "results"), "--engine-data-dir", str(data_dir)]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pipeline.main([*command, "--options", options, *more])
    if code != pipeline.ALL_CLASSIFIED:
        sys.exit(said.getvalue())
    names = {
        entry["video_id"]: entry["video_name"]
        for entry in read_result(work / "results", "video_id_name_list")
    }
    response = read_result(work / "results", "clips_data")["data"]
    return {"data": [each | {"filename": names[each["video_id"]]} for each in response]}


def ranking_rows(reports: Mapping[str, Json]) -> Iterator[Sequence[object]]:
    """A row for each choice of evidence; one kind alone is also scored on its own labels."""
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
    """How much all kinds together find of the labels that each kind can find."""
    for kind, found in report["by_evidence"].items():
        yield kind, found["mAP"], found["mean_F1"], found["mean_tIoU"], found["mean_recall"]


def class_rows(reports: Mapping[str, Json]) -> Iterator[Sequence[object]]:
    """Average precision of every class, by each kind alone and by all together."""
    for name, row in reports[EVERYTHING]["per_class"].items():
        alone = (reports[option]["per_class"][name]["AP"] for option in KINDS)
        yield name, row["positives"], *alone, row["AP"]


def default_rows(tasks: TaskSet, found: Json) -> Iterator[Sequence[object]]:
    """What applies at the default thresholds, and how much of it is right."""
    counts = count(tasks, found)
    yield "classes shown", counts.classes
    yield "of them right (precision)", _share(counts.right_classes, counts.classes)
    yield "of all true classes (recall)", _share(counts.right_classes, counts.true_classes)
    for option, kind in KINDS.items():
        of_kind = count(tasks, found, [option])
        yield f"clips shown, {kind}", of_kind.clips
        yield "of them right", _share(of_kind.right_clips, of_kind.clips)
    yield "clips shown, any kind", counts.clips
    yield "of them right", _share(counts.right_clips, counts.clips)
    yield "videos with no true class", counts.videos_of_no_class
    yield "of them shown with one", counts.of_them_shown_with_one


def _share(some: int, of_all: int) -> float | None:
    return some / of_all if of_all else None


def main() -> None:
    parser = make_parser(__doc__, {})
    parser.add_argument(
        "corpus",
        nargs="?",
        type=Path,
        default=DEFAULT_CORPUS,
        help="folder with videos/, tasks.json and score.py",
    )
    parser.add_argument("--engine-data-dir", type=Path, help="store the evidence in this folder")
    given = parser.parse_args()
    if not (given.corpus / "tasks.json").is_file():
        print(f"Not measured: {given.corpus} is not a corpus of labelled videos")
        return
    tasks = load_task_sets(given.corpus)["own"]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        classes = json.dumps(tasks.tasks["classes"])
        (work / "classes.json").write_text(classes, encoding="utf-8")
        data_dir = given.engine_data_dir or work / "data"
        reports = {
            options: tasks.evaluate(
                predictions(given.corpus, work, data_dir, options, *AT_ANY_THRESHOLD)
            )
            for options in (EVERYTHING, *KINDS)
        }
        at_defaults = predictions(given.corpus, work, data_dir, EVERYTHING)
    print_table(
        ("evidence used", "mAP", "mAP of own kind", "top-1", "clip F1", "clip IoU"),
        ranking_rows(reports),
        "Ranking at any threshold (mAP of own kind: on the labels that this kind can find)",
    )
    print_table(
        ("labels found by", "mAP", "clip F1", "clip IoU", "recall"),
        evidence_rows(reports[EVERYTHING]),
        "All kinds together, by the kind of evidence that can find the labels",
    )
    print_table(
        ("class", "videos", *KINDS.values(), "all together"),
        class_rows(reports),
        "Average precision by class",
    )
    print_table(("what", "figure"), default_rows(tasks, at_defaults), "At the default thresholds")


if __name__ == "__main__":
    main()
