"""What the engine keeps of a video: one immutable safetensors file per video.

A file holds the picture vectors of the sampled frames with their times, the transcript and the
screen text with theirs, and a few thumbnails; never the video. It is written under another name
and renamed, so a reader finds all of it or nothing.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from core.files import replacing

FORMAT = "2"
# What scoring has no use for once moments.ready has seen it.
UNSCORED = {"frame_vectors", "thumbnails", "thumbnail_times", "thumbnail_sizes"}


class EvidenceOutdated(ValueError):
    """A file of another format than this engine writes: its video has to be indexed again."""


class EvidenceDamaged(ValueError):
    """A file that cannot be read: its video has to be indexed again."""


@dataclass(frozen=True)
class TextSpan:
    """Words heard or read from `start` to `end`, in seconds of the video."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Evidence:
    """Everything that classification needs to know of one video.

    `frame_times` float32[n] are seconds; `frame_vectors` float16[n, d] are what the visual encoder
    named in `models` gave for each sampled frame; `scene_starts` float32[s] are the times at which
    the picture changes; thumbnails are JPEG files with the times they show. `models` says which
    model made each kind of evidence.

    The rest is made by moments.ready, for scoring: `moment_vectors` float32[m, k] pool the frames
    between each two of `moment_edges` float32[m + 1]; `transcript_vectors` and
    `screen_text_vectors` float32 have a row for each span. They hold float16 numbers, which is how
    they are stored, in the type that is multiplied.
    """

    duration_s: float
    frame_times: npt.NDArray[np.float32]
    frame_vectors: npt.NDArray[np.float16]
    scene_starts: npt.NDArray[np.float32]
    transcript: tuple[TextSpan, ...]
    screen_text: tuple[TextSpan, ...]
    thumbnail_times: npt.NDArray[np.float32]
    thumbnails: tuple[bytes, ...]
    models: dict[str, str]
    moment_edges: npt.NDArray[np.float32] = field(default_factory=lambda: _none())
    moment_vectors: npt.NDArray[np.float32] = field(default_factory=lambda: _none())
    transcript_vectors: npt.NDArray[np.float32] = field(default_factory=lambda: _none())
    screen_text_vectors: npt.NDArray[np.float32] = field(default_factory=lambda: _none())

    @cached_property
    def moment_times(self) -> npt.NDArray[np.float32]:
        """Starts and ends of the moments, float32[2, m]."""
        return np.stack([self.moment_edges[:-1], self.moment_edges[1:]])

    @cached_property
    def transcript_times(self) -> npt.NDArray[np.float32]:
        """Starts and ends of the transcript's lines, float32[2, n]."""
        return _times(self.transcript)

    @cached_property
    def screen_text_times(self) -> npt.NDArray[np.float32]:
        """Starts and ends of the screen text, float32[2, n]."""
        return _times(self.screen_text)


def _none() -> npt.NDArray[np.float32]:
    return np.zeros(0, dtype=np.float32)


def _times(spans: tuple[TextSpan, ...]) -> npt.NDArray[np.float32]:
    times = [[span.start for span in spans], [span.end for span in spans]]
    return np.array(times, dtype=np.float32)


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Write one video's evidence; a reader never sees half a file."""
    sizes = np.array([len(image) for image in evidence.thumbnails], dtype=np.int64)
    tensors: dict[str, npt.NDArray[Any]] = {
        "frame_times": evidence.frame_times.astype(np.float32),
        "frame_vectors": evidence.frame_vectors.astype(np.float16),
        "scene_starts": evidence.scene_starts.astype(np.float32),
        "thumbnail_times": evidence.thumbnail_times.astype(np.float32),
        "thumbnail_sizes": sizes,
        "thumbnails": np.frombuffer(b"".join(evidence.thumbnails), dtype=np.uint8),
        "moment_edges": evidence.moment_edges.astype(np.float32),
        "moment_vectors": evidence.moment_vectors.astype(np.float16),
        "transcript_vectors": evidence.transcript_vectors.astype(np.float16),
        "screen_text_vectors": evidence.screen_text_vectors.astype(np.float16),
    }
    metadata = {
        "format": FORMAT,
        "duration_s": repr(evidence.duration_s),
        "transcript": _dump_spans(evidence.transcript),
        "screen_text": _dump_spans(evidence.screen_text),
        "models": json.dumps(evidence.models, sort_keys=True),
    }
    with replacing(path) as beside:
        save_file(tensors, beside, metadata)


