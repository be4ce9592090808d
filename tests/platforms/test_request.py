"""The requests of one run, and the score from which clips are kept."""

from __future__ import annotations

from typing import Any

import pytest

from core.settings import Settings
from core.types import ClassifyRequest
from platforms.request import request_of, run_request


class Client:
    """Returns the clip threshold of the request in place of clips."""

    def classify_index(self, index_id: str, request: ClassifyRequest, **_: object) -> float:
        return request.thresholds.min_clip_score


@pytest.mark.parametrize(("requested", "kept_from"), [(75.0, 30.0), (30.0, 30.0), (10.0, 10.0)])
def test_all_clips_are_kept_from_30_or_from_a_lower_threshold(
    requested: float, kept_from: float
) -> None:
    client: Any = Client()
    request = request_of(Settings(min_clip_score=requested), [])
    responses = run_request(client, "index", request, video_ids=set())
    assert responses["clips_data"] == {"data": requested}
    assert responses["all_clips"] == {"data": kept_from}
