"""Checks videos before they are uploaded: can they be read, and does the platform accept them?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.limits import Limits
from steps.folder import STILL_CHANGING, VideoFile, unreadable
from steps.job import Job
from steps.pool import thread_pool
from store.records import LeftOut

if TYPE_CHECKING:
    from engine.media import MediaInfo


def preflight(job: Job, videos: Sequence[VideoFile]) -> dict[VideoFile, float]:
    """The videos that the platform accepts, each with its length in seconds, 0.0 if unknown.

    The others are added to the job's refused files, with their reason.
    """
    accepted: dict[VideoFile, float] = {}
    with job.console.bars("Checking", len(videos), "file") as bars:
        results = check_all(videos, job.platform.limits, os.cpu_count() or 1)
        for video, result in zip(videos, results, strict=True):
            if isinstance(result, LeftOut):
                job.refused.append(result)
                bars.done(video.name, f"Refused {video.name}: {result.reason}")
            else:
                accepted[video] = result.duration_s
                bars.done(video.name)
    return accepted


def check_all(
    videos: Sequence[VideoFile], limits: Limits, workers: int
) -> Iterator[MediaInfo | LeftOut]:
    """Check several videos side by side; the results come in the order of `videos`."""
    # Imported here because it loads PyAV and NumPy, which `pipeline.py --help` does without.
    from engine.media.decoder import Decoders

    with thread_pool(workers, "preflight") as pool, Decoders() as decoders:
        yield from pool.map(lambda video: check(video, limits, decoders.probe), videos)


def check(
    video: VideoFile, limits: Limits, probe: Callable[[Path], MediaInfo]
) -> MediaInfo | LeftOut:
    """Open one video and decode a frame; refused with the broken rule and how to repair it.

    `probe` opens it: `engine.media.probe`, or the same in another process.
    """
    from engine.media import MediaError

    if video.size == 0:
        return LeftOut(video.name, "is empty (0 bytes): copy it again")
    if video.size > limits.max_bytes:
        return LeftOut(
            video.name,
            f"is {video.size / 1024**3:.2f} GB large; the platform accepts up to"
            f" {limits.max_bytes / 1024**3:g} GB: shorten it or compress it more",
        )
    try:
        video.path.open("rb").close()
        info = probe(video.path)
    except OSError as error:
        return LeftOut(video.name, unreadable(error))
    except MediaError as error:
        if not video.is_unchanged():
            return LeftOut(video.name, STILL_CHANGING)
        return LeftOut(video.name, error.message)
    if not video.is_unchanged():
        return LeftOut(video.name, STILL_CHANGING)
    reason = _limit_broken(info, limits)
    return LeftOut(video.name, reason) if reason else info


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
