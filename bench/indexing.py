"""How long the engine takes to gather the evidence of videos, and what it spends the time on.

    python bench/indexing.py [DIR]

Videos go one after another with the default models, loaded before the clock starts. "Decoding" is
measured beside it, by a bare pass over the same sampled frames and sound.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from engine.gathering import STEP_S, build_evidence
from engine.media import decode, probe
from engine.models import Models, default_models
from preflight import find_videos

COLUMNS = ("decoding", "picture", "speech", "text", "everything")


class Stopwatch:
    """Adds up the seconds spent in calls, by name."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.seconds[name] += time.perf_counter() - start

        return measured


def watch(models: Models, watch: Stopwatch) -> None:
    """Put the stopwatch around what makes each kind of evidence."""
    for name, model, method in (
        ("picture", models.visual, "encode_frames"),
        ("speech", models.speech, "transcribe"),
        ("text", models.reader, "read"),
    ):
        setattr(model, method, watch.timed(name, getattr(model, method)))


def warm_up(models: Models) -> None:
    picture = np.zeros((360, 640, 3), np.uint8)
    models.visual.encode_frames([picture])
    models.reader.read(picture)
    models.speech.transcribe(np.zeros(16_000, np.float32))


def bare_pass(path: Path, audio: bool) -> None:
    for _ in decode(path, step_s=STEP_S, audio=audio):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("classify"), metavar="DIR")
    folder = parser.parse_args().folder
    videos, _ = find_videos(folder)
    if not videos:
        sys.exit(f"{folder} holds no video: run python samples.py, or name a folder")
    models = default_models(threads=os.cpu_count() or 1)
    warm_up(models)
    total: defaultdict[str, float] = defaultdict(float)
    print(f"{len(videos)} videos of {folder}, {os.cpu_count()} processors,", end=" ")
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}; seconds\n"
    )
    print("| video | length | " + " | ".join(COLUMNS) + " | of its length |")
    print("| --- |" + " ---: |" * (len(COLUMNS) + 2))
    stopwatch = Stopwatch()
    watch(models, stopwatch)
    for video in videos:
        info = probe(video.path)
        stopwatch.seconds.clear()
        stopwatch.timed("decoding", bare_pass)(video.path, info.has_audio)
        stopwatch.timed("everything", build_evidence)(video.path, info, models)
        print_row(video.name, info.duration_s, stopwatch.seconds)
        for name, seconds in stopwatch.seconds.items():
            total[name] += seconds
        total["length"] += info.duration_s
    print_row("all", total["length"], total)


def print_row(name: str, length_s: float, seconds: Mapping[str, float]) -> None:
    times = " | ".join(f"{seconds[column]:.2f}" for column in COLUMNS)
    print(f"| {name} | {length_s:.1f} | {times} | {seconds['everything'] / length_s:.3f} |")


if __name__ == "__main__":
    main()
