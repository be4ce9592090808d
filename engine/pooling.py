"""Prepares evidence for scoring: all the work on a video that does not depend on the prompts.

Frames are pooled into windows of a few seconds that never span a scene change, so that no single
odd frame counts. Lines of speech are encoded together with their neighbours. All that is left to
do for a prompt is one product with its vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.evidence import Evidence, TextSpan
from engine.models.protocols import Models, TextEncoder

FloatArray = npt.NDArray[np.float32]

WINDOW_S = 3.0
# A short line says little without the ones before and after it. After a longer pause the next line
# may be about something else.
MAX_PAUSE_S = 4.0


class Windows(NamedTuple):
    """Consecutive pooling windows: w + 1 edges in seconds, and the first frame of each window."""

    edges: list[float]
    first_frames: list[int]


def prepare(evidence: Evidence, models: Models) -> Evidence:
    """The same evidence with its pooling windows and with vectors for its texts."""
    frames = evidence.frame_vectors.astype(np.float32)
    windows = cut_windows(evidence)
    pooled = models.visual.pool(frames, windows.first_frames) if len(frames) else frames
    spoken = with_neighbours(evidence.transcript)
    shown = [span.text for span in evidence.screen_text]
    return replace(
        evidence,
        window_edges=np.array(windows.edges, dtype=np.float32),
        window_vectors=_rounded_as_stored(pooled),
        transcript_vectors=_text_vectors(spoken, models.text),
        screen_text_vectors=_text_vectors(shown, models.text),
    )


def is_prepared(evidence: Evidence) -> bool:
    """Whether nothing is left to do before scoring."""
    return (
        len(evidence.window_edges) == len(evidence.window_vectors) + (len(evidence.frame_times) > 0)
        and len(evidence.transcript_vectors) == len(evidence.transcript)
        and len(evidence.screen_text_vectors) == len(evidence.screen_text)
    )


def cut_windows(evidence: Evidence) -> Windows:
    """Cut a video into windows of about `WINDOW_S` at most, each within one scene."""
    times = evidence.frame_times.tolist()
    starts = {int(at) for at in np.searchsorted(times, evidence.scene_starts)} - {0, len(times)}
    first_frames: list[int] = []
    scenes = [0, *sorted(starts), len(times)] if times else []
    for first, after in pairwise(scenes):
        end_s = times[after] if after < len(times) else evidence.duration_s
        parts = min(max(math.ceil((end_s - times[first]) / WINDOW_S), 1), after - first)
        first_frames += [first + (after - first) * part // parts for part in range(parts)]
    edges = [0.0, *(times[first] for first in first_frames[1:]), evidence.duration_s]
    return Windows(edges if first_frames else [], first_frames)


def with_neighbours(lines: Sequence[TextSpan]) -> list[str]:
    """The text of each line together with its neighbours', unless a long pause lies between."""
    texts = [line.text for line in lines]
    joined = [[text] for text in texts]
    for at, (line, following) in enumerate(pairwise(lines)):
        if following.start - line.end <= MAX_PAUSE_S:
            joined[at].append(texts[at + 1])
            joined[at + 1].insert(0, texts[at])
    return [" ".join(parts) for parts in joined]


def _text_vectors(texts: Sequence[str], encoder: TextEncoder) -> FloatArray:
    if not texts:
        return np.zeros((0, 0), dtype=np.float32)
    return _rounded_as_stored(encoder.background().scale(encoder.encode(texts)))


def _rounded_as_stored(vectors: FloatArray) -> FloatArray:
    """Rounded to float16, so that fresh evidence scores exactly as it will when read from disk."""
    return vectors.astype(np.float16).astype(np.float32)
