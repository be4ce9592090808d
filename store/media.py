"""Pictures and texts of the videos, stored with the results so that the page needs no platform.

One ZIP file per video in `media/` of the results folder: JPEG files named by their time in
milliseconds, and `words.json` with the texts heard and read, and their times.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from core.classification import Clip
from core.files import remove_leftovers, replacing
from core.types import TimedText
from store.safe_files import ResultsBroken, StoredFile

FOLDER = "media"
WORDS = "words.json"
# What a damaged or cut ZIP file makes zipfile raise.
DAMAGE = (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)


def media_path(results_dir: Path, video_id: str) -> Path | None:
    """The media file of a video; None if its id cannot be a file name."""
    plain = video_id.isascii() and video_id.replace("-", "").replace("_", "").isalnum()
    return results_dir / FOLDER / f"{video_id}.zip" if plain and len(video_id) < 200 else None


def write_media(path: Path, pictures: Mapping[float, bytes], words: Sequence[TimedText]) -> None:
    """Write all media of one video, or nothing; `pictures` are JPEG files by time in seconds."""
    with replacing(path) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as archive:
        for time_s, picture in sorted(pictures.items()):
            archive.writestr(f"{round(1000 * time_s)}.jpg", picture)
        text = json.dumps([asdict(each) for each in words])
        archive.writestr(WORDS, text, zipfile.ZIP_DEFLATED)


def prune_media(results_dir: Path, video_ids: Collection[str]) -> None:
    """Delete the media of videos that are no longer in the results, and what killed runs left."""
    remove_leftovers(results_dir / FOLDER)
    for path in (results_dir / FOLDER).glob("*.zip"):
        if path.stem not in video_ids:
            path.unlink(missing_ok=True)


class Media:
    """The media of a results folder. A damaged file counts as missing."""

    def __init__(self, results_dir: Path) -> None:
        self._folder = results_dir
        self._times = lru_cache(4096)(_times)
        self._words = lru_cache(64)(_words)

    def has_pictures(self, video_id: str) -> bool:
        """Whether there is any picture of a video."""
        path, changed_ns = self._file(video_id)
        return bool(self._times(path, changed_ns))

    def picture(self, video_id: str, time_s: float) -> bytes | None:
        """The JPEG file of the picture nearest to a time."""
        path, changed_ns = self._file(video_id)
        times = self._times(path, changed_ns)
        if path is None or not times:
            return None
        nearest = min(times, key=lambda milliseconds: abs(milliseconds - 1000 * time_s))
        try:
            with zipfile.ZipFile(path) as archive:
                return archive.read(f"{nearest}.jpg")
        except DAMAGE:
            return None

    def words_of(self, video_id: str) -> Callable[[Clip], str]:
        """A function that gives the texts heard or read in a clip of a video, in order, each once.

        "" for a clip without any.
        """
        texts = self._words(*self._file(video_id))

        def words_of(clip: Clip) -> str:
            lines = (
                each.text
                for each in texts
                if each.option == clip.option and each.start < clip.end and each.end > clip.start
            )
            return " ".join(dict.fromkeys(lines))

        return words_of

    def _file(self, video_id: str) -> tuple[Path | None, int]:
        """The media file of a video and when it was changed; None if there is no such file."""
        path = media_path(self._folder, video_id)
        try:
            return (path, path.stat().st_mtime_ns) if path else (None, 0)
        except OSError:
            return None, 0


# Cached by path and time of change.


def _times(path: Path | None, _changed_ns: int) -> tuple[int, ...]:
    """The times of all pictures, in milliseconds."""
    if path is None:
        return ()
    try:
        with zipfile.ZipFile(path) as archive:
            names = [Path(name) for name in archive.namelist()]
        return tuple(
            int(name.stem) for name in names if name.suffix == ".jpg" and name.stem.isdecimal()
        )
    except DAMAGE:
        return ()


def _words(path: Path | None, _changed_ns: int) -> tuple[TimedText, ...]:
    if path is None:
        return ()
    try:
        with zipfile.ZipFile(path) as archive:
            return StoredFile(path / WORDS, archive.read(WORDS)).decode(tuple[TimedText, ...])
    except (*DAMAGE, ResultsBroken):
        return ()
