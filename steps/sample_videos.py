"""The sample videos: what they show, and how they are made of what comes in wheels.

Nothing is downloaded: the pictures come with the scikit-image wheel and the speech with the
moonshine-voice wheel. The camera moves slowly over each picture; every video has a sound track,
which is silent where nobody speaks. The same wheels always give the same videos.

Sources of the pictures (details are in the scikit-image documentation): chelsea, coffee, camera,
brick, grass and gravel are CC0; astronaut and hubble_deep_field are by NASA and rocket is by
SpaceX, all released into the public domain; motorcycle_left is from the Middlebury 2014 stereo
dataset (Scharstein et al., GCPR 2014), whose authors allow anyone to use and publish it. The speech
is a LibriVox volunteer reading "A Tale of Two Cities", which is in the public domain too.
"""

from __future__ import annotations

import os
import textwrap
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import OutputContainer
from PIL import Image, ImageDraw, ImageFont

from core.errors import UserError
from core.files import remove_leftovers, replacing
from steps.pool import thread_pool

WIDTH, HEIGHT = 640, 360
FPS = 24
AUDIO_RATE = 48_000  # the recording's own, so that it is not resampled
SAMPLES_PER_FRAME = AUDIO_RATE // FPS


class SampleError(UserError):
    """The samples cannot be made; the message says what is missing or in the way."""


@dataclass(frozen=True)
class View:
    """Where the camera points: its centre as fractions of the picture, 0-1, and its zoom.

    At zoom 1 it sees as much of the picture as fits into a 16:9 frame.
    """

    x: float = 0.5
    y: float = 0.5
    zoom: float = 1.0


@dataclass(frozen=True)
class Shot:
    """One picture, the camera moving from one view to another, with or without a caption."""

    picture: str
    seconds: float
    start: View = View()
    end: View = View(zoom=1.2)
    caption: str = ""


@dataclass(frozen=True)
class Sample:
    """One video: its shots in order, and the part of the reading, in seconds, that it plays."""

    name: str
    shots: tuple[Shot, ...]
    narration: tuple[float, float] | None = None

    @property
    def seconds(self) -> float:
        return sum(shot.seconds for shot in self.shots)


SAMPLES = (
    Sample(
        "cat.mp4",
        (
            Shot("chelsea.png", 5, View(), View(0.5, 0.4, 1.25)),
            Shot("chelsea.png", 5, View(0.4, 0.35, 1.5), View(0.62, 0.35, 1.5)),
        ),
    ),
    Sample(
        "coffee break.mp4",
        (
            Shot("coffee.png", 6, View(), View(0.45, 0.4, 1.3)),
            Shot("coffee.png", 4, View(0.42, 0.3, 1.5), View(0.5, 0.55, 1.4)),
        ),
    ),
    Sample(
        "garage.mp4",
        (
            Shot("motorcycle_left.png", 6, View(), View(0.55, 0.55, 1.25)),
            Shot("motorcycle_left.png", 5, View(0.62, 0.6, 1.5), View(0.5, 0.55, 1.3)),
        ),
    ),
    Sample(
        "launch day.mp4",
        (
            Shot("rocket.jpg", 8, View(0.45, 0.5), View(0.5, 0.5, 1.25)),
            Shot(
                "astronaut.png",
                6,
                View(0.45, 0.2),
                View(0.45, 0.3, 1.1),
                caption="An astronaut in her space suit",
            ),
        ),
    ),
    Sample(
        "my weekend.mp4",
        (
            Shot("motorcycle_left.png", 4, View(0.6, 0.55, 1.3), View()),
            Shot("chelsea.png", 6, View(), View(0.52, 0.35, 1.5)),
            Shot("coffee.png", 4, View(0.45, 0.45, 1.3), View()),
            Shot("chelsea.png", 6, View(0.52, 0.35, 1.5), View(0.5, 0.45, 1.05)),
        ),
    ),
    Sample(
        "story time.mp4",
        (
            Shot("camera.png", 12, View(0.5, 0.3), View(0.5, 0.35, 1.2)),
            Shot("camera.png", 12, View(0.35, 0.25, 1.5), View(0.5, 0.4, 1.4)),
        ),
        narration=(0.7, 24.4),
    ),
    Sample(
        "shop window.mp4",
        (
            Shot("brick.png", 4, View(0.5, 0.3), View(0.5, 0.4), caption="Big summer sale"),
            Shot("brick.png", 4, View(0.5, 0.4), View(0.5, 0.5), caption="50% discount on books"),
            Shot("brick.png", 4, View(0.5, 0.5), View(0.5, 0.6), caption="Buy one, get one free"),
        ),
    ),
    Sample(
        "garden path.mp4",
        (
            Shot("gravel.png", 4, View(0.5, 0.3, 1.2), View(0.5, 0.5, 1.2)),
            Shot("grass.png", 4, View(0.4, 0.5, 1.3), View(0.6, 0.5, 1.3)),
        ),
    ),
    Sample(
        "deep sky.mp4",
        (
            Shot("hubble_deep_field.jpg", 4, View(0.4, 0.4, 1.2), View(0.5, 0.45, 1.4)),
            Shot(
                "hubble_deep_field.jpg",
                8,
                View(0.5, 0.45, 1.4),
                View(0.6, 0.6, 1.7),
                caption="Thousands of galaxies seen by the Hubble Space Telescope",
            ),
        ),
    ),
)


