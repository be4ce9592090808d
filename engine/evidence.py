"""What the engine keeps of a video: one immutable safetensors file per video.

A file holds the picture vectors of the sampled frames with their times, the transcript and the
screen text with theirs, and a few thumbnails; never the video. It is written under another name
and renamed, so a reader finds all of it or nothing.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.numpy import save_file

FORMAT = "2"


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


def _none() -> npt.NDArray[np.float32]:
    return np.zeros(0, dtype=np.float32)


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Write beside `path` and rename; a reader never sees half a file."""
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
    beside = path.with_name(path.name + ".part")
    save_file(tensors, beside, metadata)
    os.replace(beside, path)


def read_evidence(path: Path) -> Evidence:
    """Read one video's evidence; raises FileNotFoundError, or ValueError for another format."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        if metadata.get("format") != FORMAT:
            raise ValueError(f"{path.name} is of another format: index its video again")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    packed = tensors["thumbnails"].tobytes()
    ends = np.cumsum(tensors["thumbnail_sizes"])
    return Evidence(
        duration_s=float(metadata["duration_s"]),
        frame_times=tensors["frame_times"],
        frame_vectors=tensors["frame_vectors"],
        scene_starts=tensors["scene_starts"],
        transcript=_load_spans(metadata["transcript"]),
        screen_text=_load_spans(metadata["screen_text"]),
        thumbnail_times=tensors["thumbnail_times"],
        thumbnails=tuple(
            packed[end - size : end]
            for end, size in zip(ends, tensors["thumbnail_sizes"], strict=True)
        ),
        models=json.loads(metadata["models"]),
        moment_edges=tensors["moment_edges"],
        moment_vectors=tensors["moment_vectors"].astype(np.float32),
        transcript_vectors=tensors["transcript_vectors"].astype(np.float32),
        screen_text_vectors=tensors["screen_text_vectors"].astype(np.float32),
    )


def _dump_spans(spans: tuple[TextSpan, ...]) -> str:
    return json.dumps([[span.start, span.end, span.text] for span in spans], ensure_ascii=False)


def _load_spans(text: str) -> tuple[TextSpan, ...]:
    return tuple(
        TextSpan(float(start), float(end), words) for start, end, words in json.loads(text)
    )
