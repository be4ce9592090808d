"""What one classification by 100 prompts costs, over 10 and over 1,000 hours of indexed video.

    python bench/classify.py [--hours 10 1000]

The evidence is synthetic and of realistic size: a frame each second, a line of speech every five
seconds, a text on the screen every ten. The engine goes all the way from the files on disk to the
classes; the plain products are those of the same vectors with the prompts' vectors, and no more.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from core.classification import Thresholds
from core.command_line import make_parser
from engine.catalog.tables import Video
from engine.evidence import Evidence, TextSpan, write_evidence
from engine.models.choice import default_models
from engine.models.protocols import Models
from engine.pooling import prepare
from engine.retrieval.classify import ClassQuery
from engine.service import EngineSpec, Service

OPTIONS = ("visual", "conversation", "text_in_video")
VIDEO_S = 600
CLASSES, PROMPTS_OF_A_CLASS = 10, 10
WORDS = Path(__file__).parent.parent / "engine" / "models" / "data" / "background_topics.txt"
MIN_ROUNDS, MIN_S = 3, 5.0
HELD = 60


def prompts() -> list[str]:
    lines = [line for line in WORDS.read_text(encoding="utf-8").splitlines() if line.strip()]
    return lines[: CLASSES * PROMPTS_OF_A_CLASS]


def make_evidence(models: Models, random: np.random.Generator) -> Evidence:
    texts = prompts()

    def spans(every_s: int) -> tuple[TextSpan, ...]:
        return tuple(
            TextSpan(start, start + every_s, " ".join(random.choice(texts, 3)))
            for start in range(0, VIDEO_S, every_s)
        )

    made = Evidence(
        duration_s=float(VIDEO_S),
        frame_times=np.arange(VIDEO_S, dtype=np.float32),
        frame_vectors=random.normal(0, 2, (VIDEO_S, models.visual.dimension)).astype(np.float16),
        scene_starts=np.arange(0, VIDEO_S, 10, dtype=np.float32),
        transcript=spans(5),
        screen_text=spans(10),
        thumbnail_times=np.zeros(0, np.float32),
        thumbnails=(),
        models=models.names(),
    )
    return prepare(made, models)


def fill(service: Service, data_dir: Path, made: list[Evidence], count: int) -> str:
    """An index of `count` videos, which take turns in using the evidence of a few."""
    index = service.create_index(f"{count} videos", [EngineSpec("marengo2.6", OPTIONS)])
    with service._catalog.transaction() as session:
        videos = [
            Video(
                index_id=index.id,
                filename=f"{number}.mp4",
                duration=float(VIDEO_S),
                fps=25.0,
                width=640,
                height=360,
                size=1,
            )
            for number in range(count)
        ]
        session.add_all(videos)
    for number, video in enumerate(videos):
        path = data_dir / "evidence" / f"{video.id}.safetensors"
        write_evidence(path, made[number % len(made)])
    return index.id


def in_turns(*calls: Callable[[], object]) -> list[float]:
    """Median seconds of each call; they take turns, so that a busy machine slows all of them."""
    times: list[list[float]] = []
    while len(times) < 1 + MIN_ROUNDS or sum(map(sum, times)) < MIN_S:
        row = []
        for call in calls:
            begun = time.perf_counter()
            call()
            row.append(time.perf_counter() - begun)
        times.append(row)
    return [float(value) for value in np.median(times[1:], axis=0)]


def plain_products(models: Models, made: list[Evidence], count: int) -> Callable[[], None]:
    """The products alone, over the same number of videos, with the vectors in memory.

    No two of `HELD` videos share their vectors: otherwise all would fit a processor's cache.
    """
    texts = prompts()
    visual, text = (
        np.asfortranarray(encoder.encode_prompts(texts)) for encoder in (models.visual, models.text)
    )
    held = [
        (
            each.window_vectors.copy(),
            each.transcript_vectors.copy(),
            each.screen_text_vectors.copy(),
        )
        for each in islice(cycle(made), min(count, HELD))
    ]

    def multiply() -> None:
        for windows, spoken, written in islice(cycle(held), count):
            np.matmul(windows, visual.T)
            np.matmul(spoken, text.T)
            np.matmul(written, text.T)

    return multiply


def main() -> None:
    parser = make_parser(__doc__, {})
    parser.add_argument("--hours", type=int, nargs="+", default=[10, 1000], help="hours of video")
    hours = parser.parse_args().hours
    models = default_models(threads=1)
    random = np.random.default_rng(1)
    made = [make_evidence(models, random) for _ in range(6)]
    texts = prompts()
    queries = [
        ClassQuery(f"class {at}", tuple(texts[at::CLASSES]), OPTIONS) for at in range(CLASSES)
    ]
    print("| hours | videos | classification, ms | plain products, ms | ratio | peak memory, MiB |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for each in hours:
        count = each * 3600 // VIDEO_S
        with tempfile.TemporaryDirectory() as folder:
            data_dir = Path(folder)
            with Service(data_dir, models, workers=1) as service:
                index_id = fill(service, data_dir, made, count)
                run = partial(service.classifier.index, index_id, queries, Thresholds())
                run()
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                took, plain = in_turns(run, plain_products(models, made, count))
        print(
            f"| {each} | {count} | {1000 * took:.0f} | {1000 * plain:.0f} | {took / plain:.1f} "
            f"| {peak:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
