"""What is asked of a platform: classes, evidence, thresholds; and its answers as results.

The pipeline and the page's prompt lab both ask here, so that both keep the same results.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.classification import Thresholds
from core.settings import Settings
from platforms.costs import Budget, Estimate
from store.results import ALL_CLIPS, PromptClass
from twelvelabs_client import TwelveLabsClient

Json = dict[str, Any]

# Clips below this are kept by no result: such a score says that there is no likeness, and they
# are most of all clips.
LOWEST_CLIP_SCORE = 30.0


@dataclass(frozen=True)
class Question:
    """One classification: what to look for, in which evidence, and what is enough."""

    classes: tuple[PromptClass, ...]
    options: tuple[str, ...]
    conversation_option: str
    thresholds: Thresholds

    def as_json(self) -> Json:
        """The question as `run.json` tells it."""
        return {
            "classes": [asdict(each) for each in self.classes],
            "options": list(self.options),
            "conversation_option": self.conversation_option,
            "thresholds": asdict(self.thresholds),
        }


def question_of(settings: Settings, classes: Sequence[PromptClass]) -> Question:
    """What the settings and the classes file ask."""
    return Question(
        classes=tuple(classes),
        options=settings.options,
        conversation_option=settings.conversation_option,
        thresholds=settings.thresholds,
    )


def agree_to_costs(
    budget: Budget,
    client: TwelveLabsClient,
    index_id: str,
    question: Question,
    own: Collection[str],
    minutes: float,
) -> None:
    """Tell what a question will cost, and ask where it is much.

    It is about the videos whose ids are `own` and `minutes` of further ones, to be indexed first.
    Raises SpendingRefused where the answer is no.
    """
    later = client.estimate(
        index_id,
        minutes,
        question.as_json()["classes"],
        options=question.options,
        conversation_option=question.conversation_option,
        only=own,
    )
    budget.agree(Estimate(index_minutes=minutes), later)


def ask(
    client: TwelveLabsClient, index_id: str, question: Question, own: Collection[str]
) -> dict[str, Json]:
    """The platform's answers by result name, all pages, kept to the videos whose ids are `own`.

    `duration_data` and `clips_data` hold what applies; `all_clips` every clip from
    LOWEST_CLIP_SCORE on, so that thresholds can be moved later without asking again.
    """
    strict = question.thresholds
    lowest = Thresholds(0.0, min(LOWEST_CLIP_SCORE, strict.min_clip_score), 0.0)
    asked: Mapping[str, tuple[Thresholds, bool]] = {
        "duration_data": (strict, False),
        "clips_data": (strict, True),
        ALL_CLIPS: (lowest, True),
    }
    return {
        name: {
            "data": client.classify_index(
                index_id,
                [asdict(each) for each in question.classes],
                options=question.options,
                conversation_option=question.conversation_option,
                thresholds=thresholds,
                include_clips=include_clips,
                show_detailed_score=include_clips,
                only=own,
            )
        }
        for name, (thresholds, include_clips) in asked.items()
    }
