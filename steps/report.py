"""What a run says when it is done: a table of the videos, what was left out and why, the counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from steps.console import Console
from steps.folder import Refused
from steps.job import Job
from steps.sync import Holdings

HEADER = ("Video", "Best class", "Score", "Ratio", "Clips")
NO_CLASS = "no class applies"

Json = Mapping[str, Any]


def describe_run(job: Job, holdings: Holdings) -> dict[str, Any]:
    """What `run.json` tells of a run besides its times."""
    settings, platform = job.settings, job.platform
    return job.question.as_json() | {
        "index": {"id": job.index_id, "name": settings.index_name},
        "platform": {
            "name": platform.name,
            "url": platform.url,
            "embedded": platform.embedded,
            "models": job.index.get("models") or job.index.get("judged_by") or {},
            "scores": job.index.get("scores") or job.client.scores,
        },
        "videos_dir": str(settings.videos_dir.resolve()),
        "counts": {
            "videos": len(holdings.current) + len(job.left_out()),
            "uploaded": len(job.uploaded),
            "already_indexed": len(holdings.current.keys() - job.uploaded.keys()),
            "refused": len(job.refused),
            "failed": len(job.failed),
            "classified": len(holdings.current),
            "other_videos_in_index": holdings.others,
        },
        "refused": [entry.as_json() for entry in job.refused],
        "failed": [entry.as_json() for entry in job.failed],
        "details": holdings.details(),
    }


def print_summary(console: Console, names: Iterable[Json], classified: Iterable[Json]) -> None:
    """A row for every video with its best class; `classified` is `data` of the clips' answer."""
    classes = {video["video_id"]: video["classes"] for video in classified}
    rows = [_row(entry["video_name"], classes.get(entry["video_id"], ())) for entry in names]
    console.answer_table(HEADER, rows)
    console.answer("")


def _row(name: str, classes: Sequence[Json]) -> tuple[str, ...]:
    if not classes:
        return (name, NO_CLASS, "-", "-", "-")
    best = max(classes, key=lambda found: found["score"])
    clips = len(best.get("clips", ()))
    return (name, best["name"], f"{best['score']:.2f}", f"{best['duration_ratio']:.2f}", f"{clips}")


def print_left_out(
    say: Callable[[str], None], refused: Iterable[Refused], failed: Iterable[Refused]
) -> None:
    """Every refused and failed file with its reason."""
    for what, entries in (("Refused", refused), ("Failed", failed)):
        for entry in entries:
            say(f"{what} {entry}")


def print_damaged(console: Console, names: Iterable[Json], details: Mapping[str, Json]) -> None:
    """Every video whose file is damaged, and in what way."""
    for entry in names:
        if damage := details[entry["video_id"]]["damage"]:
            console.answer(f"Damaged {entry['video_name']}: {damage}")


def print_counts(console: Console, report: Json) -> None:
    """The counts and the time of `run.json` in words."""
    counts, index = report["counts"], report["index"]["name"]
    if others := counts["other_videos_in_index"]:
        console.answer(
            f"Left out {others} other videos of the index {index!r}: this folder does not hold"
            " them, or not as they were indexed"
        )
    console.answer(
        f"{counts['classified']} of {counts['videos']} videos classified"
        f" ({counts['uploaded']} uploaded, {counts['already_indexed']} already indexed,"
        f" {counts['refused']} refused, {counts['failed']} failed) in {report['elapsed_s']:.1f} s"
    )
