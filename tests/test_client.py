"""The client's decisions against `responses`; against a small server what only sockets show."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import struct
import threading
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from responses import matchers
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

import twelvelabs_client
from core.classes import PromptClass
from core.classification import Thresholds
from core.types import ClassifyRequest, Index, Task, Video
from transport import errors as twelvelabs_errors
from transport.http import LONGEST_WAIT_S
from twelvelabs_client import (
    ApiConnectionError,
    ApiError,
    ApiSetupError,
    ApiStatusError,
    ApiTimeout,
    AuthError,
    BadRequest,
    BadResponse,
    Conflict,
    NotFound,
    RateLimited,
    ServerError,
    TwelveLabsClient,
)

URL = "https://platform.test/v1.2"
KEY = "tlk_A-secret-0123456789"
COOKING = PromptClass("Cooking", ("a pan on a stove", "chopping"))
REQUEST = ClassifyRequest((COOKING,), ("visual",))


@pytest.fixture
def waits() -> list[float]:
    """The seconds the client waited between its tries; none of them is really waited."""
    return []


@pytest.fixture
def connect(waits: list[float]) -> Iterator[Callable[..., TwelveLabsClient]]:
    """Makes clients that do not really wait, and closes them."""
    made = []

    def make(url: str = URL, key: str = KEY, **limits: Any) -> TwelveLabsClient:
        client = TwelveLabsClient(url, key, **{"sleep": waits.append, "max_retries": 3, **limits})
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(connect: Callable[..., TwelveLabsClient]) -> TwelveLabsClient:
    return connect()


@pytest.fixture
def platform() -> Iterator[responses.RequestsMock]:
    """Responds in the order in which responses are registered; each must be requested."""
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        yield mock


def page_of(entries: list[Any], page: int = 1, total: int = 1) -> dict[str, Any]:
    info = {"page": page, "limit_per_page": 50, "total_page": total, "total_results": 99}
    return {"data": entries, "page_info": info}


def ids(*names: str) -> list[dict[str, str]]:
    return [{"_id": name} for name in names]


def named(name: str, index_id: str = "i1", **more: Any) -> dict[str, Any]:
    return {"_id": index_id, "index_name": name, **more}


# The URL and the key


@pytest.mark.parametrize(
    ("url", "version"),
    [
        ("https://api.twelvelabs.io/v1.1", "v1.1"),
        ("https://api.twelvelabs.io/v1.2/", "v1.2"),
        ("http://127.0.0.1:8000/v1.2", "v1.2"),
        ("http://[::1]:8000/p/v1.1", "v1.1"),
    ],
)
def test_version_is_the_last_part_of_the_url(url: str, version: str) -> None:
    with TwelveLabsClient(url) as client:
        assert client.version == version


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://api.twelvelabs.io", "must end with /v1.1, /v1.2 or /v1.3"),
        ("https://api.twelvelabs.io/v1.2/indexes", "must end with /v1.1, /v1.2 or /v1.3"),
        ("https://api.twelvelabs.io/v1", "must end with /v1.1, /v1.2 or /v1.3"),
        ("https://api.twelvelabs.io/v1.3", "is for TwelveLabsV13Client"),
        ("api.twelvelabs.io/v1.2", "is not a plain web address"),
        ("ftp://api.twelvelabs.io/v1.2", "is not a plain web address"),
        ("https:///v1.2", "is not a plain web address"),
        ("https://host/v1.2?key=1", "is not a plain web address"),
        ("https://host:port/v1.2", "is not a URL"),
        ("http://[::1/v1.2", "is not a URL"),
        ("", "is not a plain web address"),
    ],
)
def test_a_url_that_cannot_be_used_says_how_to_repair_it(url: str, words: str) -> None:
    with pytest.raises(ApiSetupError, match=re.escape(words)) as caught:
        TwelveLabsClient(url, KEY)
    assert "https://api.twelvelabs.io/v1.3" in str(caught.value)
    assert not caught.value.retryable


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ApiSetupError, match="API_KEY") as caught:
        TwelveLabsClient(f"https://me:{KEY}@host/v1.2")
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("ending", [" ", "\n", "\r\nx-other: 1", "é", "\u2019"])
def test_a_key_that_no_header_carries_is_refused_and_not_repeated(ending: str) -> None:
    with pytest.raises(ApiSetupError, match="API_KEY") as caught:
        TwelveLabsClient(URL, KEY + ending)
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("key", "header"), [(KEY, KEY), ("", None)])
def test_the_key_is_sent_as_header_only_when_there_is_one(
    platform: responses.RequestsMock,
    connect: Callable[..., TwelveLabsClient],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    header: str | None,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine platform.test login someone password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    platform.get(f"{URL}/tasks/t1", json={"_id": "t1", "status": "ready"})
    connect(key=key).task("t1")
    sent = platform.calls[0].request.headers
    assert sent.get("x-api-key") == header
    assert "Authorization" not in sent


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "place", ["https://other.test/v1.2/tasks/t1", "http://platform.test/v1.2/tasks/t1"]
)
def test_redirects_are_not_followed(
    platform: responses.RequestsMock, client: TwelveLabsClient, status: int, place: str
) -> None:
    # A second call would find no response registered and fail the test with another error.
    platform.get(f"{URL}/tasks/t1", status=status, headers={"Location": place})
    with pytest.raises(ApiStatusError, match=re.escape(f"redirects to {place}")) as caught:
        client.task("t1")
    assert "API_URL" in str(caught.value)
    assert len(platform.calls) == 1


# One call each


@pytest.mark.parametrize(
    ("version", "own_fields"),
    [
        ("v1.1", {"engine_id": "marengo2.5", "index_options": ["visual", "conversation"]}),
        (
            "v1.2",
            {
                "engines": [
                    {"engine_name": "marengo2.6", "engine_options": ["visual", "conversation"]}
                ]
            },
        ),
    ],
)
def test_create_index_speaks_each_version(
    platform: responses.RequestsMock,
    connect: Callable[..., TwelveLabsClient],
    version: str,
    own_fields: dict[str, Any],
) -> None:
    body = {"index_name": "demo", "addons": ["thumbnail"], **own_fields}
    platform.post(
        f"https://platform.test/{version}/indexes",
        match=[matchers.json_params_matcher(body)],
        json={"_id": "i1"},
        status=201,
    )
    client = connect(f"https://platform.test/{version}")
    assert client.create_index("demo", ("visual", "conversation")) == "i1"


@pytest.mark.parametrize(
    ("do", "path", "given"),
    [
        (lambda c: c.index("i1"), "/indexes/i1", Index("x")),
        (lambda c: c.task("t1"), "/tasks/t1", Task("x", "ready")),
        (lambda c: c.task("a/b ?"), "/tasks/a%2Fb%20%3F", Task("x", "ready")),
        (lambda c: c.video("i1", "v1"), "/indexes/i1/videos/v1", Video("x")),
        (
            lambda c: c.classify_page("abc-1"),
            "/classify/abc-1",
            {"_id": "x", "status": "ready", "data": []},
        ),
    ],
)
def test_each_thing_is_asked_for_where_the_contract_says(
    platform: responses.RequestsMock,
    client: TwelveLabsClient,
    do: Callable[[TwelveLabsClient], Any],
    path: str,
    given: Any,
) -> None:
    platform.get(URL + path, json={"_id": "x", "status": "ready", "data": []})
    assert do(client) == given
    sent = platform.calls[0].request
    assert (sent.url, sent.body) == (URL + path, None)


@pytest.mark.parametrize(
    ("do", "method", "path", "body"),
    [
        (lambda c: c.rename_index("i1", "new"), "PUT", "/indexes/i1", {"index_name": "new"}),
        (lambda c: c.delete_index("i1"), "DELETE", "/indexes/i1", None),
        (lambda c: c.delete_task("t1"), "DELETE", "/tasks/t1", None),
        (
            lambda c: c.update_video("i1", "v1", title="T", metadata={"a": 1}),
            "PUT",
            "/indexes/i1/videos/v1",
            {"video_title": "T", "metadata": {"a": 1}},
        ),
        (
            lambda c: c.update_video("i1", "v1", metadata={}),
            "PUT",
            "/indexes/i1/videos/v1",
            {"metadata": {}},
        ),
        (lambda c: c.delete_video("i1", "v1"), "DELETE", "/indexes/i1/videos/v1", None),
    ],
)
def test_each_change_goes_where_the_contract_says(
    platform: responses.RequestsMock,
    client: TwelveLabsClient,
    do: Callable[[TwelveLabsClient], Any],
    method: str,
    path: str,
    body: Any,
) -> None:
    platform.add(method, URL + path, status=204)
    assert do(client) is None
    sent = platform.calls[0].request
    assert sent.url == URL + path
    assert (json.loads(sent.body) if sent.body else None) == body


def test_find_index_takes_only_the_exact_living_one(
    platform: responses.RequestsMock, client: TwelveLabsClient
) -> None:
    listed = [named("Demo", "i1"), named("demo", "i2", deleted=True), named("demo", "i3")]
    platform.get(f"{URL}/indexes", json=page_of(listed))
    platform.get(f"{URL}/indexes", json=page_of([]))
    assert client.find_index("demo") == Index("i3", "demo")
    assert client.find_index("demo") is None
    assert "index_name=demo" in platform.calls[0].request.url


# Records


def test_an_index_is_one_record_whatever_the_version(
    platform: responses.RequestsMock, client: TwelveLabsClient
) -> None:
    older = {"_id": "i", "index_name": "demo", "index_options": ["visual", "logo"]}
    newer = {
        "_id": "i",
        "index_name": "demo",
        "engines": [{"engine_options": ["visual"]}, {"engine_options": ["logo"]}],
    }
    engines = {
        **older,
        "models": {"visual": "net"},
        "outdated": ["visual"],
        "scores": "not measured",
        "video_count": 3,
    }
    for body in (older, newer, engines):
        platform.get(f"{URL}/indexes/i", json=body)
    hosted = Index("i", "demo", frozenset(("visual", "logo")))
    assert client.index("i") == client.index("i") == hosted
    assert client.index("i") == replace(
        hosted,
        models={"visual": "net"},
        outdated=("visual",),
        scores="not measured",
        video_count=3,
        is_engine=True,
    )


@pytest.mark.parametrize(
    ("created_at", "moment"),
    [
        ("2023-04-12T12:02:22Z", datetime(2023, 4, 12, 12, 2, 22, tzinfo=timezone.utc)),
        ("2023-04-12T14:02:22.5+02:00", datetime(2023, 4, 12, 12, 2, 22, 500_000, timezone.utc)),
        (
            "2023-04-12T12:02:22.123456789Z",
            datetime(2023, 4, 12, 12, 2, 22, 123_456, timezone.utc),
        ),
        ("2023-04-12T12:02:22", datetime(2023, 4, 12, 12, 2, 22, tzinfo=timezone.utc)),
        ("yesterday", None),
        (1681300942, None),
    ],
)
def test_a_video_is_a_record(
    platform: responses.RequestsMock,
    client: TwelveLabsClient,
    created_at: Any,
    moment: datetime | None,
) -> None:
    metadata = {
        "filename": "a/b.mp4",
        "size": 12,
        "duration": 4,
        "fps": 29.97,
        "damage": "ends after 2 s",
        "fingerprint": "f",
    }
    body = {"_id": "v", "created_at": created_at, "metadata": metadata}
    platform.get(f"{URL}/indexes/i/videos/v", json=body)
    known = ("a/b.mp4", 12, 4.0, 29.97, "ends after 2 s", "f")
    assert client.video("i", "v") == Video("v", *known, created_at=moment)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "text",
        [],
        {
            "filename": ["a"],
            "size": "12",
            "duration": None,
            "fps": True,
            "damage": 5,
            "fingerprint": {},
        },
        {"filename": None, "size": 1.5, "duration": -4.0, "fps": "25"},
        {"size": -1, "duration": float("nan"), "fps": float("inf")},
        {"upload_percentage": None, "percentage": "40", "remain_seconds": -1},
        {"size": float("nan"), "duration": 10**400},
    ],
)
def test_what_makes_no_sense_counts_as_not_told(
    platform: responses.RequestsMock, client: TwelveLabsClient, metadata: Any
) -> None:
    body = {"_id": "v", "metadata": metadata}
    platform.get(f"{URL}/indexes/i/videos", json=page_of([body]))
    platform.get(f"{URL}/tasks/v", json={**body, "status": "ready", "process": metadata})
    assert list(client.videos("i")) == [Video("v")]
    assert client.task("v") == Task("v", "ready")


def test_a_task_tells_how_far_it_is(
    platform: responses.RequestsMock, client: TwelveLabsClient
) -> None:
    process = {"upload_percentage": 100, "percentage": 40, "remain_seconds": 180}
    body = {
        "_id": "t",
        "index_id": "i",
        "video_id": "v",
        "status": "indexing",
        "metadata": {"filename": "a.mp4"},
        "process": process,
    }
    platform.get(f"{URL}/tasks/t", json=body)
    assert client.task("t") == Task("t", "indexing", "i", "v", "a.mp4", 40.0, 100.0, 180.0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": "video_file_broken", "message": "Broken"}, "Broken"),
        ({"code": "video_file_broken"}, "video_file_broken"),
        ("Broken", "Broken"),
        (None, ""),
        ({}, ""),
        ({"message": 5}, ""),
    ],
)
def test_only_a_failed_task_has_a_reason(
    platform: responses.RequestsMock, client: TwelveLabsClient, error: Any, reason: str
) -> None:
    for status in ("failed", "ready"):
        platform.get(f"{URL}/tasks/t", json={"_id": "t", "status": status, "error": error})
    assert client.task("t") == Task("t", "failed", error=reason)
    assert client.task("t") == Task("t", "ready")


# Numbered pages


def test_all_numbered_pages_are_followed_and_each_entry_comes_once(
    platform: responses.RequestsMock, client: TwelveLabsClient
) -> None:
    pages = [ids("a", "b"), ids("b", "c"), ids("d")]  # something was added while they were read
    for number, entries in enumerate(pages, 1):
        query = {"index_id": "i1", "filename": "x.mp4", "page": number, "page_limit": 50}
        platform.get(
            f"{URL}/tasks",
            match=[matchers.query_param_matcher(query)],
            json=page_of(entries, number, 3),
        )
    tasks = client.tasks("i1", filename="x.mp4")
    assert [task.task_id for task in tasks] == ["a", "b", "c", "d"]


def test_filters_reach_the_query(
    platform: responses.RequestsMock, client: TwelveLabsClient
) -> None:
    platform.get(f"{URL}/indexes/i1/videos", json=page_of([]))
    filters = {"size[gte]": 5, "page_limit": 10, "filename": "a & b/é.mp4", "fps": None}
    assert list(client.videos("i1", **filters)) == []
    query = parse_qs(urlsplit(platform.calls[0].request.url).query)
    assert query == {
        "size[gte]": ["5"],
        "page_limit": ["10"],
        "filename": ["a & b/é.mp4"],
        "page": ["1"],
    }


def test_a_page_that_comes_again_for_ever_is_an_error(
    platform: responses.RequestsMock, client: TwelveLabsClient
) -> None:
    for _ in range(2):
        platform.get(f"{URL}/indexes", json=page_of(ids("a"), 1, 9))
    with pytest.raises(BadResponse, match="page 2 of 9"):
        list(client.indexes())


# Classification


@pytest.mark.parametrize("version", ["v1.1", "v1.2"])
def test_classify_sends_classes_and_the_threshold_object(
    platform: responses.RequestsMock, connect: Callable[..., TwelveLabsClient], version: str
) -> None:
    base = f"https://platform.test/{version}"
    common = {
        "classes": [{"name": "Cooking", "prompts": ["a pan on a stove", "chopping"]}],
        "options": ["visual", "conversation"],
        "conversation_option": "exact_match",
        "threshold": {"min_video_score": 75.0, "min_clip_score": 50.0, "min_duration_ratio": 0.1},
        "include_clips": True,
        "show_detailed_score": True,
        "page_limit": 7,
    }
    options, thresholds = ("visual", "conversation"), Thresholds(75.0, 50.0, 0.1)
    request = ClassifyRequest((COOKING,), options, "exact_match", thresholds)
    choices = {"include_clips": True, "show_detailed_score": True, "page_limit": 7}
    videos = [{"video_id": "v1", "classes": [{"name": "Cooking", "score": 90.1}]}]
    for path, own in (("classify", {"video_ids": ["v1"]}), ("classify/bulk", {"index_id": "i1"})):
        platform.post(
            f"{base}/{path}",
            match=[matchers.json_params_matcher({**common, **own})],
            json={"data": videos, "page_info": {"next_page_token": ""}},
        )
    client = connect(base)
    assert client.classify_videos(("v1",), request, **choices) == videos
    assert client.classify_index("i1", request, **choices) == videos


def test_a_request_is_sent_whole_with_its_defaults(
    platform: responses.RequestsMock, client: TwelveLabsClient
) -> None:
    platform.post(f"{URL}/classify/bulk", json={"data": []})
    client.classify_index("i1", REQUEST)
    assert json.loads(platform.calls[0].request.body) == {
        "index_id": "i1",
        "classes": [{"name": "Cooking", "prompts": ["a pan on a stove", "chopping"]}],
        "options": ["visual"],
        "conversation_option": "semantic",
        "threshold": {"min_video_score": 75.0, "min_clip_score": 65.0, "min_duration_ratio": 0.5},
        "include_clips": False,
        "show_detailed_score": False,
        "page_limit": 50,
    }


@pytest.mark.parametrize(
    "end",
    [
        {"page_info": {"next_page_token": ""}},
        {"page_info": {"next_page_token": None}},
        {"page_info": {}},
        {"page_info": None},
        {},
    ],
)
def test_all_classify_pages_are_followed_to_any_end(
    platform: responses.RequestsMock, client: TwelveLabsClient, end: dict[str, Any]
) -> None:
    one, two, three = ([{"video_id": name, "classes": []}] for name in ("v1", "v2", "v3"))
    platform.post(
        f"{URL}/classify/bulk", json={"data": one, "page_info": {"next_page_token": "u-1"}}
    )
    # A page of videos to which no class applies is empty and yet not the last one.
    platform.get(f"{URL}/classify/u-1", json={"data": [], "page_info": {"next_page_token": "u-2"}})
    platform.get(f"{URL}/classify/u-2", json={"data": two, "page_info": {"next_page_token": "u-3"}})
    platform.get(f"{URL}/classify/u-3", json={"data": three, **end})
    assert client.classify_index("i1", REQUEST) == one + two + three


@pytest.mark.parametrize(
    ("tokens", "videos"), [(["u-1", "u-1"], ["v1", "v2"]), (["u-1", "u-2"], ["v1", "v1"])]
)
def test_classify_pages_that_go_round_are_an_error(
    platform: responses.RequestsMock,
    client: TwelveLabsClient,
    tokens: list[str],
    videos: list[str],
) -> None:
    pages = [
        {"data": [{"video_id": video}], "page_info": {"next_page_token": token}}
        for video, token in zip(videos, tokens, strict=True)
    ]
    platform.post(f"{URL}/classify", json=pages[0])
    platform.get(f"{URL}/classify/u-1", json=pages[1])
    with pytest.raises(BadResponse, match="given before"):
        client.classify_videos(["v1"], REQUEST)


@pytest.mark.parametrize(("status", "code"), [(400, "search_page_token_expired"), (404, "gone")])
def test_a_classification_whose_page_token_expires_starts_again(
    platform: responses.RequestsMock, client: TwelveLabsClient, status: int, code: str
) -> None:
    one, two = ([{"video_id": name, "classes": []}] for name in ("v1", "v2"))
    first = {"data": one, "page_info": {"next_page_token": "u-1"}}
    platform.post(f"{URL}/classify/bulk", json=first)
    platform.get(f"{URL}/classify/u-1", status=status, json={"code": code, "message": "Expired."})
    platform.post(f"{URL}/classify/bulk", json=first)
    platform.get(f"{URL}/classify/u-1", json={"data": two})
    assert client.classify_index("i1", REQUEST) == one + two


def test_page_tokens_that_always_expire_are_an_error(
    platform: responses.RequestsMock, client: TwelveLabsClient
) -> None:
    first = {"data": [], "page_info": {"next_page_token": "u-1"}}
    for _ in range(3):
        platform.post(f"{URL}/classify/bulk", json=first)
        platform.get(f"{URL}/classify/u-1", status=400)
    with pytest.raises(BadRequest, match="classify/u-1"):
        client.classify_index("i1", REQUEST)


# Errors


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, BadRequest, False),
        (401, AuthError, False),
        (403, AuthError, False),
        (404, NotFound, False),
        (409, Conflict, False),
        (413, ApiStatusError, False),
        (422, BadRequest, False),
        (429, RateLimited, True),
        (500, ServerError, True),
        (503, ServerError, True),
    ],
)
def test_each_status_has_its_error_with_the_platforms_words(
    platform: responses.RequestsMock,
    connect: Callable[..., TwelveLabsClient],
    status: int,
    kind: type[ApiStatusError],
    retryable: bool,
) -> None:
    body = {"code": "some_code", "message": "Said by the platform."}
    platform.get(f"{URL}/tasks/t1", json=body, status=status)
    with pytest.raises(ApiStatusError) as caught:
        connect(max_retries=0).task("t1")
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, error.message) == (status, *body.values())
    assert error.retryable is retryable
    assert f"GET {URL}/tasks/t1: {status} some_code: Said by the platform." in str(error)


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"", "application/json", "Bad Gateway"),
        (b'"upstream broke"', "application/json", "upstream broke"),
        (b"upstream broke", "text/plain", "upstream broke"),
        (
            b"<html><style>b{}</style><h1>502</h1>\n <p>nginx &lt;</html>",
            "text/html",
            "502 nginx &lt;",
        ),
        (b'{"detail": "x"}', "application/json", '{"detail": "x"}'),
        (b'{"code": null, "message": "only words"}', "application/json", "only words"),
        (b"[1, 2]", "application/json", "[1, 2]"),
        (b"\xff\xfe\x00", "application/json", "\ufffd\ufffd\x00"),
        (b'{"message": ', "application/json", '{"message":'),
        (b"<" * 10_000, "text/html", "<" * 500),
    ],
)
def test_an_error_response_of_any_form_is_put_into_words(
    platform: responses.RequestsMock,
    connect: Callable[..., TwelveLabsClient],
    body: bytes,
    content_type: str,
    message: str,
) -> None:
    platform.get(f"{URL}/tasks/t1", body=body, content_type=content_type, status=502)
    with pytest.raises(ServerError) as caught:
        connect(max_retries=0).task("t1")
    assert caught.value.message == message
    assert caught.value.code == ""


@pytest.mark.parametrize(
    ("do", "given", "words"),
    [
        (lambda c: c.task("t"), {"json": {"_id": "t"}}, "'status'"),
        (lambda c: c.index("i"), {"json": {}}, "'_id'"),
        (lambda c: c.index("i"), {"json": {"_id": None}}, "'_id'"),
        (lambda c: c.index("i"), {"json": []}, "not a JSON object"),
        (lambda c: c.index("i"), {"json": "done"}, "not a JSON object"),
        (lambda c: c.index("i"), {"status": 204}, "the response should be JSON"),
        (
            lambda c: c.index("i"),
            {"body": "<h1>Sign in to the hotel</h1>", "content_type": "text/html"},
            "(text/html): Sign in to the hotel",
        ),
        (
            lambda c: c.index("i"),
            {"body": '{"_id": "i"}', "content_type": "text/plain"},
            "(text/plain)",
        ),
        (
            lambda c: c.index("i"),
            {"body": '{"_id": "i', "content_type": "application/json"},
            '(application/json): {"_id": "i',
        ),
        (lambda c: c.index("i"), {"json": {"_id": 5}}, "no string '_id'"),
        (lambda c: c.task("t"), {"json": {"_id": "t", "status": ["ready"]}}, "no string 'status'"),
        (lambda c: list(c.indexes()), {"json": {"data": []}}, "'page_info.total_page'"),
        (lambda c: list(c.indexes()), {"json": {"page_info": {"total_page": 1}}}, "'data'"),
        (lambda c: list(c.indexes()), {"json": {"data": {}, "page_info": {}}}, "'data'"),
        (lambda c: list(c.indexes()), {"json": {"data": [], "page_info": []}}, "total_page"),
        (lambda c: list(c.indexes()), {"json": {"data": [], "page_info": {}}}, "total_page"),
        (lambda c: list(c.indexes()), {"json": page_of([{"id": 1}])}, "'_id'"),
        (lambda c: list(c.indexes()), {"json": page_of(["i1"])}, "'_id'"),
        (lambda c: c.create_index("n", ["visual"]), {"json": {"id": "i"}}, "'_id'"),
        (lambda c: c.classify_index("i", REQUEST), {"json": {}}, "'data'"),
        (
            lambda c: c.classify_index("i", REQUEST),
            {"json": {"data": [{"classes": []}]}},
            "'video_id'",
        ),
    ],
)
def test_a_response_that_breaks_the_contract_is_named(
    client: TwelveLabsClient,
    do: Callable[[TwelveLabsClient], Any],
    given: dict[str, Any],
    words: str,
) -> None:
    with responses.RequestsMock() as platform:
        for method in ("GET", "POST"):
            platform.add(method, re.compile(re.escape(URL)), **given)
        platform.assert_all_requests_are_fired = False
        with pytest.raises(BadResponse, match=re.escape(words)) as caught:
            do(client)
    assert URL in str(caught.value)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("raised", "kind", "retryable"),
    [
        (requests.ConnectionError("refused"), ApiConnectionError, True),
        (requests.exceptions.SSLError("certificate"), ApiConnectionError, True),
        (requests.exceptions.ChunkedEncodingError("half"), ApiConnectionError, True),
        (requests.ConnectTimeout("slow"), ApiTimeout, True),
        (requests.ReadTimeout("slow"), ApiTimeout, True),
        (requests.exceptions.ContentDecodingError("gzip"), ApiError, False),
        (requests.exceptions.InvalidURL("bad"), ApiError, False),
        (requests.exceptions.InvalidHeader("bad"), ApiError, False),
    ],
)
def test_no_error_of_requests_comes_through(
    platform: responses.RequestsMock,
    connect: Callable[..., TwelveLabsClient],
    raised: Exception,
    kind: type[ApiError],
    retryable: bool,
) -> None:
    platform.get(f"{URL}/tasks/t1", body=raised)
    with pytest.raises(ApiError, match=str(raised)) as caught:
        connect(max_retries=0).task("t1")
    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    assert caught.value.__cause__ is raised


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(
        r"^ +((?:\| +)?)(?:\+-- )?(Api\w+|[A-Z]\w+) .*$",
        twelvelabs_errors.__doc__ or "",
        re.MULTILINE,
    )
    names = {name for _, name in drawn}

    def below(kind: type[ApiError]) -> set[str]:
        return {kind.__name__}.union(*(below(child) for child in kind.__subclasses__()))

    assert (
        names
        == below(ApiError)
        == {name for name in twelvelabs_client.__all__ if name != "TwelveLabsClient"}
    )
    for line in (twelvelabs_errors.__doc__ or "").splitlines():
        for name in names & set(re.findall(r"\+-- (\w+)", line)):
            assert getattr(twelvelabs_errors, name).retryable is line.endswith(" retryable")


# Retries


@pytest.mark.parametrize(
    "failures",
    [
        [{"status": 503}, {"status": 500, "json": {"code": "x", "message": "y"}}],
        [{"status": 429}, {"status": 429, "json": {"code": "too_many_requests", "message": "m"}}],
        [{"body": requests.ConnectionError("refused")}, {"body": requests.ReadTimeout("slow")}],
        [{"body": requests.exceptions.ChunkedEncodingError("half")}],
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_passing_failures_are_tried_again(
    platform: responses.RequestsMock,
    client: TwelveLabsClient,
    waits: list[float],
    failures: list[dict[str, Any]],
    method: str,
) -> None:
    path = "/tasks/t1" if method == "GET" else "/classify/bulk"  # a classification only reads
    body = {"_id": "t1", "status": "ready", "data": []}
    for failure in failures:
        platform.add(method, URL + path, **failure)
    platform.add(method, URL + path, json=body)
    if method == "GET":
        assert client.task("t1") == Task("t1", "ready")
    else:
        assert client.classify_index("i1", REQUEST) == []
    assert len(waits) == len(failures)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 413, 422])
def test_refusals_are_not_tried_again(
    platform: responses.RequestsMock, client: TwelveLabsClient, waits: list[float], status: int
) -> None:
    platform.get(f"{URL}/tasks/t1", status=status)
    with pytest.raises(ApiStatusError):
        client.task("t1")
    assert waits == []


def test_waits_grow_with_jitter_and_end(
    platform: responses.RequestsMock, connect: Callable[..., TwelveLabsClient], waits: list[float]
) -> None:
    for _ in range(12):
        platform.get(f"{URL}/tasks/t1", status=500)
    with pytest.raises(ServerError):
        connect(max_retries=11).task("t1")
    assert len(waits) == 11
    for tries, wait in enumerate(waits):
        least = min(0.5 * 2**tries, LONGEST_WAIT_S)
        assert least <= wait <= min(least + 0.5, LONGEST_WAIT_S)
    assert len({wait - 0.5 * 2**tries for tries, wait in enumerate(waits[:6])}) == 6


DATE = "Tue, 07 Nov 2023 10:00:00 GMT"  # 1699351200 s


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (429, {"Retry-After": "7"}, 7),
        (429, {"Retry-After": " 7.5 "}, 7.5),
        (429, {"Retry-After": "Tue, 07 Nov 2023 10:00:20 GMT", "Date": DATE}, 20),
        (429, {"Retry-After": "Tue, 07 Nov 2023 09:00:20 GMT", "Date": DATE}, 0),
        (429, {"X-Ratelimit-Reset": "1699351212", "Date": DATE}, 12),
        (429, {"X-Ratelimit-Reset": "1699351100", "Date": DATE}, 0),
        (429, {"Retry-After": "3", "X-Ratelimit-Reset": "1699351212", "Date": DATE}, 3),
        (429, {"Retry-After": "soon", "X-Ratelimit-Reset": "1699351212", "Date": DATE}, 12),
        (429, {"Retry-After": "-5"}, None),
        (429, {"Retry-After": "nan", "X-Ratelimit-Reset": "inf"}, None),
        (429, {"Retry-After": "Tue, 99 Nov 2023 10:00:20 GMT"}, None),
        (429, {}, None),
        (503, {"Retry-After": "9"}, 9),
        (503, {"X-Ratelimit-Reset": "1699351212", "Date": DATE}, None),
        (429, {"Retry-After": "86400"}, 86400),
        (429, {"Retry-After": "9" * 400}, float("inf")),
    ],
)
def test_the_requested_wait_is_honoured_up_to_a_cap(
    platform: responses.RequestsMock,
    connect: Callable[..., TwelveLabsClient],
    waits: list[float],
    status: int,
    headers: dict[str, str],
    wait_s: float | None,
) -> None:
    for _ in range(2):
        platform.get(f"{URL}/tasks/t1", status=status, headers=headers)
    with pytest.raises(ApiStatusError) as caught:
        connect(max_retries=1).task("t1")
    assert caught.value.retry_after_s == wait_s
    least = wait_s or 0
    assert min(least + 0.5, LONGEST_WAIT_S) <= waits[0] <= min(least + 1, LONGEST_WAIT_S)
    if status == 429 and wait_s:
        assert f"try again in {wait_s:.0f} s" in str(caught.value)


def test_without_a_date_the_local_clock_tells_when_the_limit_ends(
    platform: responses.RequestsMock, connect: Callable[..., TwelveLabsClient]
) -> None:
    platform.get(
        f"{URL}/tasks/t1", status=429, headers={"X-Ratelimit-Reset": str(int(time.time()) + 30)}
    )
    with pytest.raises(RateLimited) as caught:
        connect(max_retries=0).task("t1")
    assert 20 < (caught.value.retry_after_s or 0) <= 30


def test_each_new_try_is_logged(
    platform: responses.RequestsMock, client: TwelveLabsClient, caplog: pytest.LogCaptureFixture
) -> None:
    platform.get(f"{URL}/tasks/t1", status=503)
    platform.get(f"{URL}/tasks/t1", json={"_id": "t1", "status": "ready"})
    client.task("t1")
    (record,) = (record for record in caplog.records if record.name == "transport.http")
    assert record.levelno == logging.WARNING
    assert "503: Service Unavailable; trying again in" in record.getMessage()


# What must not be sent twice


@pytest.mark.parametrize(
    "lost", [{"body": requests.ConnectionError("cut")}, {"status": 502}, {"status": 504}]
)
def test_an_index_whose_response_was_lost_is_looked_for_first(
    platform: responses.RequestsMock, client: TwelveLabsClient, lost: dict[str, Any]
) -> None:
    platform.post(f"{URL}/indexes", **lost)
    platform.get(f"{URL}/indexes", json=page_of([named("demo", "made")]))
    assert client.create_index("demo", ["visual"]) == "made"


def test_an_index_that_was_not_made_is_sent_again_after_every_look(
    platform: responses.RequestsMock, client: TwelveLabsClient, waits: list[float]
) -> None:
    platform.post(f"{URL}/indexes", body=requests.ReadTimeout("slow"))
    platform.get(f"{URL}/indexes", body=requests.ConnectionError("still down"))
    platform.get(f"{URL}/indexes", json=page_of([named("another")]))
    platform.post(f"{URL}/indexes", status=503)
    platform.get(f"{URL}/indexes", json=page_of([]))
    platform.post(f"{URL}/indexes", json={"_id": "second"}, status=201)
    assert client.create_index("demo", ["visual"]) == "second"
    assert len(waits) == 3


def test_a_conflict_after_a_lost_response_is_the_index_that_was_made(
    platform: responses.RequestsMock, client: TwelveLabsClient
) -> None:
    platform.post(f"{URL}/indexes", body=requests.ReadTimeout("slow"))
    platform.get(f"{URL}/indexes", json=page_of([]))
    platform.post(f"{URL}/indexes", status=409, json={"code": "index_name_already_exists"})
    platform.get(f"{URL}/indexes", json=page_of([named("demo", "made")]))
    assert client.create_index("demo", ["visual"]) == "made"


def test_a_conflict_without_a_lost_response_is_a_conflict(
    platform: responses.RequestsMock, client: TwelveLabsClient
) -> None:
    body = {"code": "index_name_already_exists", "message": "Index name demo already exists."}
    platform.post(f"{URL}/indexes", status=409, json=body)
    with pytest.raises(Conflict) as caught:
        client.create_index("demo", ["visual"])
    assert caught.value.code == "index_name_already_exists"


@pytest.mark.parametrize(("status", "kind"), [(401, AuthError), (400, BadRequest)])
def test_a_refused_index_needs_no_look(
    platform: responses.RequestsMock,
    client: TwelveLabsClient,
    status: int,
    kind: type[ApiError],
) -> None:
    platform.post(f"{URL}/indexes", status=429)
    platform.post(f"{URL}/indexes", status=status)
    with pytest.raises(kind):
        client.create_index("demo", ["visual"])


def test_the_last_lost_response_is_looked_into_as_well(
    platform: responses.RequestsMock, connect: Callable[..., TwelveLabsClient]
) -> None:
    client = connect(max_retries=0)
    platform.post(f"{URL}/indexes", status=504)
    platform.get(f"{URL}/indexes", json=page_of([named("demo", "made")]))
    assert client.create_index("demo", ["visual"]) == "made"
    platform.post(f"{URL}/indexes", status=504)
    platform.get(f"{URL}/indexes", status=401)
    with pytest.raises(ServerError, match="504"):
        client.create_index("demo", ["visual"])


# The key stays out of sight


def test_the_key_is_in_no_repr(client: TwelveLabsClient) -> None:
    assert repr(client) == f"TwelveLabsClient('{URL}')"
    client._http._session()
    seen = [str(client), repr(vars(client)), repr(vars(client._http))]
    seen += [repr(vars(session)) for session in client._http._sessions]
    assert not [text for text in seen if KEY in text]


@pytest.mark.parametrize(
    "given",
    [
        {"status": 401, "json": {"code": KEY, "message": f"The key {KEY} is not known."}},
        {"status": 500, "body": f"<p>x-api-key: {KEY}</p>", "content_type": "text/html"},
        {"status": 502, "body": "x" * 490 + KEY, "content_type": "text/plain"},
        {"status": 400, "json": {"message": "x" * 490 + KEY}},
        {"status": 302, "headers": {"Location": f"https://other.test/?key={KEY}"}},
        {"status": 200, "body": f"your key: {KEY}", "content_type": "text/html"},
        {"status": 200, "body": "x" * 490 + KEY, "content_type": "application/json"},
        {"body": requests.ConnectionError(f"sent headers: {{'x-api-key': '{KEY}'}}")},
        {"body": requests.exceptions.InvalidHeader(f"in header value: {KEY!r}")},
    ],
)
def test_the_key_is_in_no_error_and_no_log(
    platform: responses.RequestsMock,
    connect: Callable[..., TwelveLabsClient],
    caplog: pytest.LogCaptureFixture,
    given: dict[str, Any],
) -> None:
    caplog.set_level(logging.DEBUG)
    for _ in range(2):
        platform.get(f"{URL}/tasks/t1", **given)
    platform.assert_all_requests_are_fired = False
    with pytest.raises(ApiError) as caught:
        connect(max_retries=1).task("t1")
    error = caught.value
    told = (
        "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error)) + caplog.text
    )
    assert KEY not in told
    assert KEY[:8] not in told, "a part of the key is too much as well"


# Against a real socket


class Platform:
    """A platform of the tasks calls alone, on a real socket. `plan` says how uploads are met."""

    def __init__(self) -> None:
        self.plan: list[str] = []
        self.tasks: list[dict[str, Any]] = []
        self.received: list[tuple[dict[str, str], str, str, bytes]] = []
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1.2"

    def task(self, filename: str, status: str = "validating") -> dict[str, Any]:
        task = {"_id": f"t{len(self.tasks)}", "status": status, "metadata": {"filename": filename}}
        self.tasks.append(task)
        return task

    def handler(platform) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 10

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

            def respond(self, status: int, body: Any) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def reset(self) -> None:
                """Cut the connection at once, whatever is in transit."""
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True

            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                (name,) = query["filename"]
                found = [task for task in platform.tasks if task["metadata"]["filename"] == name]
                self.respond(200, page_of(found[::-1]))

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                with platform.lock:
                    fault = platform.plan.pop(0) if platform.plan else "accept"
                head = self.rfile.read(min(length, 1_000_000))
                name = self.form(head)[1]
                if fault == "cut":
                    return self.reset()
                left = length - len(head)
                while left:
                    left -= len(self.rfile.read(min(left, 65_536)))
                if fault == "accept, then cut":
                    platform.task(name)
                    return self.reset()
                if fault == "fail, then cut":
                    platform.task(name, "failed")
                    return self.reset()
                if fault == "half a response":
                    platform.task(name)
                    self.send_response(201)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", "100")
                    self.end_headers()
                    self.wfile.write(b'{"_id": "t')
                    self.close_connection = True
                    return None
                if fault == "say nothing":
                    platform.task(name)
                    self.rfile.read(1)  # until the client hangs up
                    self.close_connection = True
                    return None
                assert fault == "accept"
                platform.received.append(self.form(head))
                with platform.lock:
                    return self.respond(201, {"_id": platform.task(name)["_id"]})

            def form(self, body: bytes) -> tuple[dict[str, str], str, str, bytes]:
                """Fields, name, content type and bytes of the upload, as Flask would read them."""
                _, options = parse_options_header(self.headers["Content-Type"])
                decoder = MultipartDecoder(options["boundary"].encode())
                decoder.receive_data(body)
                fields: dict[str, str] = {}
                name = field = content_type = ""
                content = b""
                while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                    if isinstance(event, Field):
                        field = event.name
                    elif isinstance(event, File):
                        assert event.name == "video_file"
                        field, name = "", event.filename
                        content_type = event.headers["Content-Type"]
                    elif isinstance(event, Data) and field:
                        fields[field] = fields.get(field, "") + event.data.decode()
                    elif isinstance(event, Data):
                        content += event.data
                return fields, name, content_type, content

        return Handler


@pytest.fixture
def server() -> Iterator[Platform]:
    platform = Platform()
    thread = threading.Thread(target=platform.server.serve_forever, args=(0.01,))
    thread.start()
    yield platform
    platform.server.shutdown()
    thread.join()
    platform.server.server_close()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """8 MB, more than the socket buffers of both sides hold; sparse."""
    path = tmp_path / "clip.mp4"
    with path.open("wb") as file:
        file.truncate(8_000_000)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "clip.mp4",
        "holiday 2023/day 1/a b.mp4",
        'the "best" of it.mp4',
        "it's; filename=x.mp4",
        "-dash.mp4",
        " spaces .mp4",
        "Žluťoučký kůň 日本語 🐎.mp4",
        "e\u0301 is not \u00e9.mp4",
        "back\\slash\\\\es\\",
        '\\"',
        "50% & %20 #1.mp4",
        "{curly}=.mp4",
    ],
)
def test_the_file_name_arrives_intact(
    server: Platform, connect: Callable[..., TwelveLabsClient], tmp_path: Path, name: str
) -> None:
    path = tmp_path / "source.mp4"
    path.write_bytes(b"video bytes")
    task_id = connect(server.url).upload_video("i1", path, name)
    assert task_id == "t0"
    assert server.received == [
        ({"index_id": "i1", "language": "en"}, name, "video/mp4", b"video bytes")
    ]


@pytest.mark.parametrize(
    ("file", "content_type"),
    [
        ("a.MP4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.mov", "video/quicktime"),
        ("a", "video/mp4"),
        ("a.txt", "video/mp4"),
    ],
)
def test_the_content_type_is_guessed(
    server: Platform,
    connect: Callable[..., TwelveLabsClient],
    tmp_path: Path,
    file: str,
    content_type: str,
) -> None:
    path = tmp_path / file
    path.write_bytes(b"x")
    connect(server.url).upload_video("i1", path, language="de")
    assert server.received == [({"index_id": "i1", "language": "de"}, file, content_type, b"x")]


@pytest.mark.parametrize("name", ["a\nb.mp4", "a\rb.mp4", "a%22b.mp4", "a\udcff.mp4", "a\0b.mp4"])
def test_a_name_that_no_form_carries_is_refused(
    client: TwelveLabsClient, video: Path, name: str
) -> None:
    with pytest.raises(ApiError, match="rename the file") as caught:
        client.upload_video("i1", video, name)
    str(caught.value).encode()


def test_a_file_that_is_gone_is_the_systems_error(
    server: Platform, connect: Callable[..., TwelveLabsClient], tmp_path: Path, waits: list[float]
) -> None:
    with pytest.raises(FileNotFoundError):
        connect(server.url).upload_video("i1", tmp_path / "gone.mp4")
    assert waits == []


@pytest.mark.slow
def test_an_upload_is_streamed_in_constant_memory(
    server: Platform, connect: Callable[..., TwelveLabsClient], video: Path
) -> None:
    size = 300_000_000
    os.truncate(video, size)
    seen: list[tuple[int, int]] = []
    tracemalloc.start()
    try:
        connect(server.url).upload_video("i1", video, on_progress=lambda *at: seen.append(at))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
    assert len(seen) > 1000
    assert seen == sorted(seen)
    total = seen[0][1]
    assert size < total < size + 2000
    assert seen[-1] == (total, total)


@pytest.mark.parametrize(
    ("plan", "task_id", "tasks"),
    [
        (["cut"], "t0", 1),
        (["cut", "cut", "cut"], "t0", 1),
        (["accept, then cut"], "t0", 1),
        (["cut", "accept, then cut"], "t0", 1),
        (["half a response"], "t0", 1),
        (["say nothing"], "t0", 1),
        (["fail, then cut"], "t1", 2),
    ],
)
@pytest.mark.parametrize("earlier", [0, 1])
def test_a_broken_upload_ends_up_accepted_once(
    server: Platform,
    connect: Callable[..., TwelveLabsClient],
    video: Path,
    plan: list[str],
    task_id: str,
    tasks: int,
    earlier: int,
) -> None:
    for _ in range(earlier):  # of the same name: never to be taken for this upload
        server.task("clip.mp4")
    server.plan = list(plan)
    client = connect(server.url, read_timeout_s=0.5 if "say nothing" in plan else 10)
    made = client.upload_video("i1", video)
    assert made == f"t{int(task_id[1:]) + earlier}"
    assert len(server.tasks) == tasks + earlier
    assert server.plan == []


def test_an_upload_that_is_cut_every_time_is_an_error_after_all_tries(
    server: Platform, connect: Callable[..., TwelveLabsClient], video: Path, waits: list[float]
) -> None:
    server.plan = ["cut"] * 3
    with pytest.raises(ApiConnectionError, match=r"POST .*/tasks: no complete response"):
        connect(server.url, max_retries=2).upload_video("i1", video)
    assert (server.plan, server.tasks, len(waits)) == ([], [], 2)


def test_a_task_of_another_file_is_not_taken_for_the_upload(
    platform: responses.RequestsMock, client: TwelveLabsClient, video: Path
) -> None:
    """Not even from a platform that knows no filter by name."""
    other = {"_id": "t1", "metadata": {"filename": "other.mp4"}}
    unnamed = {"_id": "t2", "metadata": {}}
    platform.get(f"{URL}/tasks", json=page_of([]))
    platform.post(f"{URL}/tasks", status=502)
    platform.get(f"{URL}/tasks", json=page_of([other]))
    platform.post(f"{URL}/tasks", status=502)
    platform.get(f"{URL}/tasks", json=page_of([other, unnamed]))
    assert client.upload_video("i1", video) == "t2"


@pytest.mark.parametrize("status", [400, 401, 413])
def test_a_refused_upload_is_neither_looked_for_nor_sent_again(
    platform: responses.RequestsMock, client: TwelveLabsClient, video: Path, status: int
) -> None:
    body = {"code": "video_duration_too_short", "message": "Too short."}
    platform.get(f"{URL}/tasks", json=page_of([]))
    platform.post(f"{URL}/tasks", status=status, json=body)
    with pytest.raises(ApiStatusError, match="video_duration_too_short"):
        client.upload_video("i1", video)


def test_the_threads_of_a_pool_share_a_client(
    server: Platform, connect: Callable[..., TwelveLabsClient], tmp_path: Path
) -> None:
    client = connect(server.url)
    paths = [tmp_path / f"{number}.mp4" for number in range(12)]
    for path in paths:
        path.write_bytes(path.name.encode())
    with ThreadPoolExecutor(4) as pool:
        task_ids = list(pool.map(lambda path: client.upload_video("i1", path), paths))
    assert len(set(task_ids)) == len(paths)
    assert sorted((name, content) for _, name, _, content in server.received) == sorted(
        (path.name, path.name.encode()) for path in paths
    )
    assert 1 < len(client._http._sessions) <= 4
    client.close()
    assert client._http._sessions == []


def test_this_machine_is_called_past_any_proxy(
    server: Platform,
    connect: Callable[..., TwelveLabsClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert list(connect(server.url, max_retries=0).tasks("i1", filename="x")) == []


def test_no_response_at_all_says_why(
    connect: Callable[..., TwelveLabsClient], waits: list[float]
) -> None:
    with socket.socket() as unused:  # bound and not listening: refuses
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1.2"
        with pytest.raises(ApiConnectionError, match="Connection refused") as caught:
            connect(url).task("t1")
    assert url in str(caught.value)
    assert not isinstance(caught.value, ApiTimeout)
    assert len(waits) == 3


def test_a_response_that_does_not_come_is_a_timeout(
    connect: Callable[..., TwelveLabsClient], waits: list[float]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1.2"
        with pytest.raises(ApiTimeout, match=re.escape("0.05 s to respond")):
            connect(url, read_timeout_s=0.05, max_retries=1).task("t1")
    assert len(waits) == 1