def is_whole(path: Path) -> bool:
    """Whether a file is there, is one of evidence's kind and as long as it says; soon told."""
    try:
        with safe_open(path, framework="numpy"):
            return True
    except (FileNotFoundError, SafetensorError):
        return False


def read_evidence(path: Path, *, with_frames: bool = True) -> Evidence:
    """Read one video's evidence.

    Classification needs only what `moments.ready` made: without frames, their vectors and the
    thumbnails, by far the most of a file, stay on disk and are empty in the answer.

    Raises FileNotFoundError, EvidenceOutdated for another format, or EvidenceDamaged.
    """
    try:
        return _read(path, with_frames)
    except EvidenceOutdated:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise EvidenceDamaged(f"{path.name} cannot be read: {error}") from error


def _read(path: Path, with_frames: bool) -> Evidence:
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise EvidenceOutdated(f"{path.name} is of another format: index its video again")
        tensors = {
            name: file.get_tensor(name)
            for name in file.keys()  # noqa: SIM118
            if with_frames or name not in UNSCORED
        }
    sizes = tensors.get("thumbnail_sizes", np.zeros(0, np.int64))
    packed = tensors["thumbnails"].tobytes() if len(sizes) else b""
    return Evidence(
        duration_s=float(metadata["duration_s"]),
        frame_times=tensors["frame_times"],
        frame_vectors=tensors.get("frame_vectors", np.zeros((0, 0), np.float16)),
        scene_starts=tensors["scene_starts"],
        transcript=_load_spans(metadata["transcript"]),
        screen_text=_load_spans(metadata["screen_text"]),
        thumbnail_times=tensors.get("thumbnail_times", _none()),
        thumbnails=tuple(
            packed[end - size : end] for end, size in zip(np.cumsum(sizes), sizes, strict=True)
        ),
        models=json.loads(metadata["models"]),
        moment_edges=tensors["moment_edges"],
        moment_vectors=_widened(tensors["moment_vectors"]),
        transcript_vectors=_widened(tensors["transcript_vectors"]),
        screen_text_vectors=_widened(tensors["screen_text_vectors"]),
    )


def _widened(halves: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """The same numbers as float32; NumPy, which does one at a time, takes 15 times as long."""
    if not halves.size:
        return halves.astype(np.float32)
    return np.asarray(cv2.convertFp16(halves.view(np.int16)), dtype=np.float32)


class RecentEvidence:
    """Reads evidence without frames, and keeps what was read last, up to so many bytes.

    A file never changes once it is written; one that was made anew has another time.
    """

    def __init__(self, most_bytes: int) -> None:
        self._room = most_bytes
        self._kept: OrderedDict[tuple[str, int], tuple[int, Evidence]] = OrderedDict()
        self._lock = Lock()

    def read(self, path: Path) -> Evidence:
        """As read_evidence without frames."""
        key = (str(path), path.stat().st_mtime_ns)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        evidence = read_evidence(path, with_frames=False)
        size = evidence.moment_vectors.nbytes + evidence.transcript_vectors.nbytes
        size += evidence.screen_text_vectors.nbytes
        with self._lock:
            if key not in self._kept:
                self._kept[key] = (size, evidence)
                self._room -= size
            while self._room < 0:
                _, (size, _) = self._kept.popitem(last=False)
                self._room += size
        return evidence


def _dump_spans(spans: tuple[TextSpan, ...]) -> str:
    return json.dumps([[span.start, span.end, span.text] for span in spans], ensure_ascii=False)


def _load_spans(text: str) -> tuple[TextSpan, ...]:
    return tuple(
        TextSpan(float(start), float(end), words) for start, end, words in json.loads(text)
    )
