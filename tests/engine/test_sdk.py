"""Programs written for the hosted platform: the vendor's own SDK 0.3.2, and plain requests."""

from __future__ import annotations

import socket
import threading
import time
import warnings
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from engine.api import ApiOptions
from engine.server import served
from engine.service import Service
from tests.support.fakes import quick_models
from tests.support.media import write_video

pytestmark = pytest.mark.slow

KEY = "tlk_made_up"
CLASSES = [{"name": "Early", "prompts": ["early"]}, {"name": "Late", "prompts": ["late"]}]
ANYTHING = {"min_video_score": 0, "min_clip_score": 1, "min_duration_ratio": 0}
SUBTITLES = b"1\n00:00:00,500 --> 00:00:01,500\nhello there\n"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Files are served in silence."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "one.mp4", seconds=4, fps=30, gop=15)
    write_video(folder / "two.mp4", seconds=4, fps=30, gop=15, sound=[])
    (folder / "one.srt").write_bytes(SUBTITLES)
    return folder


@pytest.fixture(scope="module")
def url_of_folder(folder: Path) -> Iterator[str]:
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("data")
    with (
        Service(data, quick_models(), workers=2, fetch_private=True) as service,
        served(service, ApiOptions(api_key=KEY)) as url,
    ):
        yield url


