"""From stored evidence and prompts to clips: a pure function, no model looks at a video here.

Each kind of evidence says of every prompt how surely each row matches it, where a row is a moment
of the picture, a line of speech or a text on the screen; stretches.py makes clips of the rows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt

from classification import Clip
from engine.evidence import Evidence
from engine.models import Models, calibration
from engine.models.calibration import logit
from engine.moments import is_ready, ready
from engine.stretches import AgreedLogits, Classes, Rows, find_stretches

FloatArray = npt.NDArray[np.float32]

VISUAL = "visual"
CONVERSATION = "conversation"
TEXT_IN_VIDEO = "text_in_video"
OPTIONS = (VISUAL, CONVERSATION, TEXT_IN_VIDEO)
EXACT_MATCH = "exact_match"

CURVES = {CONVERSATION: calibration.CONVERSATION, TEXT_IN_VIDEO: calibration.TEXT_IN_VIDEO}

SHORTEST_S = 1.0
# How far the other prompts of a class have to confirm one of them where texts are compared.
AGREEMENT = 0.5
# Recognisers err: words that were all heard are not quite certain to have been said.
ALL_WORDS = 95.0
SMALL_WORDS = {
    *("a", "an", "and", "at", "by", "for", "from", "in", "is", "it", "its", "of", "on", "or"),
    *("some", "the", "their", "this", "to", "with"),
}


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
        agreement = models.visual.agreement if option == VISUAL else AGREEMENT
        self._classes = Classes(self.class_of, 0.0 if self._by_words else agreement)
        if not self._by_words:
            encoder = models.visual if option == VISUAL else models.text
            # in the order in which products are soonest made
            self._vectors = np.asfortranarray(encoder.encode_prompts(self._prompts))

    def logits(self, evidence: Evidence) -> Rows:
        """The rows of one video, the prompts of a class in agreement.

        Columns are the prompts of all classes in order; `class_of` int[prompts] tells whose.
        """
        rows = self._rows([self._ready(evidence)])
        if not rows.logits.size:
            return rows
        row, prompt = (np.arange(count) for count in rows.logits.shape)
        return rows._replace(
            logits=AgreedLogits(rows.logits, self._classes).at(row[:, None], prompt)
        )

    def clips(self, evidence: Evidence, at_least: float = 0.0) -> dict[str, list[Clip]]:
        """The clips of one video for every class, those that score `at_least` so much."""
        found = self.clips_of_each([evidence], at_least)[0]
        return {name: found.get(name, []) for name in self._names}

    def clips_of_each(
        self, videos: Sequence[Evidence], at_least: float = 0.0
    ) -> list[dict[str, list[Clip]]]:
        """The same for several videos, sooner; classes without clips are left out."""
        if not videos:
            return []
        videos = [self._ready(evidence) for evidence in videos]
        found: list[dict[str, list[Clip]]] = [defaultdict(list) for _ in videos]
        stretches = find_stretches(self._rows(videos), self._classes, at_least)
        durations = np.array([evidence.duration_s for evidence in videos])[stretches.videos]
        earliest = np.minimum(stretches.starts + SHORTEST_S, durations)
        stretches = stretches._replace(ends=np.maximum(stretches.ends, earliest))
        places, prompts, *shape = (column.tolist() for column in stretches)
        texts = map(self._prompts.__getitem__, prompts)
        clips = map(Clip, *shape, repeat(self._shown_as), texts)
        names = map([self._names[place] for place in self.class_of].__getitem__, prompts)
        for place, name, clip in zip(places, names, clips, strict=True):
            found[place][name].append(clip)
        return found

    def _ready(self, evidence: Evidence) -> Evidence:
        return evidence if is_ready(evidence) else ready(evidence, self._models)

    def _rows(self, videos: Sequence[Evidence]) -> Rows:
        parts = [self._part(evidence) for evidence in videos]
        firsts = np.cumsum([0, *(len(starts) for starts, _, _ in parts)])
        starts, ends, logits = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Rows(firsts, starts, ends, logits)

    def _part(self, evidence: Evidence) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Starts, ends and logits of one video's rows, each prompt judged on its own."""
        if self._option == VISUAL:
            edges = evidence.moment_edges
            return edges[:-1], edges[1:], self._logits(evidence.moment_vectors)
        spans, (starts, ends), vectors = (
            (evidence.transcript, evidence.transcript_times, evidence.transcript_vectors)
            if self._option == CONVERSATION
            else (evidence.screen_text, evidence.screen_text_times, evidence.screen_text_vectors)
        )
        if self._by_words:
            scores = _word_scores([span.text for span in spans], self._prompts)
            return starts, ends, logit(scores)
        return starts, ends, self._logits(vectors)

    def _logits(self, vectors: FloatArray) -> FloatArray:
        if not len(vectors):
            return np.zeros((0, len(self._prompts)), np.float32)
        if self._option == VISUAL:
            return self._models.visual.logits(vectors, self._vectors)
        return CURVES[self._option].logits(vectors @ self._vectors.T)


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
