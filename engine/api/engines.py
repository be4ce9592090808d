"""Routes of engines, and of features that this platform does not have."""

from __future__ import annotations

from typing import NoReturn, get_args

from engine.api.responses import EngineResponse, EnginesResponse, PageInfo
from engine.api.routing import Route
from engine.api.schemas.library import PEGASUS_OPTIONS, EngineName
from engine.catalog.tables import INDEX_OPTIONS
from engine.errors import PlatformError, not_found


def list_engines() -> EnginesResponse:
    """List the engine names that an index may have; this engine stands behind all of them."""
    engines = [_engine(name) for name in get_args(EngineName)]
    info: PageInfo = {
        "page": 1,
        "limit_per_page": 10,
        "total_page": 1,
        "total_results": len(engines),
    }
    return {"data": engines, "page_info": info}


def get_engine(engine_id: str) -> EngineResponse:
    """Get an engine."""
    if engine_id not in get_args(EngineName):
        raise not_found(engine_id, "engines")
    return _engine(engine_id)


def no_text(**_: str) -> NoReturn:
    """Refused: this platform generates no text about videos."""
    raise PlatformError(
        "index_not_supported_for_generate",
        "This platform generates no text about videos: it classifies and searches them.",
    )


def no_embeddings(**_: str) -> NoReturn:
    """Refused: this platform does not return embeddings."""
    raise PlatformError(
        "parameter_invalid",
        "This platform does not return embeddings: it classifies and searches videos.",
    )


def no_transfers(**_: str) -> NoReturn:
    """Refused: this platform downloads videos by their direct URL only."""
    raise PlatformError(
        "parameter_invalid",
        "This platform is not connected to other services: upload the video to /tasks, or give its "
        "direct URL there as video_url.",
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
