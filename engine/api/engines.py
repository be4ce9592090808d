"""Routes of engines, and of what this platform does not do."""

from __future__ import annotations

from typing import NoReturn, get_args

from engine.api.responses import EngineResponse, EnginesResponse, PageInfo
from engine.api.routing import Route
from engine.api.schemas.library import PEGASUS_OPTIONS, EngineName
from engine.catalog.tables import INDEX_OPTIONS
from engine.errors import PlatformError, not_found


def list_engines() -> EnginesResponse:
    """List the engines that an index may name; behind all of them is this one."""
    engines = [_engine(name) for name in get_args(EngineName)]
    info: PageInfo = {
        "page": 1,
        "limit_per_page": 10,
        "total_page": 1,
        "total_results": len(engines),
    }
    return {"data": engines, "page_info": info}


def get_engine(engine_id: str) -> EngineResponse:
    """One engine."""
    if engine_id not in get_args(EngineName):
        raise not_found(engine_id, "engines")
    return _engine(engine_id)


def no_text(**_: str) -> NoReturn:
    """Refused: this platform writes no texts about videos."""
    raise PlatformError(
        "index_not_supported_for_generate",
        "This platform writes no texts about videos: it classifies and searches them.",
    )


def no_embeddings(**_: str) -> NoReturn:
    """Refused: this platform gives no embeddings away."""
    raise PlatformError(
        "parameter_invalid",
        "This platform gives no embeddings away: it classifies and searches videos.",
    )


def no_transfers(**_: str) -> NoReturn:
    """Refused: this platform fetches videos by their direct address only."""
    raise PlatformError(
        "parameter_invalid",
        "This platform has no links to other services: upload the video to /tasks, or give its "
        "direct address there as video_url.",
    )


def _engine(name: str) -> EngineResponse:
    options = PEGASUS_OPTIONS if name.startswith("pegasus") else INDEX_OPTIONS
    return {
        "_id": name,
        "author": "embedded engine",
        "allowed_engine_options": [option for option in INDEX_OPTIONS if option in options],
        "ready": True,
        "finetune": False,
    }


ROUTES = (
    Route("GET", "/engines", list_engines),
    Route("GET", "/engines/<engine_id>", get_engine),
    Route("POST", "/generate", no_text, state="refused"),
    Route("POST", "/summarize", no_text, state="refused"),
    Route("POST", "/gist", no_text, state="refused"),
    Route("POST", "/embed", no_embeddings, state="refused"),
    Route("POST", "/embed/tasks", no_embeddings, state="refused"),
    Route("GET", "/embed/tasks", no_embeddings, state="refused"),
    Route("GET", "/embed/tasks/<task_id>", no_embeddings, state="refused"),
    Route("GET", "/embed/tasks/<task_id>/status", no_embeddings, state="refused"),
    Route("POST", "/tasks/external-provider", no_transfers, state="refused"),
    Route("POST", "/tasks/transfers", no_transfers, state="refused"),
    Route("POST", "/tasks/transfers/import/<integration_id>", no_transfers, state="refused"),
    Route("GET", "/tasks/transfers/import/<integration_id>/status", no_transfers, state="refused"),
    Route("GET", "/tasks/transfers/import/<integration_id>/logs", no_transfers, state="refused"),
)
