"""Checks videos before they are uploaded: can they be read, and does the platform accept them?"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from steps.folder import STILL_CHANGING, Refused, VideoFile, unreadable
from steps.job import Job
from steps.pool import thread_pool

if TYPE_CHECKING:
    from engine.media import MediaInfo


@dataclass(frozen=True)
class Limits:
    """What a platform accepts; sides in pixels, the longer one first."""

    min_duration_s: float = 0.0
    max_duration_s: float = math.inf
    max_bytes: float = math.inf
    min_sides: tuple[int, int] = (1, 1)
    max_sides: tuple[float, float] = (math.inf, math.inf)
    max_ratio: float = math.inf  # aspect ratio, longer side to shorter


# The engine accepts any length, and any size when only this program uses it; an engine that serves
# others checks sizes itself.
ENGINE = Limits()
# v1.1.2 and v1.2: 4 s to 2 h, up to 2 GB, 480x360 to 4K. Read generously (GiB, and 4096x2160, the
# 4K of the cinema): at the border the platform itself has the last word.
HOSTED = Limits(4.0, 7200.0, 2 * 1024**3, (480, 360), (4096, 2160))
# v1.3: from 4 s, 360x360 to 5184x2160, aspect ratio up to 2.4, 10 GB in chunks. The longest video
# depends on what classifies it: analysis takes up to 2 h, a search index up to 4 h.
V13_SEGMENTATION = Limits(4.0, 7200.0, 10 * 1024**3, (360, 360), (5184, 2160), 2.4)
V13_SEARCH = replace(V13_SEGMENTATION, max_duration_s=14_400.0)


def limits_of(*, is_engine: bool, is_v13: bool, by_search: bool) -> Limits:
    """The limits of the engine, or of a hosted platform by its version and its classifier."""
    if is_engine:
        return ENGINE
    if not is_v13:
        return HOSTED
    return V13_SEARCH if by_search else V13_SEGMENTATION


def preflight(job: Job, videos: Sequence[VideoFile]) -> dict[VideoFile, float]:
    """The videos that the platform accepts, each with its length in seconds, 0.0 if unknown.

    The others are added to the job's refused files, with their reason.
    """
    accepted: dict[VideoFile, float] = {}
    limits = limits_of(
        is_engine=job.is_engine,
        is_v13=job.platform.budget is not None,
        by_search=job.settings.v13_classify == "search",
    )
    with job.console.bars("Checking", len(videos), "file") as bars:
        results = check_all(videos, limits, os.cpu_count() or 1)
        for video, result in zip(videos, results, strict=True):
            if isinstance(result, Refused):
                job.refused.append(result)
                bars.done(video.name, f"Refused {result}")
            else:
                accepted[video] = result.duration_s
                bars.done(video.name)
    return accepted


def check_all(
    videos: Sequence[VideoFile], limits: Limits, workers: int
) -> Iterator[MediaInfo | Refused]:
    """Check several videos side by side; the results come in the order of `videos`."""
    # Imported here because it loads PyAV and NumPy, which `pipeline.py --help` does without.
    from engine.media.decoder import Decoders

    with thread_pool(workers, "preflight") as pool, Decoders() as decoders:
        yield from pool.map(lambda video: check(video, limits, decoders.probe), videos)


def check(
    video: VideoFile, limits: Limits, probe: Callable[[Path], MediaInfo]
) -> MediaInfo | Refused:
    """Open one video and decode a frame; refused with the broken rule and how to repair it.

    `probe` opens it: `engine.media.probe`, or the same in another process.
    """
    from engine.media import MediaError

    if video.size == 0:
        return Refused(video.name, "is empty (0 bytes): copy it again")
    if video.size > limits.max_bytes:
        return Refused(
            video.name,
            f"is {video.size / 1024**3:.2f} GB large; the platform accepts up to"
            f" {limits.max_bytes / 1024**3:g} GB: shorten it or compress it more",
        )
    try:
        video.path.open("rb").close()
        info = probe(video.path)
    except OSError as error:
        return Refused(video.name, unreadable(error))
    except MediaError as error:
        if not video.is_unchanged():
            return Refused(video.name, STILL_CHANGING)
        return Refused(video.name, error.message)
    if not video.is_unchanged():
        return Refused(video.name, STILL_CHANGING)
    reason = _limit_broken(info, limits)
    return Refused(video.name, reason) if reason else info


def _limit_broken(info: MediaInfo, limits: Limits) -> str:
    """Which limit a video breaks and how to repair it, or "". An unknown length breaks none."""
    shortest, longest = limits.min_duration_s, limits.max_duration_s
    if info.duration_s and not shortest <= info.duration_s <= longest:
        return (
            f"is {info.duration_s:.1f} s long; the platform accepts {shortest:g} s to"
            f" {longest:g} s: " + ("remove it" if info.duration_s < shortest else "shorten it")
        )
    sides = (max(info.width, info.height), min(info.width, info.height))
    if sides[0] < limits.min_sides[0] or sides[1] < limits.min_sides[1]:
        least = f"{limits.min_sides[0]}x{limits.min_sides[1]}"
        return f"is {info.width}x{info.height}; the platform accepts {least} and larger: remove it"
    if sides[0] > limits.max_sides[0] or sides[1] > limits.max_sides[1]:
        most = f"{limits.max_sides[0]:g}x{limits.max_sides[1]:g}"
        return f"is {info.width}x{info.height}; the platform accepts up to {most}: scale it down"
    if sides[0] > limits.max_ratio * sides[1]:
        widest = f"aspect ratios up to {limits.max_ratio:g}:1"
        return f"is {info.width}x{info.height}; the platform accepts {widest}: crop it"
    return ""
