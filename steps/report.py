"""The report of a run: the content of `run.json`, and the summary that the command prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from steps.console import Console
from steps.job import Job
from steps.status_log import utc_now
from steps.sync import SyncPlan
from store.records import LeftOut

HEADER = ("Video", "Best class", "Score", "Ratio", "Clips")
NO_CLASS = "no class applies"

Json = dict[str, Any]


class Stopwatch:
    """Times a run, from the moment it is created."""

    def __init__(self) -> None:
        self._started_at = utc_now()
        self._begun = time.monotonic()

    def as_json(self) -> Json:
        """Start, end and length of the run until now, as entries of `run.json`."""
        return {
            "started_at": self._started_at,
            "finished_at": utc_now(),
            "elapsed_s": round(time.monotonic() - self._begun, 3),
        }


def describe_run(job: Job, plan: SyncPlan, stopwatch: Stopwatch) -> Json:
    """The content of `run.json`."""
    settings, platform = job.settings, job.platform
    return {
        **job.request.as_json(),
        "index": {"id": job.index_id, "name": settings.index_name},
        "platform": {
            "name": platform.name,
            "url": platform.url,
            "embedded": platform.embedded,
            "models": job.index.models,
            "scores": job.index.scores or platform.scores,
        },
        "videos_dir": str(settings.videos_dir.resolve()),
        "counts": {
            "videos": len(plan.matched) + len(job.left_out()),
            "uploaded": len(job.uploaded),
            "already_indexed": len(plan.matched.keys() - job.uploaded.keys()),
            "refused": len(job.refused),
            "failed": len(job.failed),
            "classified": len(plan.matched),
            "other_videos_in_index": plan.unrelated,
        },
        "refused": _as_json(job.refused),
        "failed": _as_json(job.failed),
        "details": plan.details(),
        **stopwatch.as_json(),
    }


def _as_json(entries: Iterable[LeftOut]) -> list[Json]:
    return [{"video_name": entry.video_name, "reason": entry.reason} for entry in entries]


def print_report(job: Job, plan: SyncPlan, classified: Iterable[Json], report: Json) -> None:
    """Print the summary of a run; `classified` is the `data` of the response with clips."""
    names = plan.names()
    print_summary(job.console, names, classified)
    print_damaged(job.console, names, report["details"])
    print_left_out(job.console.output, job.refused, job.failed)
    print_counts(job.console, report)


def print_summary(console: Console, names: Iterable[Json], classified: Iterable[Json]) -> None:
    """Print a row for every video with its best class."""
    classes = {video["video_id"]: video["classes"] for video in classified}
    rows = [_row(entry["video_name"], classes.get(entry["video_id"], ())) for entry in names]
    console.output_table(HEADER, rows)
    console.output("")


def _row(name: str, classes: Sequence[Json]) -> tuple[str, ...]:
    if not classes:
        return (name, NO_CLASS, "-", "-", "-")
    best = max(classes, key=lambda found: found["score"])
    clips = len(best.get("clips", ()))
    return (name, best["name"], f"{best['score']:.2f}", f"{best['duration_ratio']:.2f}", f"{clips}")


def print_left_out(
    say: Callable[[str], None], refused: Iterable[LeftOut], failed: Iterable[LeftOut]
) -> None:
    """Print every refused and failed file with its reason."""
    for what, entries in (("Refused", refused), ("Failed", failed)):
        for entry in entries:
            say(f"{what} {entry.video_name}: {entry.reason}")


def print_damaged(console: Console, names: Iterable[Json], details: Mapping[str, Json]) -> None:
    """Print every video whose file is damaged, and how."""
    for entry in names:
        if damage := details[entry["video_id"]]["damage"]:
            console.output(f"Damaged {entry['video_name']}: {damage}")


def print_counts(console: Console, report: Json) -> None:
    """Print the counts and the duration of a run in words."""
    counts, index = report["counts"], report["index"]["name"]
    if others := counts["other_videos_in_index"]:
        console.output(
            f"Left out {others} other videos of the index {index!r}: their files are not in this"
            " folder, or have changed"
        )
    console.output(
        f"{counts['classified']} of {counts['videos']} videos classified"
        f" ({counts['uploaded']} uploaded, {counts['already_indexed']} already indexed,"
        f" {counts['refused']} refused, {counts['failed']} failed) in {report['elapsed_s']:.1f} s"
    )
