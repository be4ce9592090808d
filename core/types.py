"""Records that several packages share: what a platform keeps, and what it is asked to classify.

Clients make the former once, from a platform's JSON. Whatever a platform leaves out, or gives in
another type than its API promises, has the default that the record names, so nobody has to check it
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from core.classes import PromptClass
from core.classification import Thresholds

READY, FAILED = "ready", "failed"  # how a task ends
HEARD, READ = "conversation", "text_in_video"  # the options that find words


@dataclass(frozen=True)
class Index:
    """An index of videos.

    `options` are the kinds of evidence it was made for, none where the platform does not say, and
    `models` the model for each kind; `outdated` are the kinds that another model or format version
    made than the ones in use. `scores` says how scores are made, "" where they are the platform's
    own. `is_engine` says whether our own engine holds the index, on this machine or another.
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
    """An indexed video; lengths in seconds, 0.0 where they are not known, sizes in bytes.

    `damage` says how its file is damaged, "" where it is not or the platform does not say;
    `fingerprint` tells the file from others of its size, "" where the platform has none. `asset_id`
    is the file's own id where the platform keeps files apart from indexes, as v1.3 does.
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

    `status` is READY or FAILED at the end, and a word of the platform's before. Percentages are
    0-100; v1.1 tells only how far the upload is. `error` is the reason of a failed task, "" where
    the platform gives none; `video_id` is "" until the platform tells it.
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
        """Whether the platform will do no more about it."""
        return self.status in (READY, FAILED)


@dataclass(frozen=True)
class TimedText:
    """What was heard (option HEARD) or read (option READ) from `start` to `end`, in seconds."""

    start: float
    end: float
    option: str
    text: str


@dataclass(frozen=True)
class ClassifyRequest:
    """What to look for in videos, in which kinds of evidence (`options`), and what is enough.

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
