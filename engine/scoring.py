"""From stored evidence and prompts to clips: a pure function, no model looks at a video here.

Every moment with evidence belongs to some clip of every prompt, with its own calibrated score, so
that thresholds only ever remove clips.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from classification import Clip
from engine.evidence import Evidence, TextSpan
from engine.models import Models, TextEncoder

FloatArray = npt.NDArray[np.float32]

VISUAL = "visual"
CONVERSATION = "conversation"
TEXT_IN_VIDEO = "text_in_video"
EXACT_MATCH = "exact_match"
WINDOW_LINES = 3
LONGEST_CLIP_S = 30.0


def find_clips(
    evidence: Evidence,
    prompts: Sequence[str],
    option: str,
    models: Models,
    conversation_option: str = "semantic",
) -> dict[str, list[Clip]]:
    """All clips of one video for each prompt, by one kind of evidence, scores 0-100.

    Args:
        option: visual, conversation or text_in_video.
        conversation_option: semantic (by meaning) or exact_match (by words); used for speech only.
    """
    if option == VISUAL:
        return _visual_clips(evidence, prompts, models)
    if option == CONVERSATION:
        spans, windows = evidence.transcript, _windows(evidence.transcript)
    elif option == TEXT_IN_VIDEO:
        spans, windows = evidence.screen_text, [span.text for span in evidence.screen_text]
    else:
        raise ValueError(
            f"option is {option!r}: it must be {VISUAL}, {CONVERSATION} or {TEXT_IN_VIDEO}"
        )
    if option == CONVERSATION and conversation_option == EXACT_MATCH:
        scores = _word_scores([span.text for span in spans], prompts)
    else:
        scores = _meaning_scores(windows, prompts, models.text)
    return {
        prompt: [
            Clip(span.start, span.end, float(score), option, prompt)
            for span, score in zip(spans, column, strict=True)
        ]
        for prompt, column in zip(prompts, scores.T, strict=True)
    }


def _visual_clips(
    evidence: Evidence, prompts: Sequence[str], models: Models
) -> dict[str, list[Clip]]:
    scores = models.visual.score(
        evidence.frame_vectors.astype(np.float32), models.visual.encode_prompts(prompts)
    )
    edges = _edges(evidence)
    firsts = np.searchsorted(evidence.frame_times, edges[:-1])
    lasts = np.append(firsts[1:], len(scores))
    return {
        prompt: [
            Clip(start, end, float(column[first:last].mean()), VISUAL, prompt)
            for start, end, first, last in zip(edges[:-1], edges[1:], firsts, lasts, strict=True)
            if last > first
        ]
        for prompt, column in zip(prompts, scores.T, strict=True)
    }


def _edges(evidence: Evidence) -> list[float]:
    """Where clips begin and end: scene changes, and at most half a minute apart."""
    starts = sorted({0.0, *(float(time) for time in evidence.scene_starts)})
    edges: list[float] = []
    for start, end in zip(starts, [*starts[1:], evidence.duration_s], strict=True):
        parts = max(int(np.ceil((end - start) / LONGEST_CLIP_S)), 1)
        edges += [start + (end - start) * part / parts for part in range(parts)]
    return [*edges, evidence.duration_s]


def _windows(lines: Sequence[TextSpan]) -> list[str]:
    """Each line with its neighbours, so that a short line is read in its context."""
    reach = WINDOW_LINES // 2
    return [
        " ".join(line.text for line in lines[max(at - reach, 0) : at + reach + 1])
        for at in range(len(lines))
    ]


def _meaning_scores(
    texts: Sequence[str], prompts: Sequence[str], encoder: TextEncoder
) -> FloatArray:
    likeness = encoder.encode(texts) @ encoder.encode(prompts).T
    return np.asarray(100 / (1 + np.exp(-(12 * likeness - 4))), dtype=np.float32)


def _word_scores(texts: Sequence[str], prompts: Sequence[str]) -> FloatArray:
    wanted = [_stems(prompt) for prompt in prompts]
    heard = [_stems(text) for text in texts]
    return np.array(
        [[100 * len(words & said) / max(len(words), 1) for words in wanted] for said in heard],
        dtype=np.float32,
    ).reshape(len(texts), len(prompts))


def _stems(text: str) -> set[str]:
    words = re.findall(r"[^\W_]+", text.lower())
    return {re.sub(r"(?<=\w{3})(ing|ed|es|s)$", "", word) for word in words}
