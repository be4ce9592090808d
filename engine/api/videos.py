"""Routes of videos, their transcripts, their screen text and their thumbnails."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response

from engine.api.responses import (
    PageResponse,
    ThumbnailResponse,
    ValuesResponse,
    VideoResponse,
    page_response,
    values_response,
    video_response,
)
from engine.api.routing import Route
from engine.api.schemas.library import SpanQuery, TimeQuery, UpdateVideoBody, VideoQuery
from engine.api.state import service, state
from engine.catalog.queries import VIDEOS, PageRequest
from engine.errors import PlatformError
from engine.evidence import TextSpan


def list_videos(index_id: str, page: PageRequest) -> PageResponse[VideoResponse]:
    """List the videos of an index, filtered by their own and by custom fields."""
    found = service().videos(index_id, page)
    response = page_response(found, [video_response(video) for video in found.rows])
    usage = service().usage([index_id])[index_id]
    response["page_info"]["total_duration"] = usage.total_duration
    return response


def get_video(index_id: str, video_id: str, query: VideoQuery) -> VideoResponse:
    """Get a video; `embed=true` is refused, because the engine does not return embeddings."""
    if query.embed:
        raise PlatformError(
            "parameter_invalid",
            "The embed parameter is invalid. This platform does not return embeddings.",
        )
    return video_response(service().video(index_id, video_id))


def update_video(index_id: str, video_id: str, body: UpdateVideoBody) -> None:
    """Change the title and the custom fields of a video."""
    service().update_video(index_id, video_id, body.video_title, body.metadata)


def delete_video(index_id: str, video_id: str) -> None:
    """Delete a video and its evidence."""
    service().delete_video(index_id, video_id)


def get_transcription(index_id: str, video_id: str, query: SpanQuery) -> ValuesResponse:
    """Get what is said between two times."""
    return _values(index_id, video_id, query, service().transcript(index_id, video_id))


def get_text_in_video(index_id: str, video_id: str, query: SpanQuery) -> ValuesResponse:
    """Get the text on the screen between two times."""
    return _values(index_id, video_id, query, service().screen_text(index_id, video_id))


def get_logo(index_id: str, video_id: str, query: SpanQuery) -> ValuesResponse:
    """Get the text on the screen too: logos are recognised by their text only."""
    return get_text_in_video(index_id, video_id, query)


def get_thumbnail(index_id: str, video_id: str, query: TimeQuery) -> ThumbnailResponse:
    """Get the presigned URL of a thumbnail at a time; it works for an hour."""
    time_s = service().thumbnail_time(index_id, video_id, query.time)
    return {"thumbnail": state().links.here()(video_id, time_s)}


def thumbnail_image(token: str) -> Response:
    """The thumbnail itself, outside the versions and without an API key."""
    jpeg = service().thumbnail(*state().links.read(token))
    return Response(jpeg, mimetype="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _values(
    index_id: str, video_id: str, query: SpanQuery, spans: Sequence[TextSpan]
) -> ValuesResponse:
    start = query.start or 0.0
    end = float("inf") if query.end is None else query.end
    if end < start:
        raise PlatformError(
            "parameter_invalid", "The end parameter is invalid. It is before start."
        )
    inside = [span for span in spans if span.end > start and span.start < end]
    return values_response(video_id, index_id, inside)


VIDEO = "/indexes/<index_id>/videos/<video_id>"

ROUTES = (
    Route("GET", "/indexes/<index_id>/videos", list_videos, listing=VIDEOS),
    Route("GET", VIDEO, get_video),
    Route("PUT", VIDEO, update_video, status=204),
    Route("DELETE", VIDEO, delete_video, status=204),
    Route("GET", f"{VIDEO}/transcription", get_transcription),
    Route("GET", f"{VIDEO}/text-in-video", get_text_in_video),
    Route("GET", f"{VIDEO}/logo", get_logo),
    Route("GET", f"{VIDEO}/thumbnail", get_thumbnail),
)
