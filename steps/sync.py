"""What an index holds of a videos folder: its own videos, older versions of them, and others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from steps.folder import Refused, VideoFile
from steps.job import Job
from twelvelabs_client import ApiError

Json = dict[str, Any]


@dataclass(frozen=True)
class Holdings:
    """What the index holds of the folder.

    `current` are the folder's own videos by name, `replaced` the ids of their older versions;
    `others` counts the rest: videos of other folders, and of files that are gone or have changed.
    """

    current: Mapping[str, Json]
    replaced: Sequence[str]
    others: int

    def ids(self) -> set[str]:
        """The ids of the folder's own videos."""
        return {video["_id"] for video in self.current.values()}

    def names(self) -> list[Json]:
        """The folder's own videos as `video_id_name_list` has them."""
        return [
            {"video_id": video["_id"], "video_name": name} for name, video in self.current.items()
        ]

    def durations(self) -> dict[str, float]:
        """Length in seconds by video id, 0.0 where it is not known."""
        return {video_id: known["duration_s"] for video_id, known in self.details().items()}

    def details(self) -> dict[str, Json]:
        """Length in seconds and frames per second by video id, 0.0 where they are not known.

        `damage` says in what way a file is damaged, "" where it is not or nobody knows.
        """
        return {
            video["_id"]: {
                "duration_s": metadata_of(video).get("duration") or 0.0,
                "fps": metadata_of(video).get("fps") or 0.0,
                "damage": str(metadata_of(video).get("damage") or ""),
            }
            for video in self.current.values()
        }

    def without(self, reasons: Mapping[str, str]) -> tuple[Holdings, list[Refused]]:
        """Leave videos out by their ids, each with its reason; what is left, and those left out."""
        left_out = {
            name: Refused(name, reasons[video["_id"]])
            for name, video in self.current.items()
            if video["_id"] in reasons
        }
        left = {name: video for name, video in self.current.items() if name not in left_out}
        return replace(self, current=left), list(left_out.values())


def list_videos(job: Job) -> Holdings:
    """What the index, all pages, holds of the folder."""
    return compare(job.client.videos(job.index_id), job.videos, job.uploaded, job.left_out())


def remove_replaced(job: Job, holdings: Holdings) -> None:
    """Delete older versions of the folder's videos, now that the newer ones are there."""
    for video_id in holdings.replaced:
        try:
            job.client.delete_video(job.index_id, video_id)
        except ApiError as error:
            job.console.say(f"An older version stays in the index: {error}")


def compare(
    listed: Iterable[Json],
    files: Iterable[VideoFile],
    uploaded: Mapping[str, str],
    left_out: Container[str],
) -> Holdings:
    """Compare all videos of an index, newest first, with the files of the folder.

    A video is the folder's own if it was made in this run (`uploaded`, name to video id) or is of a
    file there (`is_of`); of several the newest counts. All others stay out of the results, as do
    the names `left_out`: the page could not play them, or would show the clips of another cut.
    """
    versions: dict[str, list[Json]] = defaultdict(list)
    for video in listed:
        versions[metadata_of(video).get("filename", "")].append(video)
    current: dict[str, Json] = {}
    for file in files:
        for video in versions[file.name]:
            is_own = video["_id"] == uploaded.get(file.name)
            if (is_own or is_of(video, file)) and file.name not in left_out:
                current[file.name] = video
                break
    replaced = [
        video["_id"]
        for name, newest in current.items()
        for video in versions[name]
        if video is not newest
    ]
    others = sum(map(len, versions.values())) - len(current) - len(replaced)
    return Holdings(current, replaced, others)


def is_of(video: Json, file: VideoFile) -> bool:
    """Whether a video of this name was made of this file, as far as can be told.

    The sizes have to agree. A file that was touched since is looked into where the platform tells
    fingerprints, as the engine does: it may be another one of the same size.
    """
    known = metadata_of(video)
    if known.get("size") != file.size:
        return False
    wanted = known.get("fingerprint")
    is_older = file.touched_ns < made_ns(video)
    return not wanted or is_older or file.has_fingerprint(wanted)


def made_ns(video: Json) -> float:
    """When a video was made, in nanoseconds since 1970; 0 where the platform does not tell."""
    try:
        return datetime.fromisoformat(video["created_at"].replace("Z", "+00:00")).timestamp() * 1e9
    except (KeyError, AttributeError, ValueError):
        return 0.0


def metadata_of(item: Json) -> Json:
    """What the platform knows of a video's or a task's file; empty where it tells nothing."""
    found = item.get("metadata")
    return found if isinstance(found, dict) else {}
