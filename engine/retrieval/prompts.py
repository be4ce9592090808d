"""From stored evidence and prompts to clips: a pure function, no model looks at a video here.

Each kind of evidence says of every prompt how far it stands out in each row, where a row is a
moment of the picture, a line of speech or a text on the screen; stretches.py makes clips of rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat
from operator import attrgetter, itemgetter

import numpy as np
import numpy.typing as npt

from core.classification import Clip
from engine.evidence import Evidence
from engine.models import calibration
from engine.models.calibration import LOG_ODDS, Calibration
from engine.models.choice import Models
from engine.models.prompts import products
from engine.pooling import is_ready, ready
from engine.retrieval.segments import AgreedLikeness, Classes, Rows, Stretches, find_stretches

FloatArray = npt.NDArray[np.float32]

VISUAL = "visual"
CONVERSATION = "conversation"
TEXT_IN_VIDEO = "text_in_video"
OPTIONS = (VISUAL, CONVERSATION, TEXT_IN_VIDEO)
EXACT_MATCH = "exact_match"

TIMES: Mapping[str, Callable[[Evidence], FloatArray]] = {
    VISUAL: attrgetter("moment_times"),
    CONVERSATION: attrgetter("transcript_times"),
    TEXT_IN_VIDEO: attrgetter("screen_text_times"),
}
VECTORS: Mapping[str, Callable[[Evidence], FloatArray]] = {
    VISUAL: attrgetter("moment_vectors"),
    CONVERSATION: attrgetter("transcript_vectors"),
    TEXT_IN_VIDEO: attrgetter("screen_text_vectors"),
}
CALIBRATIONS = {CONVERSATION: calibration.CONVERSATION, TEXT_IN_VIDEO: calibration.TEXT_IN_VIDEO}

# So many rows by a hundred prompts lie in the cache of a processor's core.
BLOCK_ROWS = 3000
SHORTEST_S = 1.0
# How far the other prompts of a class have to confirm one of them where texts are compared.
AGREEMENT = 0.5
# Recognisers err: words that were all heard are not quite certain to have been said.
ALL_WORDS = 95.0
# Where no spaces are written (kana, Chinese characters, Thai) each character stands for a word.
UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
WORD = re.compile(f"[{UNSPACED}]|[^\\W_{UNSPACED}]+")
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
        self.names = list(classes)
        self.prompts = [prompt for name in classes for prompt in classes[name]]
        sizes = [len(prompts) for prompts in classes.values()]
        self.class_of = np.repeat(np.arange(len(sizes)), sizes)
        self._option = option
        self.shown_as = shown_as or option
        self._models = models
        self._by_words = option == CONVERSATION and conversation_option == EXACT_MATCH
        self._classes = Classes(self.class_of, self._agreement())
        self.calibration = self._calibration()
        if not self._by_words:
            encoder = models.visual if option == VISUAL else models.text
            # in the order in which products are soonest made
            self._vectors = np.asfortranarray(encoder.encode_prompts(self.prompts))

    def likeness(self, evidence: Evidence) -> tuple[Rows, FloatArray]:
        """The rows of one video, and how far each prompt stands out there: float32[rows, prompts].

        The prompts of a class are in agreement. Columns are the prompts of all classes in order;
        `class_of` int[prompts] tells whose.
        """
        evidence = self._ready(evidence)
        alone = self._likeness([evidence])
        row, prompt = (np.arange(count) for count in alone.shape)
        agreed = AgreedLikeness(alone, self._classes).at(row[:, None], prompt)
        return self._rows([evidence]), agreed

    def clips(self, evidence: Evidence, at_least: float = 0.0) -> dict[str, list[Clip]]:
        """The clips of one video for every class, those that score `at_least` so much."""
        found = self.find([evidence], at_least)
        clips: dict[str, list[Clip]] = {name: [] for name in self.names}
        for _, name, clip in found.clips(np.ones_like(found.seconds, dtype=bool)):
            clips[name].append(clip)
        return clips

    def find(self, videos: Sequence[Evidence], at_least: float = 0.0) -> Found:
        """The same for several videos, sooner; columns are the classes in the order of `names`."""
        videos = [self._ready(evidence) for evidence in videos]
        rows, tables = self._rows(videos), map(self._likeness, self._blocks(videos))
        stretches = find_stretches(rows, tables, self._classes, self.calibration, at_least)
        durations = np.array([evidence.duration_s for evidence in videos])[stretches.videos]
        earliest = np.minimum(stretches.starts + SHORTEST_S, durations)
        stretches = stretches._replace(ends=np.maximum(stretches.ends, earliest))
        seconds = np.zeros((len(videos), len(self.names)))
        places = stretches.videos, self.class_of[stretches.prompts]
        np.add.at(seconds, places, stretches.ends - stretches.starts)
        return Found(self, stretches, seconds)

    def _agreement(self) -> float:
        if self._by_words:
            return 0.0
        return self._models.visual.agreement if self._option == VISUAL else AGREEMENT

    def _calibration(self) -> Calibration:
        if self._by_words:
            return LOG_ODDS
        if self._option == VISUAL:
            return self._models.visual.calibration
        return CALIBRATIONS[self._option]

    def _ready(self, evidence: Evidence) -> Evidence:
        return evidence if is_ready(evidence) else ready(evidence, self._models)

    def _rows(self, videos: Sequence[Evidence]) -> Rows:
        times = [np.zeros((2, 0), np.float32), *map(TIMES[self._option], videos)]
        starts, ends = np.concatenate(times, axis=1)
        return Rows(np.cumsum([each.shape[1] for each in times]), starts, ends)

    def _blocks(self, videos: Sequence[Evidence]) -> Iterator[Sequence[Evidence]]:
        """The videos in runs of about `BLOCK_ROWS` rows."""
        ends = np.cumsum([TIMES[self._option](evidence).shape[1] for evidence in videos])
        for _, block in groupby(zip(ends // BLOCK_ROWS, videos, strict=True), itemgetter(0)):
            yield [evidence for _, evidence in block]

    def _likeness(self, videos: Sequence[Evidence]) -> FloatArray:
        """How far each prompt, judged on its own, stands out in the rows of these videos."""
        if self._by_words:
            texts = [span.text for evidence in videos for span in evidence.transcript]
            return LOG_ODDS.standing_out(_word_scores(texts, self.prompts))
        vectors = [VECTORS[self._option](evidence) for evidence in videos]
        if self._option == VISUAL:
            return self._models.visual.likeness(vectors, self._vectors)
        return products(vectors, self._vectors)


@dataclass(frozen=True)
class Found:
    """What a question found in several videos, before its clips are made.

    `seconds` float64[videos, classes] are the lengths of each class's clips together; where the
    clips of two prompts overlap, both count.
    """

    question: Question
    stretches: Stretches
    seconds: npt.NDArray[np.float64]

    def clips(self, wanted: npt.NDArray[np.bool_]) -> Iterator[tuple[int, str, Clip]]:
        """The clips of every video and class that is `wanted` bool[videos, classes].

        Each stands behind the place of its video and the name of its class.
        """
        asked = self.question
        chosen = wanted[self.stretches.videos, asked.class_of[self.stretches.prompts]]
        videos, prompts, *shape = (column[chosen].tolist() for column in self.stretches)
        texts = map(asked.prompts.__getitem__, prompts)
        names = map([asked.names[place] for place in asked.class_of].__getitem__, prompts)
        clips = map(Clip, *shape, repeat(asked.shown_as), texts)
        return zip(videos, names, clips, strict=True)


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
    words = WORD.findall(text.lower())
    return [re.sub(r"(?<=\w{3})(ies|es|s|ing|ed|y|e)$", "", word) for word in words]
