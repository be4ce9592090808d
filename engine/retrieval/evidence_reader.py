"""Evidence on its way to being scored: read, checked, and compared with prompts or an image."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.classification import Clip
from engine.catalog.tables import EVIDENCE_OF, Index
from engine.errors import PlatformError, outdated_evidence
from engine.evidence import (
    Evidence,
    EvidenceCache,
    EvidenceDamaged,
    EvidenceOutdated,
    TextSpan,
    read_evidence,
)
from engine.models.protocols import Models
from engine.retrieval.prompts import PromptSet

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float32]
LOGO = "logo"
# What stands in place of the prompt in a clip that was found by an image.
IMAGE_PROMPT = "image"
# Evidence kept in memory from one request to the next: twenty to thirty hours of video.
CACHE_BYTES = 128 * 2**20


class EvidenceReader:
    """Reads the evidence of videos, and knows which models to score it with."""

    def __init__(
        self,
        models: Models,
        evidence_path: Callable[[str], Path],
        file_name: Callable[[str], str],
    ) -> None:
        """Both callables take the id of a video; `file_name` is for error messages."""
        self._models = models
        self._evidence_path = evidence_path
        self._file_name = file_name
        self._cache = EvidenceCache(CACHE_BYTES)

    def require(self, index: Index, options: Sequence[str]) -> None:
        """Refuse options that the index does not have, and evidence of other models."""
        for option in options:
            if option not in index.options:
                raise PlatformError(
                    "search_option_not_supported",
                    f"Index {index.id} has no {option}; it has {', '.join(index.options)}.",
                )
        kinds = index.outdated_kinds(self._models.names(), options)
        if kinds:
            raise outdated_evidence("index_not_supported_for_search", index.name, kinds)

    def read(self, video_id: str, *, with_frames: bool = True) -> Evidence | None:
        """A video's evidence; None if the video has been deleted meanwhile."""
        try:
            path = self._evidence_path(video_id)
            return read_evidence(path) if with_frames else self._cache.read(path)
        except FileNotFoundError:
            return None
        except EvidenceOutdated:
            raise self._unusable(video_id, "has another format version") from None
        except EvidenceDamaged as error:
            log.warning("%s", error)
            raise self._unusable(video_id, "cannot be read") from error

    def _unusable(self, video_id: str, why: str) -> PlatformError:
        return PlatformError(
            "index_not_supported_for_search",
            f"The evidence of {self._file_name(video_id)!r} (video {video_id}) {why}: delete the "
            "video and index it again.",
        )

    def prompt_set(
        self, classes: Mapping[str, Sequence[str]], option: str, conversation_option: str
    ) -> PromptSet:
        """Classes and their prompts, ready to be compared with one video after another."""
        kind = EVIDENCE_OF[option]  # logos are looked for in the text on the screen
        return PromptSet(classes, kind, self._models, conversation_option, shown_as=option)

    def image_vector(self, image: npt.NDArray[np.uint8]) -> FloatArray:
        """The visual encoder's vector float32[d] of an image uint8[h, w, 3] RGB."""
        vector: FloatArray = self._models.visual.encode_frames([image])[0]
        return vector


def image_clips(evidence: Evidence, vector: FloatArray) -> list[Clip]:
    """The scenes of one video, each scored by its frame most similar to an image.

    The score is the cosine of the two vectors in percent; below zero it counts as zero.
    """
    frames = evidence.frame_vectors.astype(np.float32)
    lengths = np.linalg.norm(frames, axis=1) * np.linalg.norm(vector)
    similarity = 100 * (frames @ vector) / np.maximum(lengths, 1e-9)
    starts = sorted({0.0, *(float(time) for time in evidence.scene_starts)})
    first_frames = np.searchsorted(evidence.frame_times, starts)
    return [
        Clip(start, end, min(max(float(part.max()), 0.0), 100.0), "visual", IMAGE_PROMPT)
        for start, end, part in zip(
            starts,
            [*starts[1:], evidence.duration_s],
            np.split(similarity, first_frames[1:]),
            strict=True,
        )
        if len(part) and end > start
    ]


def text_of(evidence: Evidence, clip: Clip) -> str | None:
    """What is said or shown as text in a clip; None for a clip found by its frames."""
    spans = {
        "conversation": evidence.transcript,
        "text_in_video": evidence.screen_text,
        LOGO: evidence.screen_text,
    }.get(clip.option)
    return None if spans is None else " ".join(span.text for span in overlapping(spans, clip))


def overlapping(spans: Sequence[TextSpan], clip: Clip) -> list[TextSpan]:
    """The spans that overlap a clip."""
    return [span for span in spans if span.start < clip.end and span.end > clip.start]
