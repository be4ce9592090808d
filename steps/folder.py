"""Lists the videos folder: which files are videos, and which only look like one.

Videos are listed here and opened later, so this is fast even for a large folder. A file that cannot
be classified does not stop the run; it is left out with a reason that reads on from its name:
"clip.mp4: is empty".
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import UserError
from core.settings import Settings
from store.records import LeftOut

# Container formats that FFmpeg reads and people keep videos in. Players treat a GIF as a picture.
SUFFIXES = frozenset(
    (
        *(".3g2", ".3gp", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".m1v", ".m2ts", ".m2v"),
        *(".m4v", ".mj2", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".nut"),
        *(".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm", ".wmv", ".wtv", ".y4m"),
    )
)
# Where NAS devices and operating systems keep deleted, temporary and derived files.
SYSTEM_FOLDERS = frozenset(
    (
        *("@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot"),
        *("$recycle.bin", "recycler", "recycled", "lost+found", "system volume information"),
    )
)
TYPESCRIPT_SUFFIXES = (".ts", ".mts")  # shared by MPEG transport streams and TypeScript
HEAD_BYTES = 512
STILL_CHANGING = "changed while it was being read: run again once it is copied completely"


@dataclass(frozen=True)
class VideoFile:
    """A file with the suffix of a video format.

    `name` is its path relative to the videos folder, with "/" on every system; the size is in
    bytes. Its content was last written at `changed_ns`; it was last written, renamed or moved here
    at `touched_ns`, both in nanoseconds since 1970.
    """

    name: str
    path: Path
    size: int
    changed_ns: int
    touched_ns: int

    def is_unchanged(self) -> bool:
        """Whether the file on disk is still the one that was listed."""
        try:
            now = self.path.stat()
        except OSError:
            return False
        return (now.st_size, now.st_mtime_ns) == (self.size, self.changed_ns)

    def has_fingerprint(self, expected: str) -> bool:
        """Whether the file has this fingerprint; assumed to be so if it cannot be read."""
        # Imported here because it loads PyAV and NumPy, which `pipeline.py --help` does without.
        from engine.media import fingerprint

        try:
            return fingerprint(self.path) == expected
        except OSError:
            return True


def list_folder(settings: Settings) -> tuple[list[VideoFile], list[LeftOut]]:
    """List the videos folder; raises UserError if it cannot be read or holds no video."""
    repair = "name your videos folder with --videos"
    if settings.videos_dir == Settings().videos_dir:
        repair = "put your videos there, or make samples with: python -m steps.samples"
    try:
        videos, refused = find_videos(settings.videos_dir)
    except OSError as error:
        raise UserError(
            f"the videos folder {settings.videos_dir} cannot be read: {error.strerror}: {repair}"
        ) from None
    if not videos and not refused:
        raise UserError(f"the videos folder {settings.videos_dir} holds no video: {repair}")
    return videos, refused


def find_videos(folder: Path) -> tuple[list[VideoFile], list[LeftOut]]:
    """All videos of a folder and its subfolders, and the files that only look like videos, by name.

    Hidden files and folders are skipped, and with them the "._" files that macOS leaves on other
    disks; so are recycle bins, the system folders of NAS devices, and TypeScript.
    Raises OSError if `folder` is missing, is not a folder, or cannot be listed.
    """
    root = folder.resolve()
    os.scandir(root).close()
    found = [_examined(entry, root) if isinstance(entry, Path) else entry for entry in _walk(root)]
    videos = [
        entry for entry in found if isinstance(entry, VideoFile) and not _is_typescript(entry.path)
    ]
    refused = [entry for entry in found if isinstance(entry, LeftOut)]
    videos.sort(key=lambda video: video.name)
    refused.sort(key=lambda entry: entry.video_name)
    return videos, refused


def _walk(root: Path) -> Iterator[Path | LeftOut]:
    """Paths of the files with a video suffix, and the folders that cannot be entered."""
    errors: list[OSError] = []
    for parent, folders, files in os.walk(root, onerror=errors.append):
        folders[:] = [name for name in folders if not _is_skipped(name)]
        for folder in (Path(parent, name) for name in folders):
            if _leads_outside(folder, root):
                yield LeftOut(_name(folder, root), _outside_reason("folder"))
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(parent, name)
    for error in errors:
        name = _name(Path(error.filename), root)
        yield LeftOut(name, f"is a folder that cannot be read: {error.strerror}")


def _is_skipped(folder: str) -> bool:
    return folder.startswith(".") or folder.lower() in SYSTEM_FOLDERS


def _is_typescript(path: Path) -> bool:
    """Whether a file is source code: text, where a transport stream has binary packets."""
    if path.suffix.lower() not in TYPESCRIPT_SUFFIXES:
        return False
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except (OSError, UnicodeDecodeError):  # an unreadable file is refused by name later
        return False
    return bool(text) and all(char.isprintable() or char.isspace() for char in text)


def _examined(path: Path, root: Path) -> VideoFile | LeftOut:
    name = _name(path, root)
    try:
        name.encode()
        found = path.stat()
    except UnicodeEncodeError:
        return LeftOut(name, "has a name that is not valid UTF-8: rename it")
    except FileNotFoundError:
        return LeftOut(name, "is a link to a file that does not exist")
    except OSError as error:
        return LeftOut(name, unreadable(error))
    if _leads_outside(path, root):
        return LeftOut(name, _outside_reason("file"))
    if not stat.S_ISREG(found.st_mode):
        return LeftOut(name, "is not a regular file")
    touched_ns = max(found.st_mtime_ns, found.st_ctime_ns)
    return VideoFile(name, path, found.st_size, found.st_mtime_ns, touched_ns)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _leads_outside(path: Path, root: Path) -> bool:
    return path.is_symlink() and not path.resolve().is_relative_to(root)


def _outside_reason(what: str) -> str:
    return f"is a link to a {what} outside the videos folder: put the {what} itself there"


def unreadable(error: OSError) -> str:
    """The reason to refuse a file that the system cannot read."""
    return f"cannot be read: {error.strerror}"
