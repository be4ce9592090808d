"""From stored evidence and prompts to clips: a pure function, no model looks at a video here.

Each kind of evidence gives every prompt a score per row, where a row is a moment of the picture, a
line of speech or a text on the screen. Rows that follow each other and match equally well are one
clip. Every row belongs to some clip of every prompt, so that a threshold only ever removes clips.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from classification import Clip
from engine.evidence import Evidence, TextSpan
from engine.models import Models, calibration
from engine.moments import is_ready, ready

FloatArray = npt.NDArray[np.float32]

VISUAL = "visual"
CONVERSATION = "conversation"
TEXT_IN_VIDEO = "text_in_video"
OPTIONS = (VISUAL, CONVERSATION, TEXT_IN_VIDEO)
EXACT_MATCH = "exact_match"

# A clip begins where the score reaches the first and goes on until it is below the second; so it
# does not flicker about one border. Two of them, so that also what fits somewhat is told apart.
BANDS = ((65.0, 50.0), (35.0, 20.0))
LONGEST_GAP_S = 2.0
SHORTEST_S = 1.0
# How far the other prompts of a class have to confirm one of them where texts are compared.
AGREEMENT = 0.5
# Recognisers err: words that were all heard are not quite certain to have been said.
ALL_WORDS = 95.0
SMALL_WORDS = {
    *("a", "an", "and", "at", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or"),
    *("some", "the", "their", "this", "to", "with"),
}
CERTAIN = 1e-4


class Rows(NamedTuple):
    """Stretches in order of time, float32[s] seconds; the scores are float32[s, prompts]."""

    starts: FloatArray
    ends: FloatArray


class Question:
    """Classes to look for by one kind of evidence: made once, asked of every video.

        question = Question({"Pets": ("dog", "cat")}, "visual", models)
        clips = question.clips(evidence)["Pets"]

    The prompts of a class are judged together: one that stands alone among them is doubted.
    """

    def __init__(
        self,
        classes: Mapping[str, Sequence[str]],
        option: str,
        models: Models,
        conversation_option: str = "semantic",
        shown_as: str = "",
    ) -> None:
        """Make the question ready.

        Args:
            classes: the prompts of each class, by its name.
            option: visual, conversation or text_in_video.
            conversation_option: semantic (by meaning) or exact_match (by words), for speech only.
            shown_as: the option that clips carry, where it is not the one that finds them.
        """
        if option not in OPTIONS:
            raise ValueError(f"option is {option!r}: it must be one of {', '.join(OPTIONS)}")
        self._names = list(classes)
        self._prompts = [prompt for name in classes for prompt in classes[name]]
        sizes = [len(prompts) for prompts in classes.values()]
        self.class_of = np.repeat(np.arange(len(sizes)), sizes)
        self._option = option
        self._shown_as = shown_as or option
        self._models = models
        self._by_words = option == CONVERSATION and conversation_option == EXACT_MATCH
        if option == VISUAL:
            self._vectors = models.visual.encode_prompts(self._prompts)
        elif not self._by_words:
            mean = models.text.background().mean
            self._vectors = models.text.encode(self._prompts) - mean

    def scores(self, evidence: Evidence) -> tuple[Rows, FloatArray]:
        """The rows of one video and every prompt's score for them, those of a class in agreement.

        Columns are the prompts of all classes in order; `class_of` int[prompts] tells whose.
        """
        rows, scores, agreement = self._alone(self._ready(evidence))
        return rows, _agreed(scores, self.class_of, agreement)

    def clips(self, evidence: Evidence, at_least: float = 0.0) -> dict[str, list[Clip]]:
        """The clips of one video for every class, those that score `at_least` so much."""
        rows, scores, agreement = self._alone(self._ready(evidence))
        found: dict[str, list[Clip]] = {name: [] for name in self._names}
        if not scores.size:
            return found
        # Agreement and means only lower a score: classes without any chance go no further.
        hopeful = np.zeros(len(self._names), dtype=bool)
        hopeful[self.class_of[scores.max(axis=0) >= at_least]] = True
        columns = np.flatnonzero(hopeful[self.class_of])
        if not len(columns):
            return found
        scores = _agreed(scores[:, columns], self.class_of[columns], agreement)
        still = scores.max(axis=0, initial=0) >= at_least
        scores, columns = scores[:, still], columns[still]
        for at, start, end, score in _stretches(rows, scores, at_least):
            column = columns[at]
            end = max(end, min(start + SHORTEST_S, evidence.duration_s))
            clip = Clip(start, end, score, self._shown_as, self._prompts[column])
            found[self._names[self.class_of[column]]].append(clip)
        return found

    def _ready(self, evidence: Evidence) -> Evidence:
        return evidence if is_ready(evidence) else ready(evidence, self._models)

    def _alone(self, evidence: Evidence) -> tuple[Rows, FloatArray, float]:
        """Scores of each prompt on its own, and how far those of its class have to agree."""
        if self._option == VISUAL:
            edges, visual = evidence.moment_edges, self._models.visual
            if not len(edges):
                return _rows(()), np.zeros((0, 0), np.float32), 0.0
            scores = visual.score(evidence.moment_vectors, self._vectors)
            return Rows(edges[:-1], edges[1:]), scores, visual.agreement
        if self._by_words:
            spans = evidence.transcript
            return _rows(spans), _word_scores([span.text for span in spans], self._prompts), 0.0
        spans, vectors, curve = (
            (evidence.transcript, evidence.transcript_vectors, calibration.CONVERSATION)
            if self._option == CONVERSATION
            else (evidence.screen_text, evidence.screen_text_vectors, calibration.TEXT_IN_VIDEO)
        )
        if not spans:
            return _rows(()), np.zeros((0, 0), np.float32), 0.0
        return _rows(spans), curve.percent(vectors @ self._vectors.T), AGREEMENT


def _agreed(scores: FloatArray, class_of: npt.NDArray[np.int64], weight: float) -> FloatArray:
    """Draw each prompt's log-odds towards the mean of its class, where that is lower."""
    if not weight or not scores.size:
        return scores
    chances = np.clip(scores / 100, CERTAIN, 1 - CERTAIN)
    odds = np.log(chances / (1 - chances))
    _, class_of = np.unique(class_of, return_inverse=True)
    members = np.eye(class_of.max() + 1, dtype=np.float32)[class_of]
    means = odds @ (members / members.sum(axis=0))
    odds = np.minimum(odds, (1 - weight) * odds + weight * means[:, class_of])
    return np.asarray(100 / (1 + np.exp(-odds)), dtype=np.float32)


