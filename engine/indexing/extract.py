"""Extracts the evidence of one video: a pure job, the same whatever executor runs it.

The file is decoded once. Sampled frames go to the visual encoder in batches and, where they have
changed, to the text reader; the sound goes to the speech recogniser in chunks. Reading and
recognising happen on a second thread, so that even one long video uses two processors. Apart from
the evidence itself, memory does not grow with the length of the video.
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
from engine.indexing.transcript import Chunker, Transcript
from engine.models.protocols import Models, VisualEncoder
from engine.pooling import prepare

STEP_S = 1.0
BATCH_FRAMES = 4  # larger batches are no faster on a processor, and take more memory
MAX_WAITING = 2  # frames or chunks that wait for the second thread
# A scene begins where this share of the pixels has another colour than in the frame before. Colours
# tell a new scene from movement, which shifts colours but keeps them.
SCENE_SHARE = 0.4
COLOURS = (6, 6, 6)  # levels of red, green and blue
MINIATURE = (32, 18)  # pixels: the cells in which changes are looked for
# A frame is encoded again only if one of its cells differs by this many grey levels of 255.
STILL = 1.0
MAX_THUMBNAILS = 100
THUMBNAIL_SIDE = 320

Image = npt.NDArray[np.uint8]
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
    decode: Callable[..., Iterable[media.Frame | media.AudioBlock]] | None = None,
) -> Evidence:
    """Extract and prepare the evidence of one video; `info` is what media.probe says about it.

    Frames are always encoded. Speech is recognised if `kinds` has conversation and no `transcript`
    replaces it; text is read if `kinds` has text_in_video. `on_progress` is called with the share
    that is done, 0-1; `report` is filled with the damage of the file. `decode` reads the file in
    place of media.decode, for example in another process.

    Raises MediaError if no frame can be decoded. Missing sound, speech or text is no error.
    """
    report = report or media.DecodeReport()
    language = models.speech.language
    listens = info.has_audio and transcript is None and "conversation" in kinds
    items = (decode or media.decode)(
        path, step_s=STEP_S, audio=listens, language=language, report=report
    )
    extraction = _Extraction(models, info.duration_s, reads="text_in_video" in kinds)
    extraction.run(items, on_progress)
    duration_s = max(info.duration_s, extraction.frames.times[-1])
    if transcript is None:
        transcript = _recognised(extraction.speech, duration_s, report, language)
    return prepare(extraction.evidence(duration_s, tuple(transcript)), models)


def _recognised(
    speech: Transcript, duration_s: float, report: media.DecodeReport, language: str
) -> tuple[TextSpan, ...]:
    """The recognised lines; none of speech marked as another language than the only known one."""
    spoken = report.audio_language
    report.is_speech_foreign = bool(spoken and language) and not spoken.startswith(language[:2])
    return () if report.is_speech_foreign else speech.spans(duration_s)


class _Extraction:
    """Passes the frames and the sound of one video to the models, and collects what they find."""

    def __init__(self, models: Models, duration_s: float, *, reads: bool) -> None:
        """`reads`: text on the screen is read."""
        self.frames = _Frames(models.visual, every_s=max(duration_s / MAX_THUMBNAILS, STEP_S))
        self.speech = Transcript(models.speech)
        self._screen_text = ScreenText(models.reader)
        self._models = models
        self._duration_s = duration_s
        self._reads = reads

    def run(
        self,
        items: Iterable[media.Frame | media.AudioBlock],
        on_progress: Callable[[float], None],
    ) -> None:
        """Process all of a file; `on_progress` is called with the share that is done, 0-1."""
        chunker = Chunker()
        with _SecondThread() as second:
            for item in items:
                if isinstance(item, media.AudioBlock):
                    second.run(self.speech.recognise, chunker.add(item))
                    continue
                miniature = self.frames.add(item)
                if self._reads:
                    second.run(self._screen_text.read, self._screen_text.add(item, miniature))
                on_progress(min(item.time_s / self._duration_s, 1.0) if self._duration_s else 0.0)
            second.run(self.speech.recognise, chunker.finish())
            second.run(self._screen_text.read, self._screen_text.finish())
            self.frames.finish()

    def evidence(self, duration_s: float, transcript: tuple[TextSpan, ...]) -> Evidence:
        """The evidence, not yet prepared for scoring."""
        return Evidence(
            duration_s=duration_s,
            frame_times=np.array(self.frames.times, dtype=np.float32),
            frame_vectors=self.frames.vectors(),
            scene_starts=np.array(self.frames.scene_starts, dtype=np.float32),
            transcript=transcript,
            screen_text=self._screen_text.spans(duration_s),
            thumbnail_times=np.array(self.frames.thumbnail_times, dtype=np.float32),
            thumbnails=tuple(self.frames.thumbnails),
            models=self._models.names(),
        )


class _Frames:
    """Encodes the sampled frames batch by batch; notes their times, scenes and thumbnails."""

    def __init__(self, encoder: VisualEncoder, every_s: float) -> None:
        self.times: list[float] = []
        self.scene_starts: list[float] = []
        self.thumbnail_times: list[float] = []
        self.thumbnails: list[bytes] = []
        self._encoder = encoder
        self._every_s = every_s
        self._batch: list[Image] = []
        self._vectors: list[npt.NDArray[np.float16]] = []
        self._encoded_count = 0
        self._vector_of: list[int] = []  # the place of each frame's vector
        self._colours: FloatArray | None = None
        self._encoded: FloatArray | None = None  # miniature of the last frame that was encoded

    def add(self, frame: media.Frame) -> FloatArray:
        """Take a frame and return its miniature, float32[18, 32] in grey levels of 255."""
        self.times.append(frame.time_s)
        small = _shrunk(frame.image)
        self._note_scene(frame.time_s, small)
        if not self.thumbnails or frame.time_s >= self.thumbnail_times[-1] + self._every_s:
            self.thumbnail_times.append(frame.time_s)
            self.thumbnails.append(media.jpeg(small, THUMBNAIL_SIDE))
        miniature = _miniature(small)
        if self._encoded is None or np.abs(miniature - self._encoded).max() >= STILL:
            self._encoded = miniature
            self._encoded_count += 1
            self._batch.append(frame.image)
            if len(self._batch) == BATCH_FRAMES:
                self._encode()
        self._vector_of.append(self._encoded_count - 1)
        return miniature

    def finish(self) -> None:
        """Encode the last frames; raises MediaError if there were none at all."""
        if self._batch:
            self._encode()
        if not self._vectors:
            raise media.MediaError("has no frame that can be decoded")

    def vectors(self) -> npt.NDArray[np.float16]:
        """Vectors of all frames, float16[n, d]."""
        return np.concatenate(self._vectors)[self._vector_of]

    def _note_scene(self, time_s: float, image: Image) -> None:
        counts = cv2.calcHist([image], [0, 1, 2], None, COLOURS, [0, 256] * 3)
        shares = np.asarray(counts / counts.sum(), dtype=np.float32)
        if self._colours is None or np.abs(shares - self._colours).sum() / 2 >= SCENE_SHARE:
            self.scene_starts.append(time_s)
        self._colours = shares

    def _encode(self) -> None:
        vectors = self._encoder.encode_frames(self._batch)
        self._vectors.append(vectors.astype(np.float16))
        self._batch.clear()


def _miniature(image: Image) -> FloatArray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, MINIATURE, interpolation=cv2.INTER_AREA).astype(np.float32)


def _shrunk(image: Image) -> Image:
    """A copy with the long side of a thumbnail; a smaller image is returned as it is."""
    height, width = image.shape[:2]
    scale = THUMBNAIL_SIDE / max(height, width)
    if scale >= 1:
        return image
    size = [max(round(length * scale), 1) for length in (width, height)]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


class _SecondThread:
    """Runs calls in order on a thread of its own; only a few wait, so that memory stays bounded.

    Leaving the `with` block waits for all calls. An error of one is raised by a later `run` or on
    leaving; after that, and if the block itself raises, waiting calls are dropped.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="extraction")
        self._waiting: deque[Future[None]] = deque()

    def run(self, call: Callable[[T], None], arguments: Iterable[T]) -> None:
        """Call it with each of the arguments, in order; blocks while too many are waiting."""
        for argument in arguments:
            while len(self._waiting) > MAX_WAITING:
                self._waiting.popleft().result()
            self._waiting.append(self._executor.submit(call, argument))

    def __enter__(self) -> _SecondThread:
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
