"""What indexing long videos of large frames costs: time, and memory, which must not grow with it.

    python bench/long_video.py [--minutes 10 120] [--size 3840x2160] [--keyframe-s 1]

A few seconds with movement, text and sound are encoded once and repeated to the requested length.
Each file is indexed in a separate process, with all kinds of evidence. Linux only: peak memory is
read from /proc.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import numpy.typing as npt
import skimage.data
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.upload import MEBIBYTE, peak_memory
from core.command_line import make_parser
from engine import media
from engine.indexing.extract import build_evidence
from engine.models.choice import default_models

FPS = 25
PIECE_S = 10
SAMPLE_RATE = 48_000
SOUND_SAMPLES = 1024


class Cost(NamedTuple):
    seconds: float
    windows: int
    peak_mebibytes: float


def pictures(width: int, height: int) -> Iterator[VideoFrame]:
    """A slow pan over a photograph, with a caption that changes halfway."""
    astronaut = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    photograph = cv2.resize(astronaut, (width * 5 // 4, height * 5 // 4))
    count = PIECE_S * FPS
    for number in range(count):
        left, top = width // 4 * number // count, height // 4 * number // count
        picture = photograph[top : top + height, left : left + width].copy()
        caption = "WEATHER FORECAST" if number < count // 2 else "MISSION CONTROL"
        cv2.putText(
            picture, caption, (width // 10, height // 2), 0, height / 400, (255, 255, 255), 9
        )
        yield VideoFrame.from_ndarray(picture, format="rgb24")


def write_piece(path: Path, width: int, height: int, keyframe_s: float) -> None:
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "30"}
        video.codec_context.gop_size = round(FPS * keyframe_s)
        sound = file.add_stream("aac", rate=SAMPLE_RATE)
        for number, picture in enumerate(pictures(width, height)):
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            file.mux(video.encode(picture))
        for start in range(0, PIECE_S * SAMPLE_RATE, SOUND_SAMPLES):
            frame = AudioFrame.from_ndarray(noise(start), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE, start
            file.mux(sound.encode(frame))
        file.mux(video.encode())
        file.mux(sound.encode())


def noise(seed: int) -> npt.NDArray[np.float32]:
    random = np.random.default_rng(seed)
    return random.normal(0, 0.05, (1, SOUND_SAMPLES)).astype(np.float32)


def repeat(piece: Path, path: Path, minutes: float) -> None:
    """Write the piece's packets again and again, each time later, without encoding anything."""
    with av.open(str(path), "w") as file:
        with av.open(str(piece)) as source:
            streams = {each.index: file.add_stream_from_template(each) for each in source.streams}
        for number in range(round(minutes * 60 / PIECE_S)):
            with av.open(str(piece)) as source:
                for packet in source.demux():
                    # The encoder's sound begins before its start and may end after its end.
                    if packet.pts is None or packet.dts is None or packet.duration is None:
                        continue
                    end_s = (packet.pts + packet.duration) * packet.time_base
                    if packet.pts < 0 or end_s > PIECE_S:
                        continue
                    later = round(number * PIECE_S / packet.time_base)
                    packet.dts += later
                    packet.pts += later
                    packet.stream = streams[packet.stream.index]
                    file.mux(packet)


def index(path: Path) -> Cost:
    begun = time.perf_counter()
    evidence = build_evidence(path, media.probe(path), default_models(threads=1))
    took_s = time.perf_counter() - begun
    return Cost(took_s, len(evidence.window_vectors), peak_memory("self") / MEBIBYTE)


def main() -> None:
    parser = make_parser(__doc__, {})
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 120], metavar="N")
    parser.add_argument("--size", default="3840x2160", metavar="WxH", help="of the picture")
    parser.add_argument("--keyframe-s", type=float, default=1, metavar="N", help="one every N s")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    print("| minutes | frame | file, MB | seconds | of the length | windows | peak memory, MiB |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        piece, path = Path(folder) / "piece.mp4", Path(folder) / "long.mp4"
        write_piece(piece, width, height, options.keyframe_s)
        for minutes in options.minutes:
            repeat(piece, path, minutes)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                cost = pool.apply(index, (path,))
            print(
                f"| {minutes:g} | {width} x {height} | {path.stat().st_size / 1e6:.0f} "
                f"| {cost.seconds:.0f} | {cost.seconds / minutes / 60:.3f} | {cost.windows} "
                f"| {cost.peak_mebibytes:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
