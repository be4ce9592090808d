"""The contents of a results folder as records; annotations say which values are valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.classification import ClassScore, NonNegative, Seconds
from core.types import ClassifyRequest


@dataclass(frozen=True)
class RunPlatform:
    """The platform that classified the videos; `models` names the model for each kind of evidence.

    `scores` says how scores are made, "" if they are the platform's own.
    """

    name: str
    url: str
    embedded: bool
    models: Mapping[str, str]
    scores: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A video without results, and why; `video_id` is "" if it is in no index."""

    video_name: str
    reason: str
    video_id: str = ""


@dataclass(frozen=True)
class VideoDetails:
    """What the platform knows of a video file; `fps` is 0 if it does not know the frame rate.

    `damage` says how the file is damaged, in words that can follow its name, "" if it is not.
    """

    duration_s: Seconds
    fps: NonNegative
    damage: str = ""


@dataclass(frozen=True)
class VideoResult:
    """One classified video; `classes` are those that apply, best first, if any.

    `name` is the path relative to the videos folder, with "/" on every system.
    """

    video_id: str
    name: str
    classes: tuple[ClassScore, ...]


@dataclass(frozen=True)
class Run:
    """A results folder as one record: the request, how the run went, and every video.

    `details` are by video id; results of earlier versions have none. `all_clips` has all classes of
    each video with all clips, by video id, whether they apply or not; None if the results lack
    them. `unreadable` are videos with an invalid entry in a file.
    """

    request: ClassifyRequest
    index_id: str
    index_name: str
    platform: RunPlatform
    videos_dir: Path
    counts: Mapping[str, int]
    refused: tuple[LeftOut, ...]
    failed: tuple[LeftOut, ...]
    started_at: str
    finished_at: str
    elapsed_s: float
    details: Mapping[str, VideoDetails]
    videos: tuple[VideoResult, ...] = ()
    all_clips: Mapping[str, tuple[ClassScore, ...]] | None = None
    unreadable: tuple[LeftOut, ...] = ()
