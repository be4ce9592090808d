"""The routes are as they are described: OpenAPI, docs/api.md and real responses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from engine.api import ApiOptions, create_app, responses
from engine.api.routes import ROUTES, documentation
from engine.service import Service
from tests.support.api_calls import ANYTHING, EARLY, Json, create_index, upload, wait_for
from tests.support.fakes import quick_models
from tests.support.media import write_video
from tests.support.paths import ROOT

DOCS = ROOT / "docs" / "api.md"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    data = tmp_path_factory.mktemp("data")
    with Service(data, quick_models(), workers=1) as service:
        yield create_app(service, ApiOptions(api_key="key")).test_client()


@pytest.fixture(scope="module")
def document(client: FlaskClient) -> Json:
    response = client.get("/openapi.json")
    assert response.status_code == 200
    return dict(response.json)


def test_every_route_of_both_versions_is_in_the_document(document: Json) -> None:
    described = {(method, path) for path, item in document["paths"].items() for method in item}
    assert len(described) == 2 * len(ROUTES)
    operation = document["paths"]["/v1.1/classify/bulk"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert {"index_id", "classes", "labels", "threshold"} <= set(body["properties"])


def test_every_reference_of_the_document_leads_somewhere(document: Json) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    names = {reference.rpartition("/")[2] for reference in references(document)}
    assert names
    assert names <= set(document["components"]["schemas"])


def test_every_view_says_what_it_does() -> None:
    assert all(route.summary for route in ROUTES)


def test_the_table_in_the_documentation_is_the_table_of_routes() -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines(keepends=True)
    shown = "".join(
        line
        for line in lines
        if line.startswith(("| method |", "| --- | --- | --- | --- |", "| `"))
    )
    assert shown == documentation()


def strictly(kind: Any) -> TypeAdapter[Any]:
    """Checks a response, every key of it: one more than is described is an error."""

    def close(described: Any) -> Any:
        return with_config(ConfigDict(extra="forbid"))(described)

    for value in vars(responses).values():
        if isinstance(value, type) and hasattr(value, "__total__"):
            close(value)
    return TypeAdapter(kind)


def test_responses_are_as_described(client: FlaskClient, tmp_path: Path) -> None:
    client.environ_base["HTTP_X_API_KEY"] = "key"
    index_id = create_index(client, addons=["thumbnail"])
    video = write_video(tmp_path / "a.mp4", seconds=4, fps=30, gop=15).read_bytes()
    task = wait_for(client, upload(client, index_id, video))
    base = f"/v1.2/indexes/{index_id}/videos/{task['video_id']}"
    classify = {"index_id": index_id, "classes": [EARLY], "options": ["visual"]}
    classify |= {"threshold": ANYTHING, "include_clips": True, "show_detailed_score": True}
    search = {"index_id": index_id, "query": "early", "search_options": ["visual"]}
    calls: dict[str, tuple[Any, Any]] = {
        f"/v1.2/indexes/{index_id}": (None, responses.IndexResponse),
        "/v1.2/indexes": (None, responses.PageResponse[responses.IndexResponse]),
        f"/v1.2/tasks/{task['_id']}": (None, responses.TaskResponse),
        "/v1.2/tasks": (None, responses.PageResponse[responses.TaskResponse]),
        f"/v1.2/tasks/status?index_id={index_id}": (None, responses.TaskCounts),
        base: (None, responses.VideoResponse),
        f"/v1.2/indexes/{index_id}/videos": (None, responses.PageResponse[responses.VideoResponse]),
        f"{base}/transcription": (None, responses.ValuesResponse),
        f"{base}/thumbnail": (None, responses.ThumbnailResponse),
        "/v1.2/engines": (None, responses.EnginesResponse),
        "/v1.2/classify/bulk": (classify, responses.ClassifyResponse),
        "/v1.2/search": (search, responses.SearchResponse),
        "/v1.2/generate": ({}, responses.ErrorResponse),
    }
    for path, (body, kind) in calls.items():
        response = client.get(path) if body is None else client.post(path, json=body)
        strictly(kind).validate_python(response.json, strict=True)


def test_the_check_of_responses_can_fail() -> None:
    class Described(TypedDict):
        a: int

    with_config(ConfigDict(extra="forbid"))(Described)
    with pytest.raises(ValueError, match="extra_forbidden"):
        TypeAdapter(Described).validate_python({"a": 1, "b": 2})
