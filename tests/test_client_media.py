"""Texts and thumbnails of a video; presigned URLs get no key."""

from __future__ import annotations

from typing import Any

import pytest
import responses

from core.types import HEARD, TimedText
from twelvelabs_client import ApiConnectionError, BadResponse, TwelveLabsClient

URL = "https://platform.example/v1.2"
VIDEO = f"{URL}/indexes/i/videos/v"
SIGNED = "https://pictures.example/1.jpg?signature=s3cret"


@pytest.fixture
def platform() -> responses.RequestsMock:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client() -> TwelveLabsClient:
    with TwelveLabsClient(URL, "the-key", sleep=lambda seconds: None) as made:
        yield made


def test_text(client: TwelveLabsClient, platform: responses.RequestsMock) -> None:
    heard = [{"start": 0, "end": 1.5, "value": "hello"}]
    platform.get(f"{VIDEO}/transcription", json={"id": "v", "index_id": "i", "data": heard})
    platform.get(f"{VIDEO}/text-in-video", json={"id": "v", "index_id": "i", "data": None})
    assert client.transcript("i", "v") == [TimedText(0.0, 1.5, HEARD, "hello")]
    assert client.ocr_text("i", "v") == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "no list 'data'"),
        ("hello", "no list 'data'"),
        (["hello"], "an entry of 'data' has no 'start'"),
        ([{"start": 0, "end": 1.5}], "an entry of 'data' has no 'start', 'end' or 'value'"),
        ([{"start": "0", "end": 1.5, "value": "hello"}], "an entry of 'data'"),
    ],
)
def test_text_that_makes_no_sense_are_an_error(
    client: TwelveLabsClient, platform: responses.RequestsMock, data: Any, words: str
) -> None:
    platform.get(f"{VIDEO}/transcription", json={"data": data})
    with pytest.raises(BadResponse, match=words) as caught:
        client.transcript("i", "v")
    assert f"GET {VIDEO}/transcription" in str(caught.value)


def test_picture_is_fetched_without_the_key(
    client: TwelveLabsClient, platform: responses.RequestsMock
) -> None:
    platform.get(f"{VIDEO}/thumbnail", json={"thumbnail": SIGNED})
    platform.get(SIGNED, body=b"jpeg")
    assert client.thumbnail("i", "v", 2.5) == b"jpeg"
    call, fetched = (each.request for each in platform.calls)
    assert call.params == {"time": "2.5"}
    assert call.headers["x-api-key"] == "the-key"
    assert "x-api-key" not in fetched.headers


def test_signature_is_in_no_error(
    client: TwelveLabsClient, platform: responses.RequestsMock
) -> None:
    platform.get(f"{VIDEO}/thumbnail", json={"thumbnail": SIGNED})
    platform.get(SIGNED, status=403, body="s3cret is wrong")
    with pytest.raises(ApiConnectionError, match=r"1\.jpg: 403") as caught:
        client.thumbnail("i", "v", 0)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://pictures.example/1.jpg", ""])
def test_other_urls_are_not_fetched(
    client: TwelveLabsClient, platform: responses.RequestsMock, url: str
) -> None:
    platform.get(f"{VIDEO}/thumbnail", json={"thumbnail": url})
    with pytest.raises(BadResponse, match="must begin with https:"):
        client.thumbnail("i", "v", 0)
