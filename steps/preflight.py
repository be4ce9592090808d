"""Looks at the videos folder before a byte is sent: what is there, and what a platform would take.

`find_videos` only lists and is cheap; `check` opens a file and decodes a picture of it. A file that
cannot be classified is no error but a `Refused`, so that the others go on. Reasons are written to
follow the name of the file: "clip.mp4: is empty".
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from engine.media import MediaError, MediaInfo, fingerprint, probe

# Containers that FFmpeg reads and people keep videos in. GIF is a picture to every player.
SUFFIXES = frozenset(
    (
        *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m1v", ".m2ts", ".m2v"),
        *(".m4v", ".mj2", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut"),
        *(".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".wtv", ".y4m"),
    )
)
STILL_WRITTEN = "changed while it was read: run again when it has been copied whole"


@dataclass(frozen=True)
class VideoFile:
    """A file that calls itself a video.

    `name` is its path relative to the videos folder, with "/" on every system; size in bytes. What
    is in it was last written at `changed_ns`; it was written, renamed or put there at `touched_ns`.
    """

    name: str
    path: Path
    size: int
    changed_ns: int
    touched_ns: int

    def is_unchanged(self) -> bool:
        """Whether the file on the disk is still the one that was found."""
        try:
            now = self.path.stat()
        except OSError:
            return False
        return (now.st_size, now.st_mtime_ns) == (self.size, self.changed_ns)

    def has_fingerprint(self, wanted: str) -> bool:
        """Whether it is the file of that fingerprint; taken to be where it cannot be read."""
        try:
            return fingerprint(self.path) == wanted
        except OSError:
            return True


@dataclass(frozen=True)
class Refused:
    """A file that will not be classified, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"

    def as_json(self) -> dict[str, str]:
        """The file as `run.json` tells it."""
        return {"video_name": self.name, "reason": self.reason}


@dataclass(frozen=True)
class Limits:
    """What a platform takes; sides in pixels, either way round."""

    min_duration_s: float = 0.0
    max_duration_s: float = math.inf
    max_bytes: float = math.inf
    min_sides: tuple[int, int] = (1, 1)
    max_sides: tuple[float, float] = (math.inf, math.inf)
    max_ratio: float = math.inf  # of the longer side to the shorter


# The engine takes videos of any length, and of any size where it runs for this program alone; one
# that serves others says itself what it takes.
ENGINE = Limits()
# v1.1.2 and v1.2: 4 s to 2 h, 2 GB, 480x360 to 4K. Taken at their widest (GiB, the 4096x2160 of
# the cinema), because at the border the platform itself has the last word.
HOSTED = Limits(4.0, 7200.0, 2 * 1024**3, (480, 360), (4096, 2160))
# v1.3: 4 s up, 360x360 to 5184x2160, sides no further apart than 2.4 to 1, 10 GB in chunks. What
# classifies sets the longest: analyses take 2 h, the index for search 4 h.
V13_SEGMENTATION = Limits(4.0, 7200.0, 10 * 1024**3, (360, 360), (5184, 2160), 2.4)
V13_SEARCH = replace(V13_SEGMENTATION, max_duration_s=14_400.0)


def limits_of(*, is_engine: bool, is_v13: bool, by_search: bool) -> Limits:
    """What a platform takes: the engine, or a hosted one by version and what classifies there."""
    if is_engine:
        return ENGINE
    if not is_v13:
        return HOSTED
    return V13_SEARCH if by_search else V13_SEGMENTATION


def find_videos(folder: Path) -> tuple[list[VideoFile], list[Refused]]:
    """All videos of a folder and its subfolders by name, and what looks like one and cannot be.

    Hidden files and folders are passed over, also the "._" files that macOS leaves on other disks.
    Raises OSError where `folder` itself is missing, no folder, or cannot be listed.
    """
    root = folder.resolve()
    os.scandir(root).close()
    videos: list[VideoFile] = []
    refused: list[Refused] = []
    for path in _walk(root, refused):
        found = _look_at(path, root)
        if isinstance(found, Refused):
            refused.append(found)
        else:
            videos.append(found)
    videos.sort(key=lambda video: video.name)
    refused.sort(key=lambda entry: entry.name)
    return videos, refused


