"""A pipeline run on a fake client, for what no real platform does on time; and rows of its log."""

from __future__ import annotations

import csv
from pathlib import Path

from core.settings import Settings
from core.types import Index
from platforms.connect import Platform
from platforms.limits import ENGINE
from platforms.request import request_of
from steps.console import Console
from steps.folder import find_videos
from steps.job import Job


def job_on(client: object, videos_dir: Path) -> Job:
    """A run over the videos of a folder."""
    videos, refused = find_videos(videos_dir)
    platform = Platform(client, "fake", "", ENGINE, embedded=True, is_engine=True)  # type: ignore[arg-type]
    settings = Settings(upload_workers=2)
    request = request_of(settings, [])
    return Job(settings, Console(), request, platform, Index("i"), videos, refused)


def rows_of(log: Path) -> list[dict[str, str]]:
    """The rows of an `upload_status.csv`, as they are now."""
    with open(log, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
