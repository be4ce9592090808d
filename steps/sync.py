"""The sync plan: how the videos of an index match the files of the videos folder.

Decides for every file whether it has to be uploaded, and for every video of the index whether it
takes part in this run, is an older version to delete, or has nothing to do with the folder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from core.types import Video
from steps.folder import VideoFile
from steps.job import Job
from store.records import LeftOut
from twelvelabs_client import ApiError

Json = dict[str, Any]


@dataclass(frozen=True)
class SyncPlan:
    """How the videos of an index match the files of the folder.

    `matched` are the videos made of the folder's files, by file name, and `outdated` the ids of
    older versions of them; `missing` are the files that still have to be uploaded. `unrelated`
    counts the other videos: of other folders, and of files that were deleted or changed since.
    """

    matched: Mapping[str, Video]
    outdated: Sequence[str]
    missing: Sequence[VideoFile]
    unrelated: int

    def ids(self) -> set[str]:
        """The ids of the matched videos."""
        return {video.video_id for video in self.matched.values()}

    def names(self) -> list[Json]:
        """The matched videos as `video_id_name_list` has them."""
        return [
            {"video_id": video.video_id, "video_name": name} for name, video in self.matched.items()
        ]

    def durations(self) -> dict[str, float]:
        """Length in seconds by video id, 0.0 where it is not known."""
        return {video.video_id: video.duration_s for video in self.matched.values()}

    def details(self) -> dict[str, Json]:
        """Length, frames per second and damage of each video, by id, as `run.json` has them."""
        return {
            video.video_id: {
                "duration_s": video.duration_s,
                "fps": video.fps,
                "damage": video.damage,
            }
            for video in self.matched.values()
        }

    def without(self, reasons: Mapping[str, str]) -> tuple[SyncPlan, list[LeftOut]]:
        """The plan without some videos, named by id with a reason each; and those left out."""
        left_out = {
            name: LeftOut(name, reasons[video.video_id])
            for name, video in self.matched.items()
            if video.video_id in reasons
        }
        matched = {name: video for name, video in self.matched.items() if name not in left_out}
        return replace(self, matched=matched), list(left_out.values())


def make_sync_plan(job: Job) -> SyncPlan:
    """List the whole index, all pages, and compare it with the files of the folder."""
    return compare(job.client.videos(job.index_id), job.videos, job.uploaded, job.left_out())


def delete_outdated(job: Job, plan: SyncPlan) -> None:
    """Delete older versions of the folder's videos, now that the newer ones are indexed."""
    for video_id in plan.outdated:
        try:
            job.client.delete_video(job.index_id, video_id)
        except ApiError as error:
            job.console.say(f"An older version stays in the index: {error}")


def compare(
    listed: Iterable[Video],
    files: Sequence[VideoFile],
    uploaded: Mapping[str, str],
    left_out: Set[str],
) -> SyncPlan:
    """Compare all videos of an index, newest first, with the files of a folder.

    A video matches a file of its name if it was uploaded in this run (`uploaded`, file name to
    video id) or `is_made_of` the file; if several do, the newest counts. All others stay out of the
    results, as do the names `left_out`: the page could not play them, or would show clips of
    another version.
    """
    versions: dict[str, list[Video]] = defaultdict(list)
    for video in listed:
        versions[video.filename].append(video)
    matched: dict[str, Video] = {}
    for file in files:
        for video in versions[file.name]:
            is_own = video.video_id == uploaded.get(file.name)
            if (is_own or is_made_of(video, file)) and file.name not in left_out:
                matched[file.name] = video
                break
    outdated = [
        video.video_id
        for name, newest in matched.items()
        for video in versions[name]
        if video is not newest
    ]
    settled = matched.keys() | uploaded.keys() | left_out
    missing = [file for file in files if file.name not in settled]
    unrelated = sum(map(len, versions.values())) - len(matched) - len(outdated)
    return SyncPlan(matched, outdated, missing, unrelated)


def is_made_of(video: Video, file: VideoFile) -> bool:
    """Whether a video of this name was made of this file, as far as can be told.

    The sizes have to agree. If the file was touched since, its fingerprint is compared with the
    video's where the platform tells one, as the engine does: it may be another file of that size.
    """
    if video.size != file.size:
        return False
    created_ns = video.created_at.timestamp() * 1e9 if video.created_at else 0.0
    is_untouched = file.touched_ns < created_ns
    return not video.fingerprint or is_untouched or file.has_fingerprint(video.fingerprint)