def _walk(root: Path, refused: list[Refused]) -> Iterator[Path]:
    """Paths with a video's suffix; folders that cannot be entered are added to `refused`."""

    def closed(error: OSError) -> None:
        name = _name(Path(error.filename), root)
        refused.append(Refused(name, f"is a folder that cannot be read: {error.strerror}"))

    for parent, folders, files in os.walk(root, onerror=closed):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for link in (Path(parent, name) for name in folders):
            if link.is_symlink() and not link.resolve().is_relative_to(root):
                refused.append(Refused(_name(link, root), _points_out("folder")))
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(parent, name)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _points_out(what: str) -> str:
    return f"is a link to a {what} outside the videos folder: put the {what} itself there"


def _look_at(path: Path, root: Path) -> VideoFile | Refused:
    name = _name(path, root)
    try:
        name.encode()
        found = path.stat()
    except UnicodeEncodeError:
        return Refused(name, "has a name that is not valid UTF-8: rename it")
    except FileNotFoundError:
        return Refused(name, "is a link to a file that is not there")
    except OSError as error:
        return Refused(name, _unreadable(error))
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        return Refused(name, _points_out("file"))
    if not stat.S_ISREG(found.st_mode):
        return Refused(name, "is not a regular file")
    touched_ns = max(found.st_mtime_ns, found.st_ctime_ns)
    return VideoFile(name, path, found.st_size, found.st_mtime_ns, touched_ns)


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"


def check_all(
    videos: Sequence[VideoFile], limits: Limits, workers: int
) -> Iterator[MediaInfo | Refused]:
    """Check several videos side by side; the answers come in the order of `videos`."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="preflight")
    try:
        yield from pool.map(lambda video: check(video, limits), videos)
    finally:
        pool.shutdown(cancel_futures=True)


def check(video: VideoFile, limits: Limits) -> MediaInfo | Refused:
    """Open one video and decode a picture; Refused with the rule that it breaks and the repair."""
    if video.size == 0:
        return Refused(video.name, "is empty (0 bytes): copy it again")
    if video.size > limits.max_bytes:
        return Refused(
            video.name,
            f"has {video.size / 1024**3:.2f} GB; the platform takes up to"
            f" {limits.max_bytes / 1024**3:g} GB: cut it or make it smaller",
        )
    try:
        with video.path.open("rb") as file:
            head = file.read(12)
        info = probe(video.path)
    except OSError as error:
        return Refused(video.name, _unreadable(error))
    except MediaError as error:
        if not video.is_unchanged():
            return Refused(video.name, STILL_WRITTEN)
        return Refused(video.name, _why_broken(head, error))
    if not video.is_unchanged():
        return Refused(video.name, STILL_WRITTEN)
    reason = _outside(info, limits)
    return Refused(video.name, reason) if reason else info


def _why_broken(head: bytes, error: MediaError) -> str:
    if head[4:8] == b"ftyp" and error.__cause__:
        # It begins as an MP4 and FFmpeg finds no table of contents, which cameras write last.
        return "is cut off, its table of contents is missing: copy or export it again"
    return error.message


def _outside(info: MediaInfo, limits: Limits) -> str:
    """Which limit a video breaks, or nothing. A length of 0 is one that the file does not tell."""
    shortest, longest = limits.min_duration_s, limits.max_duration_s
    if info.duration_s and not shortest <= info.duration_s <= longest:
        return (
            f"is {info.duration_s:.1f} s long; the platform takes {shortest:g} s to"
            f" {longest:g} s: " + ("drop it" if info.duration_s < shortest else "cut it")
        )
    sides = (max(info.width, info.height), min(info.width, info.height))
    if sides[0] < limits.min_sides[0] or sides[1] < limits.min_sides[1]:
        least = f"{limits.min_sides[0]}x{limits.min_sides[1]}"
        return f"is {info.width}x{info.height}; the platform takes {least} and more: drop it"
    if sides[0] > limits.max_sides[0] or sides[1] > limits.max_sides[1]:
        most = f"{limits.max_sides[0]:g}x{limits.max_sides[1]:g}"
        return f"is {info.width}x{info.height}; the platform takes up to {most}: make it smaller"
    if sides[0] > limits.max_ratio * sides[1]:
        ratio = f"{limits.max_ratio:g} to 1"
        return f"is {info.width}x{info.height}; the platform takes sides up to {ratio}: crop it"
    return ""
