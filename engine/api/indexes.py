"""Routes of indexes."""

from __future__ import annotations

from engine.api.responses import (
    IdResponse,
    IndexResponse,
    PageResponse,
    index_response,
    page_response,
)
from engine.api.routing import Route
from engine.api.schemas.library import CreateIndexBody, RenameIndexBody
from engine.api.state import service
from engine.catalog.queries import INDEXES, PageRequest
from engine.catalog.tables import Index
from engine.service import Usage


def create_index(body: CreateIndexBody) -> IdResponse:
    """Create an index, with the fields of v1.1 or of v1.2."""
    return {"_id": service().create_index(body.index_name, body.specs, body.addons or []).id}


def list_indexes(page: PageRequest) -> PageResponse[IndexResponse]:
    """List indexes, filtered and sorted."""
    found = service().indexes(page)
    usage = service().usage(index.id for index in found.rows)
    return page_response(found, [_response(row, usage[row.id]) for row in found.rows])


def get_index(index_id: str) -> IndexResponse:
    """Get an index, with the keys of both versions."""
    return _response(service().index(index_id), service().usage([index_id])[index_id])


def rename_index(index_id: str, body: RenameIndexBody) -> None:
    """Rename an index."""
    service().rename_index(index_id, body.index_name)


def delete_index(index_id: str) -> None:
    """Delete an index with its videos, tasks and evidence."""
    service().delete_index(index_id)


def _response(index: Index, usage: Usage) -> IndexResponse:
    return index_response(index, usage, service().outdated(index), service().scores)


ROUTES = (
    Route("POST", "/indexes", create_index, status=201),
    Route("GET", "/indexes", list_indexes, listing=INDEXES),
    Route("GET", "/indexes/<index_id>", get_index),
    Route("PUT", "/indexes/<index_id>", rename_index, status=204),
    Route("DELETE", "/indexes/<index_id>", delete_index, status=204),
)