def _rows(spans: Sequence[TextSpan]) -> Rows:
    starts = np.array([span.start for span in spans], dtype=np.float32)
    return Rows(starts, np.array([span.end for span in spans], dtype=np.float32))


def _stretches(
    rows: Rows, scores: FloatArray, at_least: float
) -> list[tuple[int, float, float, float]]:
    """Column, start, end and score of every run of rows in one band that scores `at_least`."""
    count, columns = scores.shape
    if not columns:
        return []
    band = sum(_above(scores, enter, leave).astype(np.int8) for enter, leave in BANDS)
    begins = np.ones((count, columns), dtype=bool)
    apart = rows.starts[1:] - rows.ends[:-1] > LONGEST_GAP_S
    begins[1:] = (np.diff(np.asarray(band), axis=0) != 0) | apart[:, None]
    # One column after another, so that the runs of a column lie behind each other.
    firsts = np.flatnonzero(begins.T)
    lasts = np.append(firsts[1:], count * columns) - 1
    lengths = np.tile(np.maximum(rows.ends - rows.starts, 1e-3), columns)
    weights = np.add.reduceat(lengths, firsts)
    means = np.add.reduceat(scores.T.ravel() * lengths, firsts) / weights
    kept = means >= at_least
    firsts, lasts, means = firsts[kept], lasts[kept], means[kept]
    return list(
        zip(
            (firsts // count).tolist(),
            rows.starts[firsts % count].tolist(),
            rows.ends[lasts % count].tolist(),
            means.tolist(),
            strict=True,
        )
    )


def _above(scores: FloatArray, enter: float, leave: float) -> npt.NDArray[np.bool_]:
    """Per column: from a row that reaches `enter` on, until one is below `leave`."""
    rows, none = np.arange(len(scores), dtype=np.int32)[:, None], np.int32(-1)
    entered = np.maximum.accumulate(np.where(scores >= enter, rows, none), axis=0)
    left = np.maximum.accumulate(np.where(scores < leave, rows, none), axis=0)
    return entered > left


def _word_scores(texts: Sequence[str], prompts: Sequence[str]) -> FloatArray:
    """The share of a prompt's words that are in each text, in percent; small words do not count."""
    said = [set(_stems(text)) for text in texts]
    scores = np.zeros((len(texts), len(prompts)), dtype=np.float32)
    for column, prompt in enumerate(prompts):
        wanted = set(_stems(prompt))
        wanted = {word for word in wanted if word not in SMALL_WORDS} or wanted
        if wanted:
            scores[:, column] = [ALL_WORDS * len(wanted & words) / len(wanted) for words in said]
    return scores


def _stems(text: str) -> list[str]:
    """The words of a text, lower case, without the commonest endings of English."""
    words = re.findall(r"[^\W_]+", text.lower())
    return [re.sub(r"(?<=\w{3})(ies|es|s|ing|ed|y|e)$", "", word) for word in words]
