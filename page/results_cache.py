"""What all routes share: the results as they are now, their media, the videos folder."""

from __future__ import annotations

import threading
from pathlib import Path

from flask import Flask, current_app

from core.settings import Settings
from store import results
from store.judged_run import JudgedRun, load_judged_run
from store.media import Media
from store.records import Run

EXTENSION = "video-classification.results"


class ResultsCache:
    """A results folder as it is now; it is read again only when a file in it has changed."""

    def __init__(self, results_dir: Path, videos_dir: Path | None, settings: Settings) -> None:
        self.results_dir = results_dir
        self.settings = settings
        self.media = Media(results_dir)
        self._videos_dir = videos_dir
        self._lock = threading.Lock()
        self._fingerprint: object = None
        self._judged_run: JudgedRun | None = None

    def judged_run(self) -> JudgedRun:
        """The results; raises ResultsMissing or ResultsBroken."""
        with self._lock:
            # Taken before reading: a file replaced meanwhile is then noticed at the next request.
            fingerprint = results.fingerprint(self.results_dir)
            if self._judged_run is None or fingerprint != self._fingerprint:
                self._judged_run, self._fingerprint = load_judged_run(self.results_dir), fingerprint
            return self._judged_run

    def videos_dir(self, run: Run) -> Path:
        """The videos folder: as given, else where the run found it, else that of the settings."""
        if self._videos_dir is not None:
            return self._videos_dir
        return run.videos_dir if run.videos_dir.is_dir() else self.settings.videos_dir


def attach_cache(app: Flask, cache: ResultsCache) -> None:
    """Give an application its results cache."""
    app.extensions[EXTENSION] = cache


def current_cache() -> ResultsCache:
    """The results cache of the application that handles this request."""
    cache: ResultsCache = current_app.extensions[EXTENSION]
    return cache
