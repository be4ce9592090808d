"""Uploads by file and by URL with their transcripts, and what can be requested of the videos."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pytest
import sqlalchemy
from flask.testing import FlaskClient

from engine.api import create_app, links
from engine.catalog.tables import Catalog, sqlite_url
from engine.evidence import TextSpan
from engine.models.protocols import Models
from engine.service import Service
from tests.support.api_calls import Json, create_index, upload, wait_for
from tests.support.fakes import BeepRecogniser, BlindReader, quick_models
from tests.support.media import write_video

SUBTITLES = b"WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n\n00:03.000 --> 00:09.000\nbye\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with Service(tmp_path_factory.mktemp("data"), quick_models(), workers=2) as service:
        yield create_app(service).test_client()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("media") / "a.mp4"
    return write_video(path, seconds=4, fps=30, gop=15).read_bytes()


@pytest.fixture(scope="module")
def known(client: FlaskClient, video: bytes) -> Json:
    """A ready video that brought its transcript along."""
    index_id = create_index(client, addons=["thumbnail"])
    task_id = upload(
        client,
        index_id,
        video,
        provide_transcription="true",
        transcription_file=(io.BytesIO(SUBTITLES), "a.vtt"),
    )
    task = wait_for(client, task_id)
    path = f"/v1.2/indexes/{index_id}/videos/{task['video_id']}"
    return {"index_id": index_id, "path": path, "task": task}


def test_a_transcript_takes_the_place_of_speech(client: FlaskClient, known: Json) -> None:
    response = client.get(f"{known['path']}/transcription").json
    assert response["index_id"] == known["index_id"]
    assert [(each["start"], each["value"]) for each in response["data"]] == [
        (1, "hello"),
        (3, "bye"),
    ]
    assert response["data"][1]["end"] == pytest.approx(4, abs=0.05)
    part = client.get(f"{known['path']}/transcription?start=2.5&end=3.5").json
    assert [each["value"] for each in part["data"]] == ["bye"]
    assert client.get(f"{known['path']}/text-in-video").json["data"] is None
    backwards = client.get(f"{known['path']}/logo?start=2&end=1")
    assert (backwards.status_code, backwards.json["code"]) == (400, "parameter_invalid")


def test_only_evidence_that_the_index_needs_is_extracted(tmp_path: Path, video: bytes) -> None:
    used: list[str] = []

    class Listens(BeepRecogniser):
        def transcribe(self, samples: Any) -> list[TextSpan]:
            used.append("speech")
            return super().transcribe(samples)

    class Reads(BlindReader):
        def read(self, image: npt.NDArray[Any]) -> list[str]:
            used.append("text")
            return super().read(image)

        def follow(self) -> BlindReader:
            return self

    quick = quick_models()
    models = Models(quick.visual, Listens(), Reads(), quick.text)
    with Service(tmp_path, models, workers=1) as service:
        client = create_app(service).test_client()
        for options, wanted in (
            (["visual"], set()),
            (["visual", "conversation"], {"speech"}),
            (["visual", "logo"], {"text"}),
        ):
            used.clear()
            index_id = create_index(client, name=" ".join(options), options=options)
            assert wait_for(client, upload(client, index_id, video))["status"] == "ready"
            assert set(used) == wanted
        used.clear()
        index_id = create_index(client, name="with transcript")
        extra = {
            "provide_transcription": "true",
            "transcription_file": (io.BytesIO(SUBTITLES), "a.vtt"),
        }
        wait_for(client, upload(client, index_id, video, **extra))
        assert "speech" not in used


def test_thumbnails_have_urls_that_expire(
    client: FlaskClient, known: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = [
        client.get(f"{known['path']}/thumbnail{query}").json["thumbnail"]
        for query in ("", "?time=0", "?time=3.5")
    ]
    pictures = [client.get(url) for url in urls]
    assert all(picture.data.startswith(b"\xff\xd8\xff") for picture in pictures)
    assert len({picture.data for picture in pictures}) > 1
    late = client.get(f"{known['path']}/thumbnail?time=5")
    assert (late.status_code, late.json["code"]) == (400, "parameter_invalid")
    forged = client.get(urls[0][:-2] + "xx")
    assert (forged.status_code, forged.json["code"]) == (404, "resource_not_exist")
    monkeypatch.setattr(links, "LIFETIME_S", -1)
    assert client.get(urls[0]).status_code == 404


def test_without_the_add_on_there_are_no_thumbnails(client: FlaskClient, video: bytes) -> None:
    index_id = create_index(client, name="plain")
    video_id = wait_for(client, upload(client, index_id, video))["video_id"]
    response = client.get(f"/v1.2/indexes/{index_id}/videos/{video_id}/thumbnail")
    assert response.status_code == 400
    assert "add-on" in response.json["message"]


def test_custom_fields_are_kept_changed_and_removed(client: FlaskClient, known: Json) -> None:
    def put(**body: object) -> int:
        return client.put(known["path"], json=body).status_code

    assert put(metadata={"views": 3, "topic": "beeps"}) == 204
    assert put(video_title="Title", metadata={"topic": None, "new": 1.5}) == 204
    metadata = client.get(known["path"]).json["metadata"]
    assert (metadata["video_title"], metadata["views"], metadata["new"]) == ("Title", 3, 1.5)
    assert "topic" not in metadata
    for refused in ({"size": 1}, {"a b": 1}, {"list": []}, {"big": 2**70}):
        assert put(metadata=refused) == 400
    assert put(title="x") == 400


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({}, "parameter_not_provided", "video_file"),
        ({"video_url": "not a url"}, "parameter_invalid", "video_url"),
        ({"video_url": "file:///etc/passwd"}, "parameter_invalid", "http"),
        ({"video_url": "http://a.example/a.mp4", "language": "ko"}, "parameter_invalid", "en"),
        ({"video_url": "http://a.example/", "colour": "red"}, "parameter_unknown", "colour"),
        (
            {"video_url": "http://a.example/", "provide_transcription": "true"},
            "parameter_not_provided",
            "transcription_file",
        ),
        (
            {"video_url": "http://a.example/", "transcription_url": "http://a.example/"},
            "parameter_invalid",
            "provide_transcription",
        ),
        (
            {"video_url": "http://a.example/", "disable_video_stream": "perhaps"},
            "parameter_invalid",
            "disable_video_stream",
        ),
        ({"video_file": "a text"}, "parameter_invalid", "video_file"),
    ],
)
def test_refusals_of_uploads(
    client: FlaskClient, known: Json, fields: Json, code: str, words: str
) -> None:
    form = {"index_id": known["index_id"], **fields}
    response = client.post("/v1.2/tasks", data=form, content_type="multipart/form-data")
    assert (response.status_code, response.json["code"]) == (400, code)
    assert words in response.json["message"]


def test_a_file_and_a_url_are_one_too_many(client: FlaskClient, known: Json) -> None:
    form = {
        "index_id": known["index_id"],
        "video_url": "http://a.example/",
        "video_file": (io.BytesIO(b"x"), "a.mp4"),
    }
    response = client.post("/v1.2/tasks", data=form)
    assert "either video_file or video_url" in response.json["message"]


def test_a_broken_transcript_is_refused_at_once(
    client: FlaskClient, known: Json, video: bytes
) -> None:
    form = {
        "index_id": known["index_id"],
        "provide_transcription": "true",
        "video_file": (io.BytesIO(video), "a.mp4"),
        "transcription_file": (io.BytesIO(b"no times here"), "a.srt"),
    }
    response = client.post("/v1.2/tasks", data=form)
    assert (response.status_code, response.json["code"]) == (400, "parameter_invalid")
    assert "transcription_file" in response.json["message"]


def test_a_url_that_leads_inside_ends_its_task_with_the_reason(
    client: FlaskClient, known: Json
) -> None:
    form = {"index_id": known["index_id"], "video_url": "http://127.0.0.1:9/clip%201.mp4?a=b"}
    response = client.post("/v1.2/tasks", data=form)
    assert response.status_code == 201
    task = wait_for(client, response.json["_id"])
    assert task["status"] == "failed"
    assert task["metadata"]["filename"] == "clip 1.mp4"
    assert task["error"]["code"] == "parameter_invalid"
    assert "private network" in task["error"]["message"]


def test_tasks_are_listed_by_every_filter(client: FlaskClient, known: Json) -> None:
    task = known["task"]
    query = {
        "_id": task["_id"],
        "index_id": known["index_id"],
        "filename": "a.mp4",
        "status": "ready",
        "duration[gte]": 3,
        "width": task["metadata"]["width"],
        "height[lte]": task["metadata"]["height"],
        "created_at": task["created_at"],
        "updated_at[gte]": task["created_at"],
        "estimated_time": "2020-01-01",
    }
    found = client.get("/v1.1/tasks", query_string=query).json["data"]
    assert [each["_id"] for each in found] == [task["_id"]]
    late = client.get("/v1.1/tasks?estimated_time=2999-01-01T00:00:00Z").json
    assert late["data"] == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("engine_options=visual&engine_options=logo", 1),
        ("engine_options=visual,conversation", 2),
        ("index_options=conversation", 2),
        ("engine_family=pegasus", 1),
        ("engine_family=marengo", 2),
        ("engine_family=whale", None),
        ("engine_options=smell", None),
        ("created_at[gt]=2020-01-01", None),
        ("created_at[gte=2020-01-01", None),
        ("created_at=yesterday", None),
        ("created_at=2020", None),
        ("created_at[lte]=0.5", None),
    ],
)
def test_indexes_are_listed_by_what_they_are_made_of(
    tmp_path: Path, query: str, count: int | None
) -> None:
    with Service(tmp_path, quick_models(), workers=1) as service:
        client = create_app(service).test_client()
        create_index(client, "v1.1")
        engines = [
            {"engine_name": "marengo2.6", "engine_options": ["visual", "conversation"]},
            {"engine_name": "pegasus1.1", "engine_options": ["visual"]},
        ]
        made = client.post("/v1.2/indexes", json={"index_name": "two", "engines": engines})
        stored = client.get(f"/v1.2/indexes/{made.json['_id']}").json["engines"]
        assert [each["engine_name"] for each in stored] == ["marengo2.6", "pegasus1.1"]
        response = client.get(f"/v1.2/indexes?{query}")
    assert response.status_code == (400 if count is None else 200)
    assert count is None or len(response.json["data"]) == count


def test_a_catalogue_of_an_older_release_is_brought_up_to_date(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "catalog.sqlite3")
    Catalog(url).close()
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for table, column in (
            ("indexes", "engines"),
            ("tasks", "transcript"),
            ("tasks", "video_url"),
            ("tasks", "estimated_time"),
        ):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.exec_driver_sql(
            "INSERT INTO indexes (id, name, engine_name, options, addons, models, created_at, "
            "updated_at) VALUES ('old', 'old', 'marengo2.6', '[\"visual\"]', '[]', '{}', "
            "'2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000')"
        )
    engine.dispose()
    with Service(tmp_path, quick_models(), workers=1) as service:
        client = create_app(service).test_client()
        index = client.get("/v1.2/indexes/old").json
        assert index["engines"][0]["engine_name"] == "marengo2.6"
        assert client.get("/v1.2/tasks").json["data"] == []


def test_a_closing_engine_waits_for_no_url(tmp_path: Path) -> None:
    begun = time.monotonic()
    with Service(tmp_path, quick_models(), workers=1) as service:
        client = create_app(service).test_client()
        form = {"index_id": create_index(client), "video_url": "http://192.0.2.1/a.mp4"}
        assert client.post("/v1.2/tasks", data=form).status_code == 201
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("most", "free", "words"),
    [
        (10_000, 10**9, "A video may have 9.31323e-06 GB at most."),
        (10_000_000, 1000, "The disk has no space for an upload of 0.00 GB: 0.00 GB are free"),
        (10_000_000, 10**9, ""),
    ],
)
def test_a_video_too_large_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    video: bytes,
    most: int,
    free: int,
    words: str,
) -> None:
    assert most != 10_000 or len(video) > most
    with Service(tmp_path, quick_models(), workers=1, max_video_bytes=most) as service:
        monkeypatch.setattr(service, "free_bytes", lambda: free)
        client = create_app(service).test_client()
        form = {"index_id": create_index(client), "video_file": (io.BytesIO(video), "a.mp4")}
        response = client.post("/v1.2/tasks", data=form)
        if not words:
            assert response.status_code == 201
            return
        assert (response.status_code, response.json["code"]) == (400, "video_filesize_too_large")
        assert response.json["message"].startswith(words)
        assert not list((tmp_path / "uploads").iterdir())


def test_a_body_beyond_the_largest_video_is_not_read(tmp_path: Path) -> None:
    with Service(tmp_path, quick_models(), workers=1, max_video_bytes=10) as service:
        response = (
            create_app(service)
            .test_client()
            .post(
                "/v1.2/tasks",
                data=bytes(2 * 1024**2),
                content_type="multipart/form-data; boundary=a",
            )
        )
        assert (response.status_code, response.json["code"]) == (400, "video_filesize_too_large")
        assert "a video may have 9.31323e-09 GB" in response.json["message"]
