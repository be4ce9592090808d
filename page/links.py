"""The URLs on the page: other views of the results, videos, pictures, clips and exports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from flask import url_for

from core.classification import Clip, Thresholds
from page.formatting import plain_seconds
from page.query import ViewQuery
from page.video_files import video_file
from store.media import Media

EXPORT_LABELS = {
    "csv": "CSV",
    "json": "JSON",
    "vtt": "WebVTT chapters",
    "captions.vtt": "WebVTT captions",
    "srt": "SRT",
    "edl": "EDL (CMX 3600)",
}


class VideoLinks(Protocol):
    """The URLs of videos and their pictures; "" if there is none."""

    def video(self, name: str) -> str:
        """The URL of a video file."""

    def picture(self, video_id: str, time_s: float | None = None) -> str:
        """The URL of a picture of a video near a time, by default near its middle."""


class ServedVideos:
    """URLs of this server; made while it handles a request."""

    def __init__(self, videos_dir: Path, media: Media) -> None:
        self._videos_dir = videos_dir
        self._media = media

    def video(self, name: str) -> str:
        """The URL of a video file; "" if it is not there."""
        is_there = video_file(self._videos_dir, name) is not None
        return url_for("page.serve_video", name=name) if is_there else ""

    def picture(self, video_id: str, time_s: float | None = None) -> str:
        """The URL of a picture near a time, by default the middle; "" if there are no pictures."""
        if not self._media.has_pictures(video_id):
            return ""
        url = url_for("page.serve_picture", video_id=video_id)
        return url if time_s is None else f"{url}?t={plain_seconds(time_s)}"


@dataclass(frozen=True)
class ExportLink:
    """A file to download."""

    label: str
    url: str


class ViewUrls:
    """URLs that start from a view; `defaults` are the thresholds of the run."""

    def __init__(self, query: ViewQuery, defaults: Thresholds) -> None:
        self._query = query
        self.defaults = defaults

    def view(self, **changes: object) -> str:
        """This view with changes; from its first page and with no linked video by default."""
        changes = {"page": 0, "video_id": "", **changes}
        return with_parameters(
            url_for("page.show_page"), self._query.parameters(self.defaults, **changes)
        )

    def exports(self) -> tuple[ExportLink, ...]:
        """All videos that the view shows, in each form."""
        return export_links(
            self._query.parameters(self.defaults, page=0, video_id="", sort="score", group="video")
        )

    def video_exports(self, video_id: str) -> tuple[ExportLink, ...]:
        """One video with all its clips at the thresholds of the view, in each form."""
        return export_links({"id": video_id, **self._thresholds()})

    def clips(self, video_id: str, **parameters: str) -> str:
        """The list of a video's clips at the thresholds of the view."""
        url = url_for("page.list_clips", video_id=video_id)
        return with_parameters(url, {**parameters, **self._thresholds()})

    def track(self, kind: str, video_id: str) -> str:
        """A text track of a video's player, "vtt" or "captions.vtt"."""
        return export_url(kind, {"id": video_id, **self._thresholds()})

    def _thresholds(self) -> dict[str, str]:
        return ViewQuery(self._query.thresholds).parameters(self.defaults)


def export_links(parameters: Mapping[str, str]) -> tuple[ExportLink, ...]:
    """The same clips in each form."""
    return tuple(
        ExportLink(label, export_url(kind, parameters)) for kind, label in EXPORT_LABELS.items()
    )


def export_url(kind: str, parameters: Mapping[str, str]) -> str:
    """The URL of an export."""
    return with_parameters(url_for("downloads.export", kind=kind), parameters)


def clip_url(video_url: str, clip: Clip) -> str:
    """A clip as a media fragment of its video; "" if the video is not there."""
    return video_url and f"{video_url}#t={plain_seconds(clip.start)},{plain_seconds(clip.end)}"


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """A URL with query parameters; characters that UTF-8 cannot encode become question marks."""
    return f"{url}?{urlencode(parameters, errors='replace')}" if parameters else url
