"""What all routes of the page share: the results as they are now, their media, the videos."""

from __future__ import annotations

import threading
from pathlib import Path

from flask import Flask, current_app

from core.settings import Settings
from page.video_files import video_file
from store import results
from store.judged_run import Library, load_library
from store.media import Media

EXTENSION = "video-classification.shelf"


class Shelf:
    """A results folder as it is now, read again only when a file in it has changed."""

    def __init__(self, results_dir: Path, videos_dir: Path | None, settings: Settings) -> None:
        self.results_dir = results_dir
        self.settings = settings
        self.media = Media(results_dir)
        self._videos_dir = videos_dir
        self._lock = threading.Lock()
        self._seen: object = None
        self._held: Library | None = None

    def library(self) -> Library:
        """The results; raises ResultsMissing or ResultsBroken."""
        with self._lock:
            # Taken before reading: a file replaced meanwhile is noticed at the next request.
            seen = results.fingerprint(self.results_dir)
            if self._held is None or seen != self._seen:
                self._held, self._seen = load_library(self.results_dir), seen
            return self._held

    def videos_folder(self) -> Path:
        """Where the videos are: as given, else where the run found them, else as set."""
        if self._videos_dir is not None:
            return self._videos_dir
        found = self.library().run.videos_dir
        return found if found.is_dir() else self.settings.videos_dir

    def video_path(self, name: str) -> Path | None:
        """The file of a video that the results name, where it is there."""
        named = any(video.name == name for video in self.library().run.videos)
        return video_file(self.videos_folder(), name) if named else None


def put_shelf(app: Flask, shelf: Shelf) -> None:
    """Give an application its shelf."""
    app.extensions[EXTENSION] = shelf


def the_shelf() -> Shelf:
    """The shelf of the application that answers."""
    shelf: Shelf = current_app.extensions[EXTENSION]
    return shelf
