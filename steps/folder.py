"""Lists the videos folder: which files are videos, and which only look like one.

It lists and opens nothing, so it is cheap. A file that cannot be classified is not an error but a
`Refused`, so that the others go on. Reasons are written to follow the name of the file:
"clip.mp4: is empty".
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.settings import Settings
from steps.errors import PipelineError

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

    def has_fingerprint(self, expected: str) -> bool:
        """Whether the file has this fingerprint; assumed to be so where it cannot be read."""
        # Imported here because it loads PyAV and NumPy, which `pipeline.py --help` does without.
        from engine.media import fingerprint

        try:
            return fingerprint(self.path) == expected
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


def list_folder(settings: Settings) -> tuple[list[VideoFile], list[Refused]]:
    """What the videos folder holds; raises PipelineError where that is no video at all."""
    how = "name your videos folder with --videos"
    if settings.videos_dir == Settings().videos_dir:
        how = "put your videos there, or make samples with: python -m steps.samples"
    try:
        videos, refused = find_videos(settings.videos_dir)
    except OSError as error:
        raise PipelineError(
            f"the videos folder {settings.videos_dir} cannot be read: {error.strerror}: {how}"
        ) from None
    if not videos and not refused:
        raise PipelineError(f"the videos folder {settings.videos_dir} holds no video: {how}")
    return videos, refused


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
        return Refused(name, unreadable(error))
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        return Refused(name, _points_out("file"))
    if not stat.S_ISREG(found.st_mode):
        return Refused(name, "is not a regular file")
    touched_ns = max(found.st_mtime_ns, found.st_ctime_ns)
    return VideoFile(name, path, found.st_size, found.st_mtime_ns, touched_ns)


def unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"
