"""Makes evidence ready for scoring: everything about a video that does not depend on the prompts.

The pictures are pooled into moments of a few seconds that never reach over a change of scene, so
that a frame's whim does not count; lines of speech are read with their neighbours. What is left to
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
from engine.models.choice import Models, TextEncoder

FloatArray = npt.NDArray[np.float32]

MOMENT_S = 3.0
# A short line says little without the ones before and after it; after a longer pause the next one
# may speak of something else.
LONGEST_PAUSE_S = 4.0


class Moments(NamedTuple):
    """Stretches that follow each other: s + 1 edges in seconds, and the first frame of each."""

    edges: list[float]
    firsts: list[int]


def ready(evidence: Evidence, models: Models) -> Evidence:
    """The same evidence with its moments and the vectors of its texts."""
    frames = evidence.frame_vectors.astype(np.float32)
    moments = cut(evidence)
    pooled = models.visual.pool(frames, moments.firsts) if len(frames) else frames
    spoken, written = windows(evidence.transcript), [span.text for span in evidence.screen_text]
    return replace(
        evidence,
        moment_edges=np.array(moments.edges, dtype=np.float32),
        moment_vectors=_as_stored(pooled),
        transcript_vectors=_text_vectors(spoken, models.text),
        screen_text_vectors=_text_vectors(written, models.text),
    )


def is_ready(evidence: Evidence) -> bool:
    """Whether nothing is left to do before scoring."""
    return (
        len(evidence.moment_edges) == len(evidence.moment_vectors) + (len(evidence.frame_times) > 0)
        and len(evidence.transcript_vectors) == len(evidence.transcript)
        and len(evidence.screen_text_vectors) == len(evidence.screen_text)
    )


def cut(evidence: Evidence) -> Moments:
    """Cut a video into moments of about `MOMENT_S` at most, each with a frame of one scene."""
    times = evidence.frame_times.tolist()
    starts = {int(at) for at in np.searchsorted(times, evidence.scene_starts)} - {0, len(times)}
    firsts: list[int] = []
    scenes = [0, *sorted(starts), len(times)] if times else []
    for first, after in pairwise(scenes):
        end_s = times[after] if after < len(times) else evidence.duration_s
        parts = min(max(math.ceil((end_s - times[first]) / MOMENT_S), 1), after - first)
        firsts += [first + (after - first) * part // parts for part in range(parts)]
    edges = [0.0, *(times[first] for first in firsts[1:]), evidence.duration_s]
    return Moments(edges if firsts else [], firsts)


def windows(lines: Sequence[TextSpan]) -> list[str]:
    """Each line's text with that of its neighbours, unless a pause lies between."""
    texts = [line.text for line in lines]
    read = [[text] for text in texts]
    for at, (one, other) in enumerate(pairwise(lines)):
        if other.start - one.end <= LONGEST_PAUSE_S:
            read[at].append(texts[at + 1])
            read[at + 1].insert(0, texts[at])
    return [" ".join(parts) for parts in read]


def _text_vectors(texts: Sequence[str], encoder: TextEncoder) -> FloatArray:
    if not texts:
        return np.zeros((0, 0), dtype=np.float32)
    return _as_stored(encoder.background().scale(encoder.encode(texts)))


def _as_stored(vectors: FloatArray) -> FloatArray:
    return vectors.astype(np.float16).astype(np.float32)
