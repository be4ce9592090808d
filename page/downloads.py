"""The routes that hand results out as files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from flask import Blueprint, Response, abort, request

from core.classification import ClassScore
from page.query import ViewQuery, filtered_classes, filtered_clips, matching_videos, read_view_query
from page.responses import attachment
from page.results_cache import ResultsCache, current_cache
from store import exports
from store.exports import NoFrameRate, VideoClips
from store.judged_run import JudgedRun
from store.records import VideoResult
from store.results import read_result

MEDIA_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "vtt": "text/vtt",
    "captions.vtt": "text/vtt",
    "srt": "application/x-subrip; charset=utf-8",
    "edl": "text/plain",
}
# Of one video, chapters and captions would otherwise have the same name.
ENDINGS = {"vtt": "chapters.vtt"}

blueprint = Blueprint("downloads", __name__)


@blueprint.get("/export/<kind>")
def export(kind: str) -> Response:
    """One video (`id`) or all that match the query: one file, or a ZIP with one file per video."""
    if kind not in MEDIA_TYPES:
        abort(404)
    cache = current_cache()
    judged_run = cache.judged_run()
    query = read_view_query(request.args, judged_run.run.request.thresholds)
    video_id = request.args.get("id", "")
    videos = exported_videos(judged_run, query, video_id)
    stem = PurePosixPath(videos[0].name).stem if video_id else "clips"
    ending = ENDINGS.get(kind, kind)
    name, media_type = f"{stem}.{ending}", MEDIA_TYPES[kind]
    if kind == "json":
        return attachment(as_json(cache, judged_run, videos, query), name, media_type)
    clips = [as_clips(judged_run, video) for video in videos]
    if kind == "csv":
        return attachment(exports.to_csv(clips), name, media_type)
    if video_id:
        return attachment(writer_of(kind, cache, video_id)(clips[0]), name, media_type)
    content = zipped(kind, ending, cache, [video for video in clips if video.classes])
    return attachment(content, f"clips-{ending.partition('.')[0]}.zip", "application/zip")


def exported_videos(judged_run: JudgedRun, query: ViewQuery, video_id: str) -> list[VideoResult]:
    """One video or all that match the query, without filtered classes and clips; may abort."""
    judged = judged_run.judge(query.thresholds)
    if video_id:
        chosen = [video for video in judged if video.video_id == video_id]
        if not chosen:
            abort(404)
    else:
        chosen = matching_videos(judged, query)
    return [filter_video(video, query) for video in chosen]


def filter_video(video: VideoResult, query: ViewQuery) -> VideoResult:
    """A video with what a filter leaves of its classes and clips."""
    if not query.class_name and not query.evidence:
        return video
    classes = (
        replace(found, clips=tuple(filtered_clips(found.clips, query)))
        for found in filtered_classes(video.classes, query)
    )
    return replace(video, classes=tuple(found for found in classes if found.clips))


def as_clips(judged_run: JudgedRun, video: VideoResult) -> VideoClips:
    """A video as the exporters take it."""
    details = judged_run.run.details.get(video.video_id)
    return VideoClips(video.video_id, video.name, details.fps if details else 0.0, video.classes)


def writer_of(kind: str, cache: ResultsCache, video_id: str) -> Callable[[VideoClips], str]:
    """What writes a file of one video."""
    words_of = cache.media.words_of(video_id)
    if kind == "captions.vtt":
        return lambda video: exports.to_captions(video, words_of)
    return {"vtt": exports.to_chapters, "srt": exports.to_srt, "edl": exports.to_edl}[kind]


def as_json(
    cache: ResultsCache, judged_run: JudgedRun, videos: Sequence[VideoResult], query: ViewQuery
) -> str:
    """`clips_data` as the API gave it; re-judged or filtered results in the same shape."""
    ids = {video.video_id for video in videos}
    is_as_given = query.thresholds == judged_run.run.request.thresholds
    if is_as_given and not query.class_name and not query.evidence:
        given = read_result(cache.results_dir, "clips_data")["data"]
        data = [video for video in given if video["video_id"] in ids]
    else:
        data = [
            {
                "video_id": video.video_id,
                "classes": [class_answer(found) for found in video.classes],
            }
            for video in videos
            if video.classes
        ]
    return json.dumps({"data": data}, ensure_ascii=False, indent=1)


def class_answer(found: ClassScore) -> dict[str, Any]:
    """A class in the API's shape."""
    return {
        "name": found.name,
        "score": found.score,
        "duration_ratio": found.duration_ratio,
        "clips": [clip.as_json() for clip in found.clips],
        "detailed_scores": {"max_score": found.max_score, "avg_score": found.avg_score},
    }


def zipped(kind: str, ending: str, cache: ResultsCache, videos: Sequence[VideoClips]) -> bytes:
    """A ZIP with one file per video; those of unknown frame rate are named in a note instead."""
    content = io.BytesIO()
    without: list[str] = []
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        names = exports.file_names([video.name for video in videos], ending)
        for name, video in zip(names, videos, strict=True):
            try:
                text = writer_of(kind, cache, video.video_id)(video)
            except NoFrameRate:
                without.append(video.name)
            else:
                archive.writestr(name, text.encode(errors="replace"))
        if without:
            note = "Left out, their frame rate is not known:\n" + "\n".join(without) + "\n"
            archive.writestr("LEFT-OUT.txt", note.encode(errors="replace"))
    return content.getvalue()
