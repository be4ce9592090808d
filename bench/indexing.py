"""What extracting the evidence of videos costs, compared with only decoding them.

    python bench/indexing.py [--videos DIR] [--repeat N] [--no-pipeline]

Videos are indexed in parallel as in the engine, one per processor, by the default models, which are
loaded before the measurement. The cost of each kind of evidence is the difference between a run
with it and one without; the baseline decodes the same sampled frames and audio and does nothing
else. The last row is a run of pipeline.py, from its start to its last task, with loading and
uploading.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from core.command_line import make_parser
from engine import media
from engine.evidence import Evidence, write_evidence
from engine.indexing.extract import STEP_S, build_evidence
from engine.models.choice import default_models
from engine.models.protocols import Models
from steps.folder import find_videos

ROOT = Path(__file__).parent.parent
PROCESSORS = os.cpu_count() or 1
PACKAGES = ("av", "numpy", "onnxruntime", "opencv-python-headless", "rapidocr", "moonshine-voice")
KINDS = {"speech": "conversation", "text on screen": "text_in_video"}


class Video(NamedTuple):
    path: Path
    info: media.MediaInfo


class Cost(NamedTuple):
    """Elapsed seconds, and processor seconds of all processors together."""

    wall_s: float
    processor_s: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall_s - other.wall_s, self.processor_s - other.processor_s)


def in_parallel(work: Callable[[Video], None], videos: Sequence[Video]) -> Cost:
    """The cost of doing something with each video, one per processor at a time."""
    wall_s, processor_s = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(PROCESSORS) as pool:
        for _ in pool.map(work, videos):
            pass
    return Cost(time.perf_counter() - wall_s, time.process_time() - processor_s)


def only_decode(video: Video) -> None:
    for _ in media.decode(video.path, step_s=STEP_S, audio=video.info.has_audio):
        pass


def measure(videos: Sequence[Video], models: Models, kinds: Collection[str]) -> dict[str, Cost]:
    """One round: every row of the table except the pipeline's."""
    extracted: list[Evidence] = []

    def extract(video: Video, kinds: Collection[str] = ()) -> None:
        extracted.append(build_evidence(video.path, video.info, models, kinds=kinds))

    baseline = in_parallel(only_decode, videos)
    frames = in_parallel(extract, videos)
    rows = {"baseline: decoding only": baseline, "frames": frames - baseline}
    for name, kind in KINDS.items():
        rows[name] = in_parallel(partial(extract, kinds={kind}), videos) - frames
    extracted.clear()
    everything = in_parallel(partial(extract, kinds=kinds), videos)
    rows["storage"] = storage(extracted)
    rows["everything"] = Cost(*map(sum, zip(everything, rows["storage"], strict=True)))
    return rows


def storage(extracted: Sequence[Evidence]) -> Cost:
    wall_s, processor_s = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for number, evidence in enumerate(extracted):
            write_evidence(Path(folder) / f"{number}.safetensors", evidence)
    return Cost(time.perf_counter() - wall_s, time.process_time() - processor_s)


def pipeline_run(folder: Path) -> Cost:
    """A run of the pipeline with its own engine, until its last task has ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as work:
        results = Path(work) / "results"
        command = [sys.executable, "pipeline.py", "--videos", str(folder.resolve())]
        command += ["--results", str(results), "--engine-data-dir", str(Path(work) / "data")]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"pipeline.py ended with {run.returncode}:\n{run.stderr}")
        with (results / "upload_status.csv").open(encoding="utf-8", newline="") as file:
            last = max(row["time"] for row in csv.DictReader(file))
        started = json.loads((results / "run.json").read_text(encoding="utf-8"))["started_at"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost((parsed_time(last) - parsed_time(started)).total_seconds(), processor_s)


def parsed_time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def warm_up(models: Models) -> None:
    frame = np.zeros((360, 640, 3), np.uint8)
    models.visual.encode_frames([frame])
    models.reader.read(frame)
    models.speech.transcribe(np.zeros(media.SAMPLE_RATE, np.float32))


def peak_mebibytes() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1024**2


def print_machine() -> None:
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((fact.split(": ")[1] for fact in facts if fact.startswith("model name")), cpu)
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(f"{PROCESSORS} processors ({cpu}), {platform.system()}, Python", end=" ")
    print(f"{platform.python_version()}, {packages}")


def print_row(name: str, costs: Sequence[Cost], length_s: float) -> None:
    wall_s = median(cost.wall_s for cost in costs)
    processor_s = median(cost.processor_s for cost in costs)
    ratios = f"{wall_s / length_s:.4f} | {processor_s / length_s / PROCESSORS:.4f}"
    print(f"| {name} | {wall_s:.1f} | {processor_s:.1f} | {ratios} |")


def main() -> None:
    parser = make_parser(__doc__, {})
    parser.add_argument("--videos", type=Path, default=ROOT / "classify", metavar="DIR")
    parser.add_argument("--repeat", type=int, default=1, help="rounds; the medians are shown")
    parser.add_argument("--no-pipeline", action="store_true", help="leave out the last row")
    options = parser.parse_args()
    found, _ = find_videos(options.videos)
    if not found:
        sys.exit(f"{options.videos} holds no video: run python -m steps.samples, or name a folder")
    videos = [Video(file.path, media.probe(file.path)) for file in found]
    length_s = sum(video.info.duration_s for video in videos)
    models = default_models(threads=1)
    warm_up(models)
    idle = peak_mebibytes()
    rounds = [measure(videos, models, set(KINDS.values())) for _ in range(options.repeat)]
    peak = peak_mebibytes()
    print_machine()
    print(f"{len(videos)} videos, {length_s:.0f} s in all; medians of {options.repeat}\n")
    print("| | seconds | processor seconds | of the length | of the processors' time |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in rounds[0]:
        print_row(name, [rows[name] for rows in rounds], length_s)
    if not options.no_pipeline:
        costs = [pipeline_run(options.videos) for _ in range(options.repeat)]
        print_row("pipeline.py, start to last task", costs, length_s)
    print(f"\nPeak memory {peak:.0f} MiB, of which the models and libraries {idle:.0f} MiB.")


if __name__ == "__main__":
    main()
