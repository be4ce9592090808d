"""The routes of the page that only read: the overview, videos, pictures, clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, jsonify, request, url_for

from page.card import ClipView, clip_page, video_card
from page.formatting import evidence_word
from page.overview import class_hues, page_view
from page.query import LIMITS, ClipQuery, read_clip_query, read_thresholds, read_view_query
from page.responses import html, wants_json
from page.results_cache import ResultsCache, current_cache
from page.video_files import send_video, video_file, video_type
from store.judged_run import JudgedRun
from store.results import VideoResult

PICTURE_AGE_S = 86_400

blueprint = Blueprint("page", __name__)


@blueprint.get("/")
def show_page() -> Response:
    cache = current_cache()
    judged_run = cache.judged_run()
    query = read_view_query(request.args, judged_run.run.thresholds)
    view = page_view(judged_run, query)
    names = [card.name for card in view.cards]
    videos_dir = cache.videos_dir(judged_run.run)
    return html(
        "page.html",
        page=view,
        query=query,
        defaults=judged_run.run.thresholds,
        addresses=addresses(videos_dir, names),
        pictured=cache.media.has_pictures,
        damage=judged_run.damage,
        folder=videos_dir,
    )


@blueprint.get("/videos/<path:name>")
def serve_video(name: str) -> Response:
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
    """A page of the clips of one video: JSON for programs, a page for who prefers HTML."""
    cache = current_cache()
    judged_run = cache.judged_run()
    video = video_or_404(judged_run, video_id)
    thresholds = read_thresholds(request.args, judged_run.run.thresholds)
    query = read_clip_query(request.args, thresholds.min_clip_score)
    if judged_run.has_all_clips:
        everything = judged_run.candidates(query.min_score)
        video = next(each for each in everything if each.video_id == video_id)
    words_of = cache.media.words_of(video_id)
    hues = class_hues(judged_run.run)
    page = clip_page(video, query, hues, words_of)
    following = None
    if page.page < page.pages:
        given = {**request.args.to_dict(), "page": str(page.page + 1)}
        following = f"{request.path}?{urlencode(given, errors='replace')}"
    if not wants_json():
        response = html(
            "clips.html",
            card=video_card(1, video, judged_run.duration_s(video_id), hues),
            player="",
            clips=page,
            query=query,
            classes=[prompt_class.name for prompt_class in judged_run.run.classes],
            prompts=prompts_of(judged_run, query),
            options=[(option, evidence_word(option)) for option in judged_run.run.options],
            kept={name: request.args[name] for name in LIMITS if request.args.get(name)},
            address=addresses(cache.videos_dir(judged_run.run), [video.name]).get(video.name),
            pictured=cache.media.has_pictures,
            next_address=following,
        )
    else:
        clips = [clip_answer(cache, video_id, clip) for clip in page.clips]
        info = {"page": page.page, "total_pages": page.pages, "total_results": page.total}
        response = jsonify({"data": clips, "page_info": {**info, "next": following}})
    response.vary.add("Accept")
    return response


def clip_answer(cache: ResultsCache, video_id: str, clip: ClipView) -> dict[str, Any]:
    """A clip as the API of the page gives it."""
    answer = {
        "start": float(clip.start),
        "end": float(clip.end),
        "score": clip.exact_score,
        "option": clip.option,
        "prompt": clip.prompt,
        "classes": list(clip.names),
        "words": clip.words,
    }
    if cache.media.has_pictures(video_id):
        answer["thumbnail_url"] = url_for("page.serve_picture", video_id=video_id, t=clip.middle)
    return answer


def video_or_404(judged_run: JudgedRun, video_id: str) -> VideoResult:
    """A video of the results; aborts where there is none of that id."""
    video = judged_run.videos.get(video_id)
    if video is None:
        abort(404)
    return video


def prompts_of(judged_run: JudgedRun, query: ClipQuery) -> list[str]:
    """The prompts that a list of clips can be narrowed to."""
    return list(
        dict.fromkeys(
            prompt
            for prompt_class in judged_run.run.classes
            if query.class_name in ("", prompt_class.name)
            for prompt in prompt_class.prompts
        )
    )


def addresses(videos_dir: Path, names: list[str]) -> dict[str, str]:
    """The URLs of the videos whose files are there, by name."""
    return {
        name: url_for("page.serve_video", name=name)
        for name in names
        if video_file(videos_dir, name)
    }
