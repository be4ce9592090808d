"""Pictures and words of the videos, kept beside the results so that the page needs no platform.

One ZIP file per video in `media/` of the results folder: JPEG files named by their time in
milliseconds, and `words.json`, what was heard and read with its times.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from core.classification import Clip
from core.files import remove_leftovers, replacing
from core.types import TimedText

FOLDER = "media"
WORDS = "words.json"


def media_path(results_dir: Path, video_id: str) -> Path | None:
    """Where a video's pictures and words are kept; None for an id that is no plain file name."""
    plain = video_id.isascii() and video_id.replace("-", "").replace("_", "").isalnum()
    return results_dir / FOLDER / f"{video_id}.zip" if plain and len(video_id) < 200 else None


def write_media(path: Path, pictures: Mapping[float, bytes], words: Sequence[TimedText]) -> None:
    """Write all of one video's media, or nothing; `pictures` are JPEG files by time in seconds."""
    with replacing(path) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as archive:
        for time_s, picture in sorted(pictures.items()):
            archive.writestr(f"{round(1000 * time_s)}.jpg", picture)
        text = json.dumps([asdict(each) for each in words], ensure_ascii=False)
        archive.writestr(WORDS, text, zipfile.ZIP_DEFLATED)


def prune_media(results_dir: Path, video_ids: Collection[str]) -> None:
    """Delete the media of videos that are no longer in the results, and what killed runs left."""
    remove_leftovers(results_dir / FOLDER)
    for path in (results_dir / FOLDER).glob("*.zip"):
        if path.stem not in video_ids:
            path.unlink(missing_ok=True)


class Media:
    """The media of a results folder. A file that is broken counts as one that is not there."""

    def __init__(self, results_dir: Path) -> None:
        self._folder = results_dir
        self._times = lru_cache(4096)(_times)
        self._words = lru_cache(64)(_words)

    def has_pictures(self, video_id: str) -> bool:
        """Whether there is any picture of a video."""
        path = self._file(video_id)
        return path is not None and bool(self._times(path, path.stat().st_mtime_ns))

    def picture(self, video_id: str, time_s: float) -> bytes | None:
        """The JPEG file of the moment nearest to a time."""
        path = self._file(video_id)
        times = self._times(path, path.stat().st_mtime_ns) if path else ()
        if path is None or not times:
            return None
        nearest = min(times, key=lambda milliseconds: abs(milliseconds - 1000 * time_s))
        try:
            with zipfile.ZipFile(path) as archive:
                return archive.read(f"{nearest}.jpg")
        except (OSError, KeyError, zipfile.BadZipFile):
            return None

    def words_of(self, video_id: str) -> Callable[[Clip], str]:
        """What finds the words heard or read in a clip of a video: in their order, each once."""
        path = self._file(video_id)
        spans = self._words(path, path.stat().st_mtime_ns) if path else ()

        def words_of(clip: Clip) -> str:
            lines = (
                each.text
                for each in spans
                if each.option == clip.option and each.start < clip.end and each.end > clip.start
            )
            return " ".join(dict.fromkeys(lines))

        return words_of

    def _file(self, video_id: str) -> Path | None:
        path = media_path(self._folder, video_id)
        return path if path is not None and path.is_file() else None


def _times(path: Path, _changed: int) -> tuple[int, ...]:
    """Times in milliseconds for which there is a picture; `_changed` is the key of the cache."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return ()
    stems = (name.removesuffix(".jpg") for name in names if name.endswith(".jpg"))
    return tuple(int(stem) for stem in stems if stem.isdecimal())


def _words(path: Path, _changed: int) -> tuple[TimedText, ...]:
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(TimedText(**each) for each in json.loads(archive.read(WORDS)))
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return ()
