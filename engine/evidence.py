"""What the engine keeps of a video: one immutable safetensors file per video.

A file holds the vectors of the sampled frames, the transcript and the screen text, each with its
times, and a few thumbnails. It never holds the video itself.
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

FORMAT_VERSION = "2"
# Tensors that scoring does not need once pooling.prepare has run.
NOT_SCORED = {"frame_vectors", "thumbnails", "thumbnail_times", "thumbnail_sizes"}


class EvidenceOutdated(ValueError):
    """A file of another format version: its video has to be indexed again."""


class EvidenceDamaged(ValueError):
    """An unreadable file: its video has to be indexed again."""


@dataclass(frozen=True)
class TextSpan:
    """Words spoken or shown from `start` to `end`, in seconds of the video."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Evidence:
    """Everything that classification needs to know about one video.

    Attributes:
        duration_s: length of the video.
        frame_times: float32[n], seconds of the sampled frames.
        frame_vectors: float16[n, d], the visual encoder's output for each of them.
        scene_starts: float32[s], seconds at which a new scene begins.
        transcript: lines of speech.
        screen_text: texts on the screen.
        thumbnail_times: float32[t], seconds of the thumbnails.
        thumbnails: JPEG files.
        models: name of the model that made each kind of evidence.
        window_edges: float32[w + 1], seconds at which pooling windows begin and end.
        window_vectors: float32[w, k], the pooled frames of each window.
        transcript_vectors: float32[lines, k], one row for each line of the transcript.
        screen_text_vectors: float32[texts, k], one row for each text on the screen.

    The last four are made for scoring, by pooling.prepare. Their values are those that float16
    can hold, since that is how they are stored.
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
    window_edges: npt.NDArray[np.float32] = field(default_factory=lambda: _empty())
    window_vectors: npt.NDArray[np.float32] = field(default_factory=lambda: _empty())
    transcript_vectors: npt.NDArray[np.float32] = field(default_factory=lambda: _empty())
    screen_text_vectors: npt.NDArray[np.float32] = field(default_factory=lambda: _empty())

    @cached_property
    def window_times(self) -> npt.NDArray[np.float32]:
        """Starts and ends of the pooling windows, float32[2, w]."""
        return np.stack([self.window_edges[:-1], self.window_edges[1:]])

    @cached_property
    def transcript_times(self) -> npt.NDArray[np.float32]:
        """Starts and ends of the transcript's lines, float32[2, n]."""
        return _times(self.transcript)

    @cached_property
    def screen_text_times(self) -> npt.NDArray[np.float32]:
        """Starts and ends of the screen text, float32[2, n]."""
        return _times(self.screen_text)


def _empty() -> npt.NDArray[np.float32]:
    return np.zeros(0, dtype=np.float32)


def _times(spans: tuple[TextSpan, ...]) -> npt.NDArray[np.float32]:
    times = [[span.start for span in spans], [span.end for span in spans]]
    return np.array(times, dtype=np.float32)


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Write a file that appears under its name only when it is complete."""
    sizes = np.array([len(image) for image in evidence.thumbnails], dtype=np.int64)
    tensors: dict[str, npt.NDArray[Any]] = {
        "frame_times": evidence.frame_times.astype(np.float32),
        "frame_vectors": evidence.frame_vectors.astype(np.float16),
        "scene_starts": evidence.scene_starts.astype(np.float32),
        "thumbnail_times": evidence.thumbnail_times.astype(np.float32),
        "thumbnail_sizes": sizes,
        "thumbnails": np.frombuffer(b"".join(evidence.thumbnails), dtype=np.uint8),
        # Stored as "moment" ever since format version 2; other names would be a new version,
        # and every video would have to be indexed again.
        "moment_edges": evidence.window_edges.astype(np.float32),
        "moment_vectors": evidence.window_vectors.astype(np.float16),
        "transcript_vectors": evidence.transcript_vectors.astype(np.float16),
        "screen_text_vectors": evidence.screen_text_vectors.astype(np.float16),
    }
    metadata = {
        "format": FORMAT_VERSION,
        "duration_s": repr(evidence.duration_s),
        "transcript": _dump_spans(evidence.transcript),
        "screen_text": _dump_spans(evidence.screen_text),
        "models": json.dumps(evidence.models, sort_keys=True),
    }
    with replacing(path) as beside:
        save_file(tensors, beside, metadata)


def is_complete(path: Path) -> bool:
    """Whether a file exists, is a safetensors file and has its full length: a quick check."""
    try:
        with safe_open(path, framework="numpy"):
            return True
    except (FileNotFoundError, SafetensorError):
        return False


def read_evidence(path: Path, *, with_frames: bool = True) -> Evidence:
    """Read one video's evidence.

    Classification needs only what `pooling.prepare` made. `with_frames=False` leaves frame vectors
    and thumbnails, by far the largest part of a file, on disk; the result has none.

    Raises FileNotFoundError, EvidenceOutdated for another format version, or EvidenceDamaged.
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
        if metadata.get("format") != FORMAT_VERSION:
            raise EvidenceOutdated(f"{path.name} has another format version: index its video again")
        tensors = {
            name: file.get_tensor(name)
            for name in file.keys()  # noqa: SIM118
            if with_frames or name not in NOT_SCORED
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
        thumbnail_times=tensors.get("thumbnail_times", _empty()),
        thumbnails=tuple(
            packed[end - size : end] for end, size in zip(np.cumsum(sizes), sizes, strict=True)
        ),
        models=json.loads(metadata["models"]),
        window_edges=tensors["moment_edges"],
        window_vectors=_as_float32(tensors["moment_vectors"]),
        transcript_vectors=_as_float32(tensors["transcript_vectors"]),
        screen_text_vectors=_as_float32(tensors["screen_text_vectors"]),
    )


def _as_float32(halves: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
    """The same numbers as float32; NumPy converts one at a time and takes 15 times as long."""
    if not halves.size:
        return halves.astype(np.float32)
    return np.asarray(cv2.convertFp16(halves.view(np.int16)), dtype=np.float32)


class EvidenceCache:
    """Reads evidence without frames and caches the files read last.

    A file never changes once it is written; a new file of the same name has another time.
    """

    def __init__(self, max_bytes: int) -> None:
        """`max_bytes` limits the vectors that are held."""
        self._free = max_bytes
        self._cached: OrderedDict[tuple[str, int], tuple[int, Evidence]] = OrderedDict()
        self._lock = Lock()

    def read(self, path: Path) -> Evidence:
        """Like read_evidence without frames."""
        key = (str(path), path.stat().st_mtime_ns)
        with self._lock:
            if key in self._cached:
                self._cached.move_to_end(key)
                return self._cached[key][1]
        evidence = read_evidence(path, with_frames=False)
        size = evidence.window_vectors.nbytes + evidence.transcript_vectors.nbytes
        size += evidence.screen_text_vectors.nbytes
        with self._lock:
            if key not in self._cached:
                self._cached[key] = (size, evidence)
                self._free -= size
            while self._free < 0:
                _, (size, _) = self._cached.popitem(last=False)
                self._free += size
        return evidence


def _dump_spans(spans: tuple[TextSpan, ...]) -> str:
    return json.dumps([[span.start, span.end, span.text] for span in spans], ensure_ascii=False)


def _load_spans(text: str) -> tuple[TextSpan, ...]:
    return tuple(
        TextSpan(float(start), float(end), words) for start, end, words in json.loads(text)
    )
