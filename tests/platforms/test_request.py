"""What is asked of a platform in one run, and from which score on its clips are kept."""

from __future__ import annotations

from typing import Any

import pytest

from core.settings import Settings
from core.types import ClassifyRequest
from platforms.request import request_of, run_request


class Client:
    """Gives the clip score from which it was asked for clips, in place of any clips."""

    def classify_index(self, index_id: str, request: ClassifyRequest, **_: object) -> float:
        return request.thresholds.min_clip_score


@pytest.mark.parametrize(("asked", "kept_from"), [(75.0, 30.0), (30.0, 30.0), (10.0, 10.0)])
def test_all_clips_are_kept_from_30_or_from_a_lower_threshold(
    asked: float, kept_from: float
) -> None:
    client: Any = Client()
    request = request_of(Settings(min_clip_score=asked), [])
    responses = run_request(client, "index", request, video_ids=set())
    assert responses["clips_data"] == {"data": asked}
    assert responses["all_clips"] == {"data": kept_from}
