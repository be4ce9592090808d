"""What a platform is asked to classify, and its responses as results.

The pipeline and the page's prompt lab both classify here, so that both keep the same results.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from core.classes import PromptClass
from core.classification import Thresholds
from core.settings import Settings
from core.types import ClassifyRequest
from store.results import ALL_CLIPS
from twelvelabs_client import TwelveLabsClient

Json = dict[str, Any]

# Clips below this are kept by no result: such a score says that nothing is similar, and they
# are most of all clips.
LOWEST_CLIP_SCORE = 30.0


def request_of(settings: Settings, classes: Sequence[PromptClass]) -> ClassifyRequest:
    """The request that the settings and the classes file make."""
    return ClassifyRequest(
        classes=tuple(classes),
        options=settings.options,
        conversation_option=settings.conversation_option,
        thresholds=settings.thresholds,
    )


def run_request(
    client: TwelveLabsClient, index_id: str, request: ClassifyRequest, video_ids: Collection[str]
) -> dict[str, Json]:
    """The platform's responses by result name, all pages, for the videos of these ids only.

    `duration_data` and `clips_data` hold what applies; `all_clips` every clip from
    LOWEST_CLIP_SCORE on, so that thresholds can be moved later without classifying again.
    """
    lowest_clip_score = min(LOWEST_CLIP_SCORE, request.thresholds.min_clip_score)
    lenient = replace(request, thresholds=Thresholds(0.0, lowest_clip_score, 0.0))

    def response(request: ClassifyRequest, with_clips: bool) -> Json:
        data = client.classify_index(
            index_id,
            request,
            include_clips=with_clips,
            show_detailed_score=with_clips,
            only=video_ids,
        )
        return {"data": data}

    return {
        "duration_data": response(request, with_clips=False),
        "clips_data": response(request, with_clips=True),
        ALL_CLIPS: response(lenient, with_clips=True),
    }
