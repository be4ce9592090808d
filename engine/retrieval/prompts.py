"""From stored evidence and prompts to clips: a pure function, no model looks at a video here.

Each kind of evidence has rows: pooling windows of frames, lines of speech, or texts on the screen.
Every prompt has a similarity to every row, and segments.py turns rows into segments of time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, repeat
from operator import attrgetter, itemgetter

import numpy as np
import numpy.typing as npt

from core.classification import Clip
from engine.evidence import Evidence, TextSpan
from engine.models import calibration
from engine.models.calibration import LOG_ODDS, Calibration
from engine.models.prompts import products
from engine.models.protocols import Models
from engine.pooling import is_prepared, prepare
from engine.retrieval.segments import AgreedSimilarity, Classes, Rows, Segments, find_segments
from engine.retrieval.words import content_stems, languages_of, stems

FloatArray = npt.NDArray[np.float32]

VISUAL = "visual"
CONVERSATION = "conversation"
TEXT_IN_VIDEO = "text_in_video"
OPTIONS = (VISUAL, CONVERSATION, TEXT_IN_VIDEO)
EXACT_MATCH = "exact_match"

TIMES: Mapping[str, Callable[[Evidence], FloatArray]] = {
    VISUAL: attrgetter("window_times"),
    CONVERSATION: attrgetter("transcript_times"),
    TEXT_IN_VIDEO: attrgetter("screen_text_times"),
}
VECTORS: Mapping[str, Callable[[Evidence], FloatArray]] = {
    VISUAL: attrgetter("window_vectors"),
    CONVERSATION: attrgetter("transcript_vectors"),
    TEXT_IN_VIDEO: attrgetter("screen_text_vectors"),
}
CALIBRATIONS = {CONVERSATION: calibration.CONVERSATION, TEXT_IN_VIDEO: calibration.TEXT_IN_VIDEO}

# The similarities of this many rows and a hundred prompts fit the cache of a processor's core.
BLOCK_ROWS = 3000
MIN_CLIP_S = 1.0
# How far prompts of one class have to agree where texts are compared: see segments.Classes.
TEXT_AGREEMENT = 0.5
# Speech recognition errs: words that were all recognised are not quite certain to have been said.
ALL_WORDS = 95.0


class PromptSet:
    """Classes to look for in one kind of evidence; made once, used for every video.

        prompt_set = PromptSet({"Pets": ("dog", "cat")}, "visual", models)
        clips = prompt_set.clips(evidence)["Pets"]

    The prompts of a class are judged together: one that no other confirms scores lower.
    """

    def __init__(
        self,
        classes: Mapping[str, Sequence[str]],
        option: str,
        models: Models,
        conversation_option: str = "semantic",
        shown_as: str = "",
    ) -> None:
        """Encode the prompts.

        Args:
            classes: the prompts of each class, by its name.
            option: visual, conversation or text_in_video.
            conversation_option: semantic (by meaning) or exact_match (by words), for speech only.
            shown_as: the option that clips carry, if it is not the one that finds them.
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
            # In the memory order that makes the products fastest.
            self._vectors = np.asfortranarray(encoder.encode_prompts(self.prompts))

    def similarity(self, evidence: Evidence) -> tuple[Rows, FloatArray]:
        """The rows of one video, and every prompt's similarity to them: float32[rows, prompts].

        Agreement within classes is applied. Columns are the prompts of all classes in order;
        `class_of` int[prompts] tells the class of each.
        """
        evidence = self._prepared(evidence)
        alone = self._similarity([evidence])
        row, prompt = (np.arange(count) for count in alone.shape)
        agreed = AgreedSimilarity(alone, self._classes).at(row[:, None], prompt)
        return self._rows([evidence]), agreed

    def clips(self, evidence: Evidence, min_score: float = 0.0) -> dict[str, list[Clip]]:
        """The clips of one video for every class, those that score `min_score` or more."""
        found = self.find([evidence], min_score)
        clips: dict[str, list[Clip]] = {name: [] for name in self.names}
        for _, name, clip in found.clips(np.ones_like(found.seconds, dtype=bool)):
            clips[name].append(clip)
        return clips

    def find(self, videos: Sequence[Evidence], min_score: float = 0.0) -> FoundSegments:
        """The segments of several videos at once, which is faster than one by one."""
        videos = [self._prepared(evidence) for evidence in videos]
        rows, tables = self._rows(videos), map(self._similarity, self._blocks(videos))
        segments = find_segments(rows, tables, self._classes, self.calibration, min_score)
        durations = np.array([evidence.duration_s for evidence in videos])[segments.videos]
        earliest = np.minimum(segments.starts + MIN_CLIP_S, durations)
        # Evidence of an older release may lie beyond a duration that the header gave too short.
        ends = np.maximum(np.maximum(segments.ends, earliest), segments.starts)
        segments = segments._replace(ends=ends)
        seconds = np.zeros((len(videos), len(self.names)))
        places = segments.videos, self.class_of[segments.prompts]
        np.add.at(seconds, places, segments.ends - segments.starts)
        return FoundSegments(self, segments, seconds)

    def _agreement(self) -> float:
        if self._by_words:
            return 0.0
        return self._models.visual.agreement if self._option == VISUAL else TEXT_AGREEMENT

    def _calibration(self) -> Calibration:
        if self._by_words:
            return LOG_ODDS
        if self._option == VISUAL:
            return self._models.visual.calibration
        return CALIBRATIONS[self._option]

    def _prepared(self, evidence: Evidence) -> Evidence:
        return evidence if is_prepared(evidence) else prepare(evidence, self._models)

    def _rows(self, videos: Sequence[Evidence]) -> Rows:
        times = [np.zeros((2, 0), np.float32), *map(TIMES[self._option], videos)]
        starts, ends = np.concatenate(times, axis=1)
        return Rows(np.cumsum([each.shape[1] for each in times]), starts, ends)

    def _blocks(self, videos: Sequence[Evidence]) -> Iterator[Sequence[Evidence]]:
        """The videos in groups of about `BLOCK_ROWS` rows."""
        ends = np.cumsum([TIMES[self._option](evidence).shape[1] for evidence in videos])
        for _, block in groupby(zip(ends // BLOCK_ROWS, videos, strict=True), itemgetter(0)):
            yield [evidence for _, evidence in block]

    def _similarity(self, videos: Sequence[Evidence]) -> FloatArray:
        """The similarity of each prompt, on its own, to the rows of these videos."""
        if self._by_words:
            shares = [_word_shares(evidence.transcript, self.prompts) for evidence in videos]
            return LOG_ODDS.similarity_at(ALL_WORDS * np.concatenate(shares))
        vectors = [VECTORS[self._option](evidence) for evidence in videos]
        if self._option == VISUAL:
            return self._models.visual.similarity(vectors, self._vectors)
        return products(vectors, self._vectors)


@dataclass(frozen=True)
class FoundSegments:
    """What a prompt set finds in several videos, before clips are made of it.

    `seconds` float64[videos, classes] is the total length of each class's clips; where the clips
    of two prompts overlap, both count.
    """

    prompt_set: PromptSet
    segments: Segments
    seconds: npt.NDArray[np.float64]

    def clips(self, chosen: npt.NDArray[np.bool_]) -> Iterator[tuple[int, str, Clip]]:
        """The clips of every video and class that is `chosen` bool[videos, classes].

        Each comes with the position of its video and the name of its class.
        """
        found = self.prompt_set
        rows = chosen[self.segments.videos, found.class_of[self.segments.prompts]]
        videos, prompts, *shape = (column[rows].tolist() for column in self.segments)
        texts = map(found.prompts.__getitem__, prompts)
        names = map([found.names[place] for place in found.class_of].__getitem__, prompts)
        clips = map(Clip, *shape, repeat(found.shown_as), texts)
        return zip(videos, names, clips, strict=True)


def _word_shares(lines: Sequence[TextSpan], prompts: Sequence[str]) -> FloatArray:
    """The share of each prompt's words that each line has, float32[lines, prompts], 0-1."""
    languages = languages_of(line.text for line in lines)
    wanted = [content_stems(prompt, languages) for prompt in prompts]
    place_of = {stem: place for place, stem in enumerate(sorted(set().union(*wanted)))}
    belongs = np.zeros((len(place_of), len(prompts)), np.float32)
    for column, words in enumerate(wanted):
        belongs[[place_of[stem] for stem in words], column] = 1
    counts = np.zeros((len(lines), len(prompts)), np.float32)
    for row, line in enumerate(lines):
        said = [place_of[stem] for stem in stems(line.text, languages) if stem in place_of]
        counts[row] = belongs[said].sum(axis=0)
    return np.asarray(counts / np.maximum(belongs.sum(axis=0), 1), np.float32)
