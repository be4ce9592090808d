"""Routes of search."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.api.page_tokens import ResultPage
from engine.api.responses import (
    MatchResponse,
    SearchResponse,
    VideoMatchesResponse,
    match_response,
    token_page_info,
)
from engine.api.routing import Route
from engine.api.schemas.search import CombinedBody, SearchBody, SearchChoices, SearchForm
from engine.api.state import service, state
from engine.errors import PlatformError
from engine.retrieval.search import Confidence, Match, Query, SearchResult, Text, read_image

MAX_IMAGE_BYTES = 32 * 1024**2

Group = tuple[str, list[Match]]


@dataclass(frozen=True)
class View:
    """What a response shows besides the matches."""

    pool: SearchResult
    confidence: Confidence
    inner_matches: int | None = None


def search(body: SearchBody) -> SearchResponse:
    """Search an index by text."""
    return _first(Text(body.query), body)


def search_form(form: SearchForm) -> SearchResponse:
    """Search an index by text or by an image."""
    return _first(_query(form), form)


def search_combined(body: CombinedBody) -> SearchResponse:
    """Search an index by several texts, combined with and, or, not and then."""
    return _first(body.tree, body)


def search_page(page_token: str) -> SearchResponse:
    """Get a further page of any kind of search."""
    return _response(state().found.page(page_token))


def _query(form: SearchForm) -> Query:
    if form.query_text:
        return Text(form.query_text)
    if form.query_media_url:
        return service().fetch_image(form.query_media_url, "query_media_url")
    file = form.query_media_file
    if file is None or file.path.stat().st_size > MAX_IMAGE_BYTES:
        raise PlatformError("parameter_invalid", "The query_media_file may have 32 MB at most.")
    return read_image(file.path.read_bytes(), "query_media_file")


def _first(query: Query, choices: SearchChoices) -> SearchResponse:
    result = service().searcher.search(choices.request(query))
    by_video = choices.group_by == "video"
    items = result.by_video(choices.sort_option) if by_video else result.matches
    inner = len(result.matches) if by_video else None
    view = View(replace(result, matches=()), choices.confidence, inner)
    return _response(state().found.first(items, choices.page_limit, view))


def _response(page: ResultPage[Match | Group, View]) -> SearchResponse:
    pool, confidence = page.view.pool, page.view.confidence
    links = state().links.here() if pool.has_thumbnails else None

    def shown(match: Match) -> MatchResponse:
        return match_response(match, confidence, links)

    info = token_page_info(page, ends=False)
    if page.view.inner_matches is not None:
        info["total_inner_matches"] = page.view.inner_matches
    clips = [shown(item) for item in page.items if isinstance(item, Match)]
    groups: list[VideoMatchesResponse] = [
        {"id": item[0], "clips": [shown(match) for match in item[1]]}
        for item in page.items
        if not isinstance(item, Match)
    ]
    return {
        "search_pool": {
            "index_id": pool.index_id,
            "total_count": pool.video_count,
            "total_duration": pool.total_duration,
        },
        "data": groups or clips,
        "page_info": info,
    }


ROUTES = (
    Route("POST", "/search", search),
    Route("GET", "/search/<page_token>", search_page),
    Route("POST", "/search-v2", search_form),
    Route("GET", "/search-v2/<page_token>", search_page),
    Route("POST", "/search/combined", search_combined),
    Route("GET", "/search/combined/<page_token>", search_page),
    Route("POST", "/beta/search", search_combined),
    Route("GET", "/beta/search/<page_token>", search_page),
)
