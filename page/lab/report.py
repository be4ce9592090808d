"""A version of the results as one HTML file that needs no server."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from flask import render_template

from page.card import ClipView, best_clips
from page.lab.comparison import Hits, length_of, prompt_hits
from page.query import ViewQuery, matching_videos
from page.summary import class_hues, run_summary
from store.judged_run import JudgedRun
from store.media import Media
from store.records import VideoResult


@dataclass(frozen=True)
class ReportVideo:
    """One video with its best clips."""

    video: VideoResult
    duration_s: float
    clips: tuple[ClipView, ...]


@dataclass(frozen=True)
class ReportPrompt:
    """One prompt of one class with its clips."""

    class_name: str
    prompt: str
    length: str
    hits: Hits


class EmbeddedPictures:
    """Pictures as data URLs; the videos themselves are not in the file."""

    def __init__(self, media: Media) -> None:
        self._media = media

    def video(self, name: str) -> str:
        """No URL."""
        return ""

    def picture(self, video_id: str, time_s: float | None = None) -> str:
        """A picture near a time as a data URL; "" if there is none."""
        content = self._media.picture(video_id, time_s or 0.0)
        return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}" if content else ""


def report_html(judged_run: JudgedRun, media: Media) -> str:
    """The whole report: every video, those with the best class first, and every prompt."""
    run = judged_run.run
    hues, pictures = class_hues(run), EmbeddedPictures(media)
    videos = matching_videos(run.videos, ViewQuery(run.request.thresholds))
    return render_template(
        "report.html",
        run=run_summary(run, run.videos),
        videos=[
            ReportVideo(
                video,
                judged_run.duration_s(video.video_id),
                best_clips(video, hues, pictures),
            )
            for video in videos
        ],
        prompts=[
            ReportPrompt(class_name, prompt, length_of(prompt), hits)
            for (class_name, prompt), hits in prompt_hits(judged_run).items()
        ],
    )