def compose_missing(folder: Path, samples: Sequence[Sample]) -> Iterator[Path]:
    """Make the samples whose names the folder does not have yet, and yield the path of each.

    Several videos are made at a time, each by an encoder with a single thread: with more, its
    output would depend on the number of processors.
    """
    remove_leftovers(folder)
    missing = [sample for sample in samples if not (folder / sample.name).exists()]
    with thread_pool(os.cpu_count() or 1, "samples") as pool:
        yield from pool.map(lambda sample: compose(sample, folder), missing)


def compose(sample: Sample, folder: Path) -> Path:
    """Make one video; its file appears only when it is complete."""
    path = folder / sample.name
    with (
        replacing(path) as beside,
        av.open(str(beside), "w", format="mp4", options={"movflags": "+faststart"}) as container,
    ):
        _encode(sample, container)
    return path


def _encode(sample: Sample, container: OutputContainer) -> None:
    pictures = container.add_stream("libx264", rate=FPS)
    pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    pictures.thread_count = 1
    # A keyframe every second, so that a player decodes little to seek.
    pictures.options = {"preset": "veryfast", "crf": "25", "g": str(FPS)}
    sound = container.add_stream("aac", rate=AUDIO_RATE, layout="mono")
    sound.bit_rate = 64_000
    samples = _sound(sample)
    for number, image in enumerate(_pictures(sample)):
        frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        container.mux(pictures.encode(frame))
        start = number * SAMPLES_PER_FRAME
        block = av.AudioFrame.from_ndarray(
            samples[np.newaxis, start : start + SAMPLES_PER_FRAME], format="s16", layout="mono"
        )
        block.sample_rate, block.pts, block.time_base = AUDIO_RATE, start, Fraction(1, AUDIO_RATE)
        container.mux(sound.encode(block))
    container.mux(pictures.encode())
    container.mux(sound.encode())


def _pictures(sample: Sample) -> Iterator[Image.Image]:
    """Every frame of a sample; what the camera sees need not start at a whole pixel."""
    for shot in sample.shots:
        picture = Image.open(_wheel_file("skimage", f"data/{shot.picture}")).convert("RGB")
        caption = _caption(shot.caption) if shot.caption else None
        first, last = (np.array(_box(view, picture)) for view in (shot.start, shot.end))
        count = round(shot.seconds * FPS)
        for number in range(count):
            box = first + (last - first) * number / (count - 1)
            frame = picture.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, tuple(box))
            if caption:
                frame.paste(caption, mask=caption)
            yield frame


def _box(view: View, picture: Image.Image) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what the camera sees, shifted to lie in the picture."""
    width = min(picture.width, picture.height * WIDTH / HEIGHT) / view.zoom
    height = width * HEIGHT / WIDTH
    left = min(max(view.x * picture.width - width / 2, 0), picture.width - width)
    top = min(max(view.y * picture.height - height / 2, 0), picture.height - height)
    return left, top, left + width, top + height


def _caption(text: str) -> Image.Image:
    """White text on a dark band across the lower part of an otherwise transparent picture."""
    layer = Image.new("RGBA", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(layer)
    draw.rectangle((0, HEIGHT * 0.6, WIDTH, HEIGHT * 0.92), fill=(0, 0, 0, 200))
    draw.multiline_text(
        (WIDTH / 2, HEIGHT * 0.76),
        textwrap.fill(text, 30),
        fill="white",
        font=ImageFont.load_default(40),
        anchor="mm",
        align="center",
    )
    return layer


def _sound(sample: Sample) -> npt.NDArray[np.int16]:
    """The whole sound track of a sample, mono at AUDIO_RATE: the reading, then silence."""
    track = np.zeros(round(sample.seconds * FPS) * SAMPLES_PER_FRAME, dtype=np.int16)
    if sample.narration:
        start, end = sample.narration
        with wave.open(str(_wheel_file("moonshine_voice", "assets/two_cities.wav"))) as reading:
            reading.setpos(round(start * AUDIO_RATE))
            speech = np.frombuffer(
                reading.readframes(round((end - start) * AUDIO_RATE)), dtype="<i2"
            )
        track[: len(speech)] = speech
    return track


def _wheel_file(package: str, name: str) -> Path:
    """A data file of an installed package, found without importing the package, which is slow."""
    spec = find_spec(package)
    path = Path(spec.origin).parent / name if spec and spec.origin else None
    if path is None or not path.is_file():
        raise SampleError(
            f"{name} of the package {package} is missing: run pip install -r requirements.txt"
        )
    return path
