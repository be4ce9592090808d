"""Routes of classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.api.page_tokens import ResultPage
from engine.api.responses import (
    ClassifyResponse,
    LabelsResponse,
    VideoClassesResponse,
    VideoLabelsResponse,
    class_responses,
    label_responses,
    token_page_info,
)
from engine.api.routing import Route
from engine.api.schemas.classify import ClassifyBody, ClassifyIndexBody, ClassifyVideosBody
from engine.api.state import service, state
from engine.retrieval.classify import VideoClasses


@dataclass(frozen=True)
class View:
    """What a response shows of each class; with `labels` in v1.1's keys."""

    labels: bool
    clips: bool
    details: bool


def classify_videos(body: ClassifyVideosBody) -> ClassifyResponse | LabelsResponse:
    """Classify chosen videos."""
    thresholds = body.thresholds(state().options.thresholds)
    results = service().classifier.videos(body.chosen, body.queries, thresholds)
    if body.one_video_labels:
        links, clips = state().links.here(), body.include_clips
        details = body.show_detailed_score
        found = [label_responses(each, links, clips=clips, details=details) for each in results]
        return {"labels": found[0] if found else []}
    return _first(results, body)


def classify_index(body: ClassifyIndexBody) -> ClassifyResponse:
    """Classify every video of an index."""
    thresholds = body.thresholds(state().options.thresholds)
    return _first(service().classifier.index(body.index_id, body.queries, thresholds), body)


def classify_page(page_token: str) -> ClassifyResponse:
    """Get a further page of a classification."""
    return _response(state().classified.page(page_token))


def _first(results: Sequence[VideoClasses], body: ClassifyBody) -> ClassifyResponse:
    view = View(body.labels is not None, body.include_clips, body.show_detailed_score)
    return _response(state().classified.first(results, body.page_limit, view))


def _response(page: ResultPage[VideoClasses, View]) -> ClassifyResponse:
    links, clips, details = state().links.here(), page.view.clips, page.view.details
    info = token_page_info(page, ends=True)
    if page.view.labels:
        labelled: list[VideoLabelsResponse] = [
            {
                "video_id": each.video_id,
                "labels": label_responses(each, links, clips=clips, details=details),
            }
            for each in page.items
        ]
        return {"data": labelled, "page_info": info}
    classified: list[VideoClassesResponse] = [
        {
            "video_id": each.video_id,
            "classes": class_responses(each, links, clips=clips, details=details),
        }
        for each in page.items
    ]
    return {"data": classified, "page_info": info}


ROUTES = (
    Route("POST", "/classify", classify_videos),
    Route("POST", "/classify/bulk", classify_index),
    Route("GET", "/classify/<page_token>", classify_page),
)
