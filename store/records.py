"""What a results folder holds, as values; annotations say what a field may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.classification import ClassScore, NonNegative, Seconds
from core.types import ClassifyRequest


@dataclass(frozen=True)
class RunPlatform:
    """What classified the videos; `models` is kind of evidence to model name.

    `scores` says how scores are made, "" where they are the platform's own.
    """

    name: str
    url: str
    embedded: bool
    models: Mapping[str, str]
    scores: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A video without results, and why; `video_id` is "" where no index held it."""

    video_name: str
    reason: str
    video_id: str = ""


@dataclass(frozen=True)
class VideoDetails:
    """What the platform knows of a video file; `fps` is 0 where it does not know the frame rate.

    `damage` says what of the file could not be used, in words that follow its name.
    """

    duration_s: Seconds
    fps: NonNegative
    damage: str = ""


@dataclass(frozen=True)
class VideoResult:
    """One classified video; `classes` are those that apply, best first, and may be none.

    `name` is the path relative to the videos folder, with "/" on every system.
    """

    video_id: str
    name: str
    classes: tuple[ClassScore, ...]


@dataclass(frozen=True)
class Run:
    """A results folder as one value: what was asked, how the run went, and every video.

    `details` are by video id; results of an earlier version have none. `all_clips` holds every
    class of every video with every clip, by video id, whether the class applies or not; None where
    the results do not keep them. `unreadable` are videos whose entries in the files break a rule.
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
