"""Records that several packages share: indexes, videos, tasks, texts, and requests to classify.

Clients make the first four from a platform's JSON, once. A value that the platform leaves out, or
gives in another type than its API promises, becomes the default that is written here, so nobody has
to check it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from core.classes import PromptClass
from core.classification import Thresholds

READY, FAILED = "ready", "failed"  # how a task ends
HEARD, READ = "conversation", "text_in_video"  # the options that find text


@dataclass(frozen=True)
class Index:
    """An index of videos.

    `options` are the kinds of evidence that it was made for, empty if the platform does not say,
    and `models` names the model for each kind. `outdated` are the kinds whose evidence was made by
    another model or in another format version than those in use. `scores` says how scores are made,
    "" if they are the platform's own. `is_engine` says whether the index is in an engine of ours,
    on this machine or another.
    """

    index_id: str
    name: str = ""
    options: frozenset[str] = frozenset()
    models: Mapping[str, str] = field(default_factory=dict)
    outdated: tuple[str, ...] = ()
    scores: str = ""
    video_count: int = 0
    is_engine: bool = False


@dataclass(frozen=True)
class Video:
    """An indexed video; its size in bytes, its length in seconds, or 0.0 if that is unknown.

    `damage` says how its file is damaged, "" if it is not or the platform does not say.
    `fingerprint` distinguishes the file from others of its size, "" if the platform has none.
    `asset_id` is the id of the file itself, on platforms that store files apart from indexes, as
    v1.3 does.
    """

    video_id: str
    filename: str = ""
    size: int | None = None
    duration_s: float = 0.0
    fps: float = 0.0
    damage: str = ""
    fingerprint: str = ""
    asset_id: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class Task:
    """The indexing of one uploaded file.

    `status` is READY or FAILED in the end, and a word of the platform's own before. Percentages are
    0-100; v1.1 gives only that of the upload. `error` is the reason why a task failed, "" if the
    platform gives none. `video_id` is "" until the platform gives it.
    """

    task_id: str
    status: str = ""
    index_id: str = ""
    video_id: str = ""
    filename: str = ""
    percentage: float | None = None
    upload_percentage: float | None = None
    remaining_s: float | None = None
    error: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the platform has finished with it."""
        return self.status in (READY, FAILED)


@dataclass(frozen=True)
class TimedText:
    """A transcript line (option HEARD) or OCR text (option READ); from `start` to `end` seconds."""

    start: float
    end: float
    option: str
    text: str


@dataclass(frozen=True)
class ClassifyRequest:
    """Classes to look for in videos, the kinds of evidence to use (`options`), and thresholds.

    `conversation_option` says how speech is matched: "semantic" or "exact_match".
    """

    classes: tuple[PromptClass, ...]
    options: tuple[str, ...]
    conversation_option: str = "semantic"
    thresholds: Thresholds = field(default_factory=Thresholds)

    def as_json(self) -> dict[str, Any]:
        """The request as `run.json` has it."""
        return {
            "classes": [each.as_json() for each in self.classes],
            "options": list(self.options),
            "conversation_option": self.conversation_option,
            "thresholds": asdict(self.thresholds),
        }
