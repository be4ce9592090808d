"""What the engine spends on gathering the evidence of videos, beside the bare decoding of them.

    python bench/indexing.py [--videos DIR] [--repeat N] [--no-pipeline]

Videos are gathered side by side as the engine does it, one per processor, by the default models,
which are loaded before the clock starts. Each kind of evidence is what a run with it takes more
than a run without; the floor decodes the same sampled frames and sound and does nothing with them.
The last row is a run of pipeline.py, from its start to its last task, with loading and uploading.
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
    """Seconds on the clock, and of all processors together."""

    wall_s: float
    processor_s: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall_s - other.wall_s, self.processor_s - other.processor_s)


def side_by_side(work: Callable[[Video], None], videos: Sequence[Video]) -> Cost:
    """What it takes to do something with each video, one per processor at a time."""
    wall_s, processor_s = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(PROCESSORS) as pool:
        for _ in pool.map(work, videos):
            pass
    return Cost(time.perf_counter() - wall_s, time.process_time() - processor_s)


def bare_decoding(video: Video) -> None:
    for _ in media.decode(video.path, step_s=STEP_S, audio=video.info.has_audio):
        pass


def measure(videos: Sequence[Video], models: Models, kinds: Collection[str]) -> dict[str, Cost]:
    """One round: every row of the table but the pipeline's."""
    gathered: list[Evidence] = []

    def gather(video: Video, kinds: Collection[str] = ()) -> None:
        gathered.append(build_evidence(video.path, video.info, models, kinds=kinds))

    floor = side_by_side(bare_decoding, videos)
    pictures = side_by_side(gather, videos)
    rows = {"floor: bare decoding": floor, "pictures": pictures - floor}
    for name, kind in KINDS.items():
        rows[name] = side_by_side(partial(gather, kinds={kind}), videos) - pictures
    gathered.clear()
    everything = side_by_side(partial(gather, kinds=kinds), videos)
    rows["storage"] = storage(gathered)
    rows["everything"] = Cost(*map(sum, zip(everything, rows["storage"], strict=True)))
    return rows


def storage(gathered: Sequence[Evidence]) -> Cost:
    wall_s, processor_s = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for number, evidence in enumerate(gathered):
            write_evidence(Path(folder) / f"{number}.safetensors", evidence)
    return Cost(time.perf_counter() - wall_s, time.process_time() - processor_s)


def pipeline_run(folder: Path) -> Cost:
    """A run of the pipeline in an engine of its own, until its last task has ended."""
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
    return Cost((moment(last) - moment(started)).total_seconds(), processor_s)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def warm_up(models: Models) -> None:
    picture = np.zeros((360, 640, 3), np.uint8)
    models.visual.encode_frames([picture])
    models.reader.read(picture)
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
