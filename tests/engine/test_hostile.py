"""Malformed requests at every route: no engine failure, no hang, no trace in a response."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from engine.api import create_app
from engine.api.openapi import openapi, path_template
from engine.api.routes import ROUTES
from engine.api.routing import Route
from engine.service import Service
from tests.support.api_calls import create_index, upload, wait_for
from tests.support.fakes import quick_models
from tests.support.media import write_video

pytestmark = pytest.mark.slow

QUICKLY = settings(max_examples=25)
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["\x00", "\ud800", "../../etc", "-1", "1e999", "nan", "9" * 400, "true", "null", "%", "[gte]"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
BODIES = {route: kind for route in ROUTES if (kind := route.hints.get("body"))}
FORMS = {route: kind for route in ROUTES if (kind := route.hints.get("form"))}


OPERATIONS = openapi(["v1.2"])["paths"]
PARAMETERS = {
    route: [
        each["name"]
        for each in OPERATIONS[f"/v1.2{path_template(route)}"]["get"]["parameters"]
        if each["in"] == "query"
    ]
    for route in ROUTES
    if route.method == "GET" and route.state == "works"
}


def named(route: Route) -> str:
    return f"{route.method} {route.rule}"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    folder = tmp_path_factory.mktemp("hostile")
    with Service(folder / "data", quick_models(), workers=2) as service:
        client = create_app(service).test_client()
        index_id = create_index(client)
        video = write_video(folder / "a.mp4", seconds=4, fps=30, gop=15).read_bytes()
        KNOWN["index_id"] = index_id
        KNOWN["video_id"] = wait_for(client, upload(client, index_id, video))["video_id"]
        yield client


# Ids of things that are there, so that what is behind them is reached.
KNOWN: dict[str, str] = {}


def path_of(route: Route, words: dict[str, str]) -> str:
    path = route.rule
    for name, word in words.items():
        path = path.replace(f"<{name}>", word)
    return f"/v1.2{path}"


def refused_or_done(response: Any) -> None:
    """Whatever was sent: a response in the API's shape, and never a fault of the engine."""
    assert response.status_code < 500, response.text
    assert "Traceback" not in response.text
    if response.status_code >= 400:
        assert set(response.json) == {"code", "message"}
        assert response.json["code"]
        assert response.json["message"]


def fields_of(kind: Any) -> list[str]:
    return list(TypeAdapter(kind).json_schema()["properties"])


def nearly(kind: Any) -> st.SearchStrategy[Any]:
    """Objects with the right names and anything under them; some of it is true to type."""
    values = JSON | st.sampled_from(
        [["visual"], ["logo"], "visual", [{"name": "A", "prompts": ["early"]}], "early", 5, 0.5]
    )
    names = st.sampled_from(fields_of(kind)) | TEXTS
    return st.dictionaries(names, values, max_size=8).map(
        lambda body: {**body, **{n: KNOWN[n] for n in KNOWN if n in fields_of(kind)}}
    )


@pytest.mark.parametrize("route", BODIES, ids=named)
@given(data=st.data())
@QUICKLY
def test_no_json_body_breaks_the_engine(client: FlaskClient, route: Route, data: Any) -> None:
    body = data.draw(JSON | nearly(BODIES[route]))
    if route.method == "DELETE":
        return
    refused_or_done(client.open(path_of(route, KNOWN), method=route.method, json=body))


@pytest.mark.parametrize("route", BODIES, ids=named)
@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "text/x", ""]))
@QUICKLY
def test_no_bytes_break_the_engine(
    client: FlaskClient, route: Route, body: bytes, kind: str
) -> None:
    path = path_of(route, KNOWN)
    refused_or_done(client.open(path, method=route.method, data=body, content_type=kind))


@pytest.mark.parametrize("route", FORMS, ids=named)
@given(data=st.data())
@QUICKLY
def test_no_form_breaks_the_engine(client: FlaskClient, route: Route, data: Any) -> None:
    texts = st.text(max_size=20) | st.sampled_from(["\x00", "true", "http://127.0.0.1/", "{}", "["])
    names = st.sampled_from(fields_of(FORMS[route]))
    fields = data.draw(st.dictionaries(names, texts, max_size=6))
    files = data.draw(st.dictionaries(names, st.binary(max_size=100), max_size=2))
    sent: dict[str, Any] = {**fields, "index_id": data.draw(texts)}
    for name, content in files.items():
        sent[name] = (io.BytesIO(content), data.draw(texts))
    refused_or_done(client.post(path_of(route, KNOWN), data=sent))


@pytest.mark.parametrize("route", FORMS, ids=named)
@given(body=st.binary(max_size=300), boundary=st.text("ab-", max_size=5))
@QUICKLY
def test_no_broken_form_breaks_the_engine(
    client: FlaskClient, route: Route, body: bytes, boundary: str
) -> None:
    kind = f"multipart/form-data; boundary={boundary}"
    framed = f"--{boundary}\r\n".encode() + body + f"\r\n--{boundary}--".encode()
    for data in (body, framed):
        refused_or_done(client.post(path_of(route, KNOWN), data=data, content_type=kind))


@pytest.mark.parametrize("route", PARAMETERS, ids=named)
@given(data=st.data())
@QUICKLY
def test_no_query_breaks_the_engine(client: FlaskClient, route: Route, data: Any) -> None:
    names = PARAMETERS[route]
    words = TEXTS | st.sampled_from(
        ["1", "2023-01-01", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "visual"]
    )
    query = data.draw(
        st.dictionaries(
            st.sampled_from([*names, "views", "a[gte]", 'x"y', "page["]), words, max_size=4
        )
    )
    path = {name: data.draw(st.just(KNOWN.get(name, "none")) | words) for name in names_in(route)}
    path = {name: word.replace("/", "_") or "_" for name, word in path.items()}
    if any("\ud800" in word for word in (*query.values(), *path.values())):
        return
    refused_or_done(client.get(path_of(route, path), query_string=query))


def names_in(route: Route) -> list[str]:
    return [part[1:-1] for part in route.rule.split("/") if part.startswith("<")]


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_every_route_refuses_methods_it_does_not_have(client: FlaskClient, route: Route) -> None:
    response = client.open(path_of(route, dict.fromkeys(names_in(route), "x")), method="PATCH")
    assert (response.status_code, response.json["code"]) == (405, "parameter_invalid")
    assert route.method in response.headers["Allow"]


@pytest.mark.parametrize("depth", [300, 100_000])
def test_nesting_without_end_is_refused(client: FlaskClient, depth: int) -> None:
    query = '{"$and":[' * depth + '{"text":"x"}' + "]}" * depth
    body = f'{{"index_id":"x","search_options":["visual"],"query":{query}}}'
    response = client.post("/v1.2/search/combined", data=body, content_type="application/json")
    refused_or_done(response)
    assert response.status_code in (400, 404)


def test_nothing_is_left_of_all_this(client: FlaskClient) -> None:
    service = client.application.extensions["engine"].service
    kept = service.incoming_path().parent
    for task in client.get("/v1.2/tasks?page_limit=50").json["data"]:
        wait_for(client, task["_id"])
    assert not list(Path(kept).glob("*.part"))
