"""Stored evidence against what was asked: the only place that knows how evidence is scored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.classification import Clip
from engine.catalog.tables import EVIDENCE_OF, Index
from engine.errors import PlatformError, made_elsewhere
from engine.evidence import (
    Evidence,
    EvidenceDamaged,
    EvidenceOutdated,
    RecentEvidence,
    TextSpan,
    read_evidence,
)
from engine.models.choice import Models
from engine.retrieval.prompts import Question

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]
LOGO = "logo"
# The prompt that a clip found by a picture carries.
PICTURE = "image"
# Evidence kept in memory from one question to the next: twenty to thirty hours of video.
RECENT_BYTES = 128 * 2**20


class Matcher:
    """Finds clips in the evidence of videos."""

    def __init__(
        self,
        models: Models,
        evidence_path: Callable[[str], Path],
        file_name: Callable[[str], str],
    ) -> None:
        """Both callables take the id of a video: for its evidence, and for what people call it."""
        self._models = models
        self._evidence_path = evidence_path
        self._file_name = file_name
        self._recent = RecentEvidence(RECENT_BYTES)

    def require(self, index: Index, options: Sequence[str]) -> None:
        """Refuse options that the index lacks, and evidence that other models made."""
        for option in options:
            if option not in index.options:
                raise PlatformError(
                    "search_option_not_supported",
                    f"Index {index.id} has no {option}; it has {', '.join(index.options)}.",
                )
        kinds = index.foreign(self._models.names(), options)
        if kinds:
            raise made_elsewhere("index_not_supported_for_search", index.name, kinds)

    def evidence(self, video_id: str, *, with_frames: bool = True) -> Evidence | None:
        """A video's evidence; None where the video was deleted meanwhile."""
        try:
            path = self._evidence_path(video_id)
            return read_evidence(path) if with_frames else self._recent.read(path)
        except FileNotFoundError:
            return None
        except EvidenceOutdated:
            raise self._unusable(video_id, "is of another edition of the engine") from None
        except EvidenceDamaged as error:
            log.warning("%s", error)
            raise self._unusable(video_id, "cannot be read") from error

    def _unusable(self, video_id: str, why: str) -> PlatformError:
        return PlatformError(
            "index_not_supported_for_search",
            f"The evidence of {self._file_name(video_id)!r} (video {video_id}) {why}: delete the "
            "video and index it again.",
        )

    def question(
        self, classes: Mapping[str, Sequence[str]], option: str, conversation_option: str
    ) -> Question:
        """Classes and their prompts, ready to be asked of one video after another."""
        kind = EVIDENCE_OF[option]  # a logo is looked for in what can be read
        return Question(classes, kind, self._models, conversation_option, shown_as=option)

    def picture_vector(self, picture: npt.NDArray[np.uint8]) -> FloatArray:
        """What the picture encoder makes of uint8[h, w, 3] RGB: float32[d]."""
        vector: FloatArray = self._models.visual.encode_frames([picture])[0]
        return vector


def picture_clips(evidence: Evidence, vector: FloatArray) -> list[Clip]:
    """The scenes of one video, scored by how like a picture their likest frame is.

    The score is the cosine of the two vectors in percent; below zero it counts as zero.
    """
    frames = evidence.frame_vectors.astype(np.float32)
    lengths = np.linalg.norm(frames, axis=1) * np.linalg.norm(vector)
    likeness = 100 * (frames @ vector) / np.maximum(lengths, 1e-9)
    starts = sorted({0.0, *(float(time) for time in evidence.scene_starts)})
    firsts = np.searchsorted(evidence.frame_times, starts)
    return [
        Clip(start, end, min(max(float(part.max()), 0.0), 100.0), "visual", PICTURE)
        for start, end, part in zip(
            starts,
            [*starts[1:], evidence.duration_s],
            np.split(likeness, firsts[1:]),
            strict=True,
        )
        if len(part) and end > start
    ]


def words(evidence: Evidence, clip: Clip) -> str | None:
    """What is said or written in a clip; None for one that was found by its picture."""
    spans = {
        "conversation": evidence.transcript,
        "text_in_video": evidence.screen_text,
        LOGO: evidence.screen_text,
    }.get(clip.option)
    return None if spans is None else " ".join(span.text for span in between(spans, clip))


def between(spans: Sequence[TextSpan], clip: Clip) -> list[TextSpan]:
    """The spans that a clip touches."""
    return [span for span in spans if span.start < clip.end and span.end > clip.start]
