"""The routes of the page that only read: the overview, videos, pictures, clips."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, jsonify, request, url_for

from page.card import ClipPage, ClipView, clip_page
from page.formatting import evidence_word
from page.links import ServedVideos, with_parameters
from page.overview import page_view
from page.query import (
    LIMITS,
    ClipQuery,
    class_filter,
    read_clip_query,
    read_thresholds,
    read_view_query,
)
from page.responses import html, wants_json
from page.results_cache import current_cache
from page.summary import class_hues
from page.video_files import send_video, video_file, video_type
from store.judged_run import JudgedRun
from store.records import VideoResult

PICTURE_AGE_S = 86_400

blueprint = Blueprint("page", __name__)


@blueprint.get("/")
def show_page() -> Response:
    """The videos, by card, by class or as a heat map, as the query parameters ask for."""
    cache = current_cache()
    judged_run = cache.judged_run()
    query = read_view_query(request.args, judged_run.run.request.thresholds)
    videos_dir = cache.videos_dir(judged_run.run)
    view = page_view(judged_run, query, ServedVideos(videos_dir, cache.media))
    return html("page.html", page=view, videos_dir=videos_dir)


@blueprint.get("/videos/<path:name>")
def serve_video(name: str) -> Response:
    """A video file, or a range of it."""
    cache = current_cache()
    judged_run = cache.judged_run()
    if name not in judged_run.video_names:
        abort(404)
    path = video_file(cache.videos_dir(judged_run.run), name)
    if path is None:
        abort(404)
    return send_video(path, video_type(name))


@blueprint.get("/pictures/<video_id>")
def serve_picture(video_id: str) -> Response:
    """A picture of a video near the time `t` in seconds, by default near its middle."""
    cache = current_cache()
    judged_run = cache.judged_run()
    if video_id not in judged_run.videos:
        abort(404)
    time_s = request.args.get("t", judged_run.duration_s(video_id) / 2, type=float)
    content = cache.media.picture(video_id, time_s)
    if content is None:
        abort(404)
    response = Response(content, mimetype="image/jpeg")
    response.cache_control.max_age = PICTURE_AGE_S
    return response


@blueprint.get("/api/videos/<video_id>/clips")
def list_clips(video_id: str) -> Response:
    """One page of the clips of a video: JSON for programs, HTML for browsers."""
    cache = current_cache()
    judged_run = cache.judged_run()
    thresholds = read_thresholds(request.args, judged_run.run.request.thresholds)
    query = read_clip_query(request.args, thresholds.min_clip_score)
    video = video_or_404(judged_run, video_id, query.min_score)
    videos = ServedVideos(cache.videos_dir(judged_run.run), cache.media)
    hues = class_hues(judged_run.run)
    page = clip_page(video, query, hues, videos, cache.media.words_of(video_id))
    next_url = ""
    if page.page < page.pages:
        next_url = with_parameters(
            request.path, {**request.args.to_dict(), "page": str(page.page + 1)}
        )
    if wants_json():
        response = clips_as_json(video_id, page, next_url)
    else:
        response = html(
            "clips.html",
            video=video,
            video_url=videos.video(video.name),
            back_url=url_for("page.show_page", video=video_id),
            next_url=next_url,
            clips=page,
            filters=clip_filters(judged_run, query),
        )
    response.vary.add("Accept")
    return response


def video_or_404(judged_run: JudgedRun, video_id: str, min_clip_score: float) -> VideoResult:
    """A video with its clips from a score on; aborts if there is none of that id."""
    if video_id not in judged_run.videos:
        abort(404)
    if judged_run.has_all_clips:
        return judged_run.candidate(video_id, min_clip_score)
    return judged_run.videos[video_id]


def clips_as_json(video_id: str, page: ClipPage, next_url: str) -> Response:
    """A page of clips as the page's API gives it."""
    info = {"page": page.page, "total_pages": page.pages, "total_results": page.total}
    return jsonify(
        {
            "data": [clip_as_json(shown) for shown in page.clips],
            "page_info": {**info, "next": next_url or None},
        }
    )


def clip_as_json(shown: ClipView) -> dict[str, Any]:
    """A clip as the page's API gives it."""
    clip = shown.clip
    answer = {
        "start": round(clip.start, 3),
        "end": round(clip.end, 3),
        "score": clip.score,
        "option": clip.option,
        "prompt": clip.prompt,
        "classes": list(shown.class_names),
        "words": shown.words,
    }
    return answer | ({"thumbnail_url": shown.picture_url} if shown.picture_url else {})


def clip_filters(judged_run: JudgedRun, query: ClipQuery) -> dict[str, Any]:
    """The form above a list of clips: what can be chosen, what is, and what is kept unseen."""
    run = judged_run.run
    return {
        "query": query,
        "classes": [(class_filter(found.name), found.name) for found in run.request.classes],
        "prompts": prompts_of(judged_run, query),
        "evidence": [(option, evidence_word(option)) for option in run.request.options],
        "hidden": [(name, request.args[name]) for name in LIMITS if request.args.get(name)],
    }


def prompts_of(judged_run: JudgedRun, query: ClipQuery) -> list[str]:
    """The prompts that a list of clips can be filtered by, each once."""
    return list(
        dict.fromkeys(
            prompt
            for found in judged_run.run.request.classes
            if query.class_name in ("", found.name)
            for prompt in found.prompts
        )
    )
