"""Results folders for tests of the page, and the page as a server of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from store import results
from tests.support.paths import ROOT


def clip(
    start: float, end: float, prompt: str, score: float = 90, option: str = "visual"
) -> dict[str, Any]:
    """A clip as the platform answers it."""
    return {"start": start, "end": end, "score": score, "option": option, "prompt": prompt}


def found(name: str, *clips: dict[str, Any], score: float = 91, ratio: float = 0.8) -> Any:
    """A class that applies, as the platform answers it."""
    return {"name": name, "score": score, "duration_ratio": ratio, "clips": list(clips)}


def write_run(
    folder: Path,
    videos_dir: Path,
    videos: Mapping[str, Sequence[Any]],
    *,
    all_clips: Mapping[str, Sequence[Any]] | None = None,
    durations: Mapping[str, float] | None = None,
    fps: float = 25.0,
    **changes: Any,
) -> Path:
    """Write the results of a run that found these classes in these videos.

    `all_clips` are those at thresholds of 0, by name as `videos`, for videos that have `durations`.
    """
    ids = {name: f"id{place}" for place, name in enumerate(videos)}
    answer = [
        {"video_id": ids[name], "classes": list(classes)}
        for name, classes in videos.items()
        if classes
    ]
    everything = [
        {"video_id": ids[name], "classes": list(classes)}
        for name, classes in (all_clips or {}).items()
    ]
    prompts: dict[str, dict[str, None]] = {}  # the inner ones are sets that keep their order
    for video in [*answer, *everything]:
        for judged in video["classes"]:
            known = prompts.setdefault(judged["name"], {})
            known.update(dict.fromkeys(each["prompt"] for each in judged["clips"]))
    run = {
        "classes": [{"name": name, "prompts": list(words)} for name, words in prompts.items()],
        "options": ["visual", "conversation", "text_in_video"],
        "conversation_option": "semantic",
        "thresholds": {"min_video_score": 75, "min_clip_score": 65, "min_duration_ratio": 0.5},
        "index": {"id": "64f0", "name": "mine"},
        "platform": {
            "name": "Embedded engine",
            "url": "http://127.0.0.1:1/v1.2",
            "embedded": True,
            "models": {"visual": "net-1"},
        },
        "videos_dir": str(videos_dir),
        "counts": {"videos": len(videos), "uploaded": len(videos), "already_indexed": 0},
        "refused": [],
        "failed": [],
        "started_at": "2026-01-02T03:04:05Z",
        "finished_at": "2026-01-02T03:05:17Z",
        "elapsed_s": 72.4,
        "details": {
            ids[name]: {"duration_s": seconds, "fps": fps}
            for name, seconds in (durations or {}).items()
        },
        **changes,
    }
    names = [{"video_id": ids[name], "video_name": name} for name in videos]
    data = {"data": answer}
    written = {"video_id_name_list": names, "duration_data": data, "clips_data": data}
    if all_clips is not None:
        written["all_clips"] = {"data": everything}
    results.write_results(folder, written, run)
    return folder


@contextmanager
def served(results_dir: Path, *options: str) -> Iterator[str]:
    """Run `python app.py` on a free port and give its address, without a slash at the end.

    It runs in the results folder, so that no `.env` of a developer is read.
    """
    command = [sys.executable, str(ROOT / "app.py"), "--results", str(results_dir), "--port", "0"]
    process = subprocess.Popen(
        [*command, *options], cwd=results_dir, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Results at http://"), line
            yield line.split()[2].rstrip("/")
        finally:
            process.terminate()