@pytest.fixture(params=["v1.1", "v1.2"])
def sdk(request: pytest.FixtureRequest, engine_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    with warnings.catch_warnings():  # the SDK is older than what it is made of
        warnings.simplefilter("ignore")
        twelvelabs = pytest.importorskip("twelvelabs")
    monkeypatch.setenv("TWELVELABS_BASE_URL", engine_url)
    client = twelvelabs.TwelveLabs(KEY, request.param)
    yield client
    for index in client.index.list(page_limit=50):
        client.index.delete(index.id)
    for task in client.task.list(page_limit=50):
        client.task.delete(task.id)
    client._client.close()


@pytest.fixture
def index(sdk: Any) -> Any:
    options = ["visual", "conversation", "text_in_video", "logo"]
    engines = [{"name": "marengo2.6", "options": options}]
    return sdk.index.create("films", engines, addons=["thumbnail"])


def test_sdk_knows_indexes(sdk: Any) -> None:
    made = [
        sdk.index.create(f"index {n}", [{"name": "marengo2.6", "options": ["visual"]}])
        for n in range(3)
    ]
    assert [each.id for each in sdk.index.list()] == [each.id for each in reversed(made)]
    assert sdk.index.retrieve(made[0].id).engines[0].options == ["visual"]
    sdk.index.update(made[0].id, "another name")
    (found,) = sdk.index.list(name="another name", engine_family="marengo")
    assert found.id == made[0].id
    assert not sdk.index.list(engine_options=["conversation"])
    pages = sdk.index.list_pagination(page_limit=2)
    assert len(pages.data) + sum(len(page) for page in pages) == 3
    assert len(sdk.index.list(created_at={"gte": made[1].created_at})) >= 2
    sdk.index.delete(made[0].id)
    assert len(sdk.index.list()) == 2
    with pytest.raises(Exception, match="index_name_already_exists"):
        sdk.index.create("index 1", [{"name": "marengo2.6", "options": ["visual"]}])


def test_sdk_uploads_and_classifies(sdk: Any, index: Any, folder: Path) -> None:
    tasks = sdk.task.create_bulk(
        index.id, files=[str(folder / "one.mp4"), str(folder / "two.mp4")], language="en"
    )
    seen = []
    for task in tasks:
        task.wait_for_done(sleep_interval=0.05, callback=lambda each: seen.append(each.status))
        assert task.status == "ready"
        assert task.video_id
    assert set(seen) <= {"validating", "pending", "indexing", "ready"}
    counts = sdk.task.status(index.id)
    assert (counts.ready, counts.total_result) == (2, 2)
    assert sdk.index.retrieve(index.id).video_count == 2

    pages = sdk.classify.index(
        index.id, ["visual"], CLASSES, page_limit=1, include_clips=True, threshold=ANYTHING
    )
    found = [*pages.data, *(video for page in pages for video in page)]
    assert {each.video_id for each in found} == {task.video_id for task in tasks}
    assert {each.name for video in found for each in video.classes} == {"Early", "Late"}
    clip = found[0].classes[0].clips[0]
    assert requests.get(clip.thumbnail_url, timeout=10).headers["Content-Type"] == "image/jpeg"

    chosen = sdk.classify.videos(
        [tasks[0].video_id], ["visual"], CLASSES, show_detailed_score=True, threshold=ANYTHING
    )
    assert chosen.data[0].classes[0].detailed_scores.max_score > 0
    assert chosen.data[0].classes[0].clips is None


def test_sdk_knows_videos(sdk: Any, index: Any, folder: Path) -> None:
    with (folder / "one.srt").open("rb") as subtitles:
        task = sdk.task.create(
            index.id, file=str(folder / "one.mp4"), transcription_file=subtitles
        ).wait_for_done(sleep_interval=0.05)
    videos = sdk.index.video
    (video,) = videos.list(index.id, filename="one.mp4", size={"gte": 1}, duration={"lte": 5})
    assert video.id == task.video_id
    assert [line.value for line in video.transcription()] == ["hello there"]
    assert not video.transcription(start=2)
    assert not video.text_in_video()
    assert not video.logo()
    assert requests.get(video.thumbnail(time=1), timeout=10).content.startswith(b"\xff\xd8")
    video.update(title="A title", metadata={"views": 7, "topic": "beeps"})
    renamed = videos.retrieve(index.id, video.id)
    assert renamed.metadata.video_title == "A title"
    assert renamed.metadata.views == 7
    with pytest.raises(Exception, match="task_cannot_be_deleted"):
        task.delete()
    pages = videos.list_pagination(index.id)
    assert not list(pages)
    video.delete()
    task.delete()
    with pytest.raises(Exception, match="resource_not_exist"):
        videos.retrieve(index.id, video.id)


def test_sdk_uploads_by_url(sdk: Any, index: Any, url_of_folder: str) -> None:
    task = sdk.task.create(
        index.id,
        url=f"{url_of_folder}/one.mp4",
        transcription_url=f"{url_of_folder}/one.srt",
    ).wait_for_done(sleep_interval=0.05)
    assert task.status == "ready"
    assert task.metadata["filename"] == "one.mp4"
    (video,) = sdk.index.video.list(index.id)
    assert [line.value for line in video.transcription()] == ["hello there"]


def test_sdk_searches(sdk: Any, index: Any, folder: Path, tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        sdk.task.create(index.id, file=str(folder / name)).wait_for_done(sleep_interval=0.05)
    old = sdk.search.query(index.id, ["visual"], query="early", page_limit=1)
    assert old.pool.total_count == 2
    found = [*old.data, *(match for page in old for match in page)]
    assert len(found) == old.page_info.total_results >= 2
    assert {match.confidence for match in found} == {"high"}
    new = sdk.search.query(index.id, ["visual"], query_text="early", group_by="video")
    assert {group.id for group in new.data} == {match.video_id for match in found}
    exact = sdk.search.query(
        index.id, ["conversation"], query_text="beep", conversation_option="exact_match"
    )
    assert exact.data[0].metadata[0]["type"] == "conversation"
    assert exact.data[0].metadata[0]["text"].startswith("beep")
    both = {
        "$and": [
            {"text": "early"},
            {"$not": {"origin": {"text": "early"}, "sub": {"text": "late"}}},
        ]
    }
    combined = sdk.search.combined_query(index.id, both, ["visual"])
    assert {match.video_id for match in combined.data} == {match.video_id for match in found}
    picture = tmp_path / "picture.jpg"
    video = sdk.index.video.list(index.id)[0]
    picture.write_bytes(requests.get(video.thumbnail(time=0), timeout=10).content)
    alike = sdk.search.query(
        index.id, ["visual"], query_media_type="image", query_media_file=str(picture)
    )
    assert alike.data[0].score == pytest.approx(100)
    assert max(match.start for match in alike.data) < 2


def test_sdk_hears_what_the_platform_does_not_do(sdk: Any) -> None:
    assert "marengo2.6" in [engine.id for engine in sdk.engine.list()]
    assert sdk.engine.retrieve("marengo2.5").ready
    refused = [
        partial(sdk.generate.gist, "x", ["title"]),
        partial(sdk.generate.summarize, "x", "summary"),
        partial(sdk.generate.text, "x", "why?"),
        partial(sdk.embed.create, "Marengo-retrieval-2.6", text="x"),
        partial(sdk.embed.task.list),
        partial(sdk.task.external_provider, "x", "https://video.example/watch"),
        partial(sdk.task.transfers.import_videos, "x", "y"),
    ]
    for call in refused:
        with pytest.raises(Exception, match="This platform") as caught:
            call()
        assert caught.value.status_code == 400


def test_the_tutorial_in_plain_requests(engine_url: str, folder: Path) -> None:
    api, headers = f"{engine_url}/v1.1", {"x-api-key": KEY}
    get = partial(requests.get, headers=headers, timeout=30)
    post = partial(requests.post, headers=headers, timeout=30)
    body = {
        "engine_id": "marengo2.5",
        "index_options": ["visual", "conversation", "text_in_video"],
        "index_name": "tutorial",
    }
    made = post(f"{api}/indexes", json=body)
    assert made.status_code == 201
    index_id = made.json()["_id"]
    with (folder / "one.mp4").open("rb") as file:
        sent = post(
            f"{api}/tasks",
            data={"index_id": index_id, "language": "en"},
            files=[("video_file", ("one.mp4", file, "application/octet-stream"))],
        )
    assert sent.status_code == 201
    task_url = f"{api}/tasks/{sent.json()['_id']}"
    deadline = time.monotonic() + 60
    while get(task_url).json()["status"] not in ("ready", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    listed = get(f"{api}/indexes/{index_id}/videos?page_limit=50").json()
    names = {video["_id"]: video["metadata"]["filename"] for video in listed["data"]}
    body = {
        "conversation_option": "semantic",
        "options": ["visual", "conversation"],
        "index_id": index_id,
        "classes": CLASSES,
        "threshold": {"min_video_score": 60, "min_duration_ratio": 0.4},
        "include_clips": True,
        "show_detailed_score": True,
    }
    response = post(f"{api}/classify/bulk", json=body)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Api-Version"] == "v1.1"
    (video,) = response.json()["data"]
    assert names[video["video_id"]] == "one.mp4"
    for each in video["classes"]:
        assert set(each) == {"name", "score", "duration_ratio", "clips", "detailed_scores"}
    requests.delete(f"{api}/indexes/{index_id}", headers=headers, timeout=30).raise_for_status()
    wrong = requests.get(f"{api}/indexes", headers={"x-api-key": "no"}, timeout=30)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "api_key_invalid")


def test_a_body_too_large_is_refused_before_it_is_read(engine_url: str) -> None:
    headers = {
        "x-api-key": KEY,
        "Content-Type": "application/json",
        "Content-Length": str(3 * 1024**3),
    }
    begun = time.monotonic()
    response = requests.post(f"{engine_url}/v1.2/classify", headers=headers, timeout=30)
    assert (response.status_code, response.json()["code"]) == (400, "parameter_invalid")
    assert time.monotonic() - begun < 5


def test_whoever_sends_too_much_still_hears_why(engine_url: str) -> None:
    headers = {"x-api-key": KEY, "Content-Type": "application/json"}
    for body in (b" " * 20_000_000, (b" " * 1_000_000 for _ in range(20))):
        response = requests.post(
            f"{engine_url}/v1.2/classify", headers=headers, data=body, timeout=30
        )
        assert (response.status_code, response.json()["code"]) == (400, "parameter_invalid")


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1.2/indexes HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1.2/indexes HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n",
        b"POST /v1.2/indexes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /v1.2/\xff\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1.2/indexes/x HTTP/1.1\r\nHost: <a b>\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
def test_malformed_http_gets_a_response(engine_url: str, head: bytes) -> None:
    port = int(engine_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as caller:
        caller.sendall(head)
        assert caller.recv(1000).startswith(b"HTTP/1.1 4")
