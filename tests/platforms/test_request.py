"""What is asked of a platform in one run, and from which score on its clips are kept."""

from __future__ import annotations

from typing import Any

import pytest

from core.classification import Thresholds
from core.settings import Settings
from platforms.request import ask, question_of


class Client:
    """Gives the clip score from which it was asked for clips, in place of any clips."""

    def classify_index(self, *_: object, thresholds: Thresholds, **__: object) -> float:
        return thresholds.min_clip_score


@pytest.mark.parametrize(("asked", "kept_from"), [(75.0, 30.0), (30.0, 30.0), (10.0, 10.0)])
def test_all_clips_are_kept_from_30_or_from_a_lower_threshold(
    asked: float, kept_from: float
) -> None:
    client: Any = Client()
    question = question_of(Settings(min_clip_score=asked), [])
    responses = ask(client, "index", question, own=set())
    assert responses["clips_data"] == {"data": asked}
    assert responses["all_clips"] == {"data": kept_from}
