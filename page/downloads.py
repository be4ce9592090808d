"""The routes that hand results out as files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, abort, request

from core.classification import ClassScore
from page.query import ViewQuery, filtered_classes, filtered_clips, matching_videos, read_view_query
from page.results_cache import ResultsCache, current_cache
from store import exports
from store.exports import NoFrameRate, VideoClips
from store.judged_run import JudgedRun
from store.results import VideoResult, read_result

MEDIA_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "vtt": "text/vtt",
    "captions.vtt": "text/vtt",
    "srt": "application/x-subrip",
    "edl": "text/plain",
}
# Where it is not the kind: of one video, chapters and captions would have the same name.
ENDINGS = {"vtt": "chapters.vtt"}

blueprint = Blueprint("downloads", __name__)


@blueprint.get("/export/<kind>")
def export(kind: str) -> Response:
    """One video (`id`) or all that the query shows: one file, or a ZIP of one per video."""
    if kind not in MEDIA_TYPES:
        abort(404)
    cache = current_cache()
    judged_run = cache.judged_run()
    query = read_view_query(request.args, judged_run.run.thresholds)
    judged = judged_run.judge(query.thresholds)
    video_id = request.args.get("id", "")
    chosen = (
        [v for v in judged if v.video_id == video_id]
        if video_id
        else matching_videos(judged, query)
    )
    if video_id and not chosen:
        abort(404)
    filtered = [filter_video(video, query) for video in chosen]
    stem = PurePosixPath(filtered[0].name).stem if video_id else "clips"
    ending = ENDINGS.get(kind, kind)
    name = f"{stem}.{ending}"
    if kind == "json":
        return attachment(name, kind, as_json(cache, judged_run, filtered, query))
    videos = [as_clips(judged_run, video) for video in filtered]
    if kind == "csv":
        return attachment(name, kind, exports.to_csv(videos))
    if video_id:
        text = writer_of(kind, cache, video_id)(videos[0])
        return attachment(name, kind, text)
    return zipped(kind, ending, cache, [video for video in videos if video.classes])


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
    is_as_given = query.thresholds == judged_run.run.thresholds
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


def zipped(kind: str, ending: str, cache: ResultsCache, videos: Sequence[VideoClips]) -> Response:
    """One file per video. Videos of unknown frame rate are named in a note and left out."""
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
    response = Response(content.getvalue(), mimetype="application/zip")
    name = f"clips-{ending.partition('.')[0]}.zip"
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    return response


def attachment(name: str, kind: str, text: str) -> Response:
    """A file to keep, under the name of its video."""
    response = Response(
        text.encode(errors="replace"), content_type=f"{MEDIA_TYPES[kind]}; charset=utf-8"
    )
    plain = "".join(
        char if (char.isascii() and char.isalnum()) or char in "-_. " else "_" for char in name
    )
    full = quote(name, safe="", errors="replace")
    response.headers["Content-Disposition"] = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"
    )
    response.cache_control.no_cache = True
    return response
