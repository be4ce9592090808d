"""One video from bytes to evidence: a pure job, the same whatever executor runs it.

The file is decoded once. Sampled frames go to the visual encoder in batches and, where the picture
has changed, to the text reader; the sound goes to the speech recogniser in pieces. Reading and
recognising happen on a thread beside, so that one long video has use for two processors. Beyond the
evidence itself nothing is held that grows with the length of the video.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from engine import media
from engine.evidence import Evidence, TextSpan
from engine.indexing.screen_text import ScreenText
from engine.indexing.transcript import Pieces, Transcript
from engine.models.protocols import Models, VisualEncoder
from engine.pooling import prepare

STEP_S = 1.0
BATCH_FRAMES = 4  # more is no faster on a processor, and takes more memory
MOST_WAITING = 2  # pictures or pieces of sound that wait for the thread beside
# A scene begins where this share of the pixels has another colour than in the frame before. Colours
# tell scenes from movement, which moves them about but keeps them.
SCENE_SHARE = 0.4
COLOURS = (6, 6, 6)  # steps of red, green and blue
MINIATURE = (32, 18)  # pixels: the cells in which changes are looked for
# Grey levels of 255 by which no cell of a frame differs that needs not be encoded again.
STILL = 1.0
MAX_THUMBNAILS = 100
THUMBNAIL_SIDE = 320

Picture = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
T = TypeVar("T")


def build_evidence(
    path: Path,
    info: media.MediaInfo,
    models: Models,
    on_progress: Callable[[float], None] = lambda share: None,
    *,
    kinds: Collection[str] = ("visual", "conversation", "text_in_video"),
    transcript: Sequence[TextSpan] | None = None,
    report: media.DecodeReport | None = None,
) -> Evidence:
    """Look at, listen to and read one video.

    Pictures are always looked at; speech is recognised where `kinds` has conversation and no
    `transcript` is given, text is read where it has text_in_video. `on_progress` is told the share
    that is done, 0-1; `report` tells afterwards what of the file is damaged.

    Raises MediaError where nothing of the picture can be decoded; missing sound, speech or text is
    a result and not an error.
    """
    duration_s = info.duration_s
    pictures = _Pictures(models.visual, every_s=max(duration_s / MAX_THUMBNAILS, STEP_S))
    text, speech, pieces = ScreenText(models.reader), Transcript(models.speech), Pieces()
    listens = info.has_audio and transcript is None and "conversation" in kinds
    with _ThreadBeside() as beside:
        for item in media.decode(path, step_s=STEP_S, audio=listens, report=report):
            if isinstance(item, media.AudioBlock):
                beside.run(speech.hear, pieces.add(item))
                continue
            miniature = pictures.add(item)
            if "text_in_video" in kinds:
                beside.run(text.read, text.add(item, miniature))
            on_progress(min(item.time_s / duration_s, 1.0) if duration_s else 0.0)
        beside.run(speech.hear, pieces.finish())
        beside.run(text.read, text.finish())
        frame_vectors = pictures.vectors()
    evidence = Evidence(
        duration_s=duration_s,
        frame_times=np.array(pictures.times, dtype=np.float32),
        frame_vectors=frame_vectors,
        scene_starts=np.array(pictures.scene_starts, dtype=np.float32),
        transcript=speech.spans(duration_s) if transcript is None else tuple(transcript),
        screen_text=text.spans(duration_s),
        thumbnail_times=np.array(pictures.thumbnail_times, dtype=np.float32),
        thumbnails=tuple(pictures.thumbnails),
        models=models.names(),
    )
    return prepare(evidence, models)


class _Pictures:
    """Gathers what the sampled frames show, batch by batch."""

    def __init__(self, encoder: VisualEncoder, every_s: float) -> None:
        self.times: list[float] = []
        self.scene_starts: list[float] = []
        self.thumbnail_times: list[float] = []
        self.thumbnails: list[bytes] = []
        self._encoder = encoder
        self._every_s = every_s
        self._batch: list[Picture] = []
        self._vectors: list[npt.NDArray[np.float16]] = []
        self._distinct = 0
        self._shown: list[int] = []  # for each frame, which of the vectors it has
        self._colours: FloatArray | None = None
        self._encoded: FloatArray | None = None

    def add(self, frame: media.Frame) -> FloatArray:
        """Take a frame; gives its miniature, float32[18, 32] in grey levels of 255."""
        self.times.append(frame.time_s)
        small = _shrunk(frame.image)
        self._note_scene(frame.time_s, small)
        if not self.thumbnails or frame.time_s >= self.thumbnail_times[-1] + self._every_s:
            self.thumbnail_times.append(frame.time_s)
            self.thumbnails.append(media.jpeg(small, THUMBNAIL_SIDE))
        miniature = _miniature(small)
        if self._encoded is None or np.abs(miniature - self._encoded).max() >= STILL:
            self._encoded = miniature
            self._distinct += 1
            self._batch.append(frame.image)
            if len(self._batch) == BATCH_FRAMES:
                self._encode()
        self._shown.append(self._distinct - 1)
        return miniature

    def vectors(self) -> npt.NDArray[np.float16]:
        """Vectors of all frames, float16[n, d]."""
        if self._batch:
            self._encode()
        if not self._vectors:
            raise media.MediaError("has no picture that can be decoded")
        return np.concatenate(self._vectors)[self._shown]

    def _note_scene(self, time_s: float, image: Picture) -> None:
        counts = cv2.calcHist([image], [0, 1, 2], None, COLOURS, [0, 256] * 3)
        shares = np.asarray(counts / counts.sum(), dtype=np.float32)
        if self._colours is None or np.abs(shares - self._colours).sum() / 2 >= SCENE_SHARE:
            self.scene_starts.append(time_s)
        self._colours = shares

    def _encode(self) -> None:
        vectors = self._encoder.encode_frames(self._batch)
        self._vectors.append(vectors.astype(np.float16))
        self._batch.clear()


def _miniature(image: Picture) -> FloatArray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, MINIATURE, interpolation=cv2.INTER_AREA).astype(np.float32)


def _shrunk(image: Picture) -> Picture:
    """A copy with the long side of a thumbnail; smaller pictures stay as they are."""
    height, width = image.shape[:2]
    scale = THUMBNAIL_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = [max(round(length * scale), 1) for length in (width, height)]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


class _ThreadBeside:
    """Runs calls in order on one thread of its own; few wait, so that memory stays bounded.

    Leaving the `with` block waits for all of them. What one raises is raised by a later `run`, or
    on leaving; after that, and when the block itself raises, the calls that wait are dropped.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._waiting: deque[Future[None]] = deque()

    def run(self, call: Callable[[T], None], arguments: Iterable[T]) -> None:
        """Call it later with each of them; waits while too many wait."""
        for argument in arguments:
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popleft().result()
            self._waiting.append(self._executor.submit(call, argument))

    def __enter__(self) -> _ThreadBeside:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            while self._waiting and kind is None:
                self._waiting.popleft().result()
        finally:
            self._executor.shutdown(cancel_futures=True)
