"""How long a second run over an unchanged folder takes until classification starts.

    python bench/second_run.py [--videos 1000]

The folder has copies of one tiny video under different names. The first run indexes their frames
only, since the second run's check of what is already indexed is measured.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent.parent))

import pipeline
from core.command_line import make_parser
from tests.support.media import write_video


@contextlib.contextmanager
def stopped_clock(times: list[float]) -> Iterator[None]:
    """Records when classification starts."""
    classify = pipeline.classify

    def noted(*arguments: object, **options: object) -> object:
        times.append(time.perf_counter())
        return classify(*arguments, **options)  # type: ignore[arg-type]

    with mock.patch.object(pipeline, "classify", noted):
        yield


def seconds_to_classification(folder: Path) -> float:
    times: list[float] = []
    arguments = ["--videos", str(folder / "videos"), "--results", str(folder / "results")]
    arguments += ["--engine-data-dir", str(folder / "data"), "--options", "visual"]
    begun = time.perf_counter()
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with stopped_clock(times), quiet[0], quiet[1]:
        pipeline.main(arguments)
    return times[0] - begun


def main() -> None:
    parser = make_parser(__doc__, {})
    parser.add_argument("--videos", type=int, default=1000, help="number of files")
    count = parser.parse_args().videos
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "videos").mkdir()
        one = write_video(folder / "one.mp4", seconds=1, fps=5)
        for number in range(count):
            shutil.copy(one, folder / "videos" / f"{number:06}.mp4")
        first_s = seconds_to_classification(folder)
        second_s = seconds_to_classification(folder)
    print("| run | videos | seconds until classification |")
    print("| --- | ---: | ---: |")
    print(f"| first | {count} | {first_s:.1f} |")
    print(f"| second | {count} | {second_s:.2f} |")


if __name__ == "__main__":
    main()
