"""The v1.3 client: uploads and indexes against a small platform on a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest
import responses

from core.types import HEARD, TimedText
from platforms.errors import NotSupported
from platforms.v13 import upload as twelvelabs_v13_upload
from platforms.v13.client import TwelveLabsV13Client
from platforms.v13.upload import OpenSessions
from tests.support.fake_v13 import KEY, V13Platform, clients_of, running_platform
from twelvelabs_client import (
    ApiConnectionError,
    ApiError,
    ApiSetupError,
    AuthError,
    BadRequest,
    BadResponse,
    Conflict,
    NotFound,
    RateLimited,
    TwelveLabsClient,
)

OPTIONS = ("visual", "conversation", "text_in_video")


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[V13Platform]:
    folder = tmp_path / "platform"
    folder.mkdir()
    with running_platform(folder) as platform:
        platform.is_video = False
        yield platform


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def connect(
    platform: V13Platform, waits: list[float]
) -> Iterator[Callable[..., TwelveLabsV13Client]]:
    with clients_of(platform, waits) as connect:
        yield connect


@pytest.fixture
def client(connect: Callable[..., TwelveLabsV13Client]) -> TwelveLabsV13Client:
    return connect()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(range(256)) * 10)
    return path


@pytest.fixture
def in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is larger than a kilobyte goes up in chunks."""
    monkeypatch.setattr(twelvelabs_v13_upload, "MAX_FORM_BYTES", 1000)


def content_of(platform: V13Platform) -> list[bytes]:
    return [
        b"".join(s["chunks"][n] for n in sorted(s["chunks"])) for s in platform.sessions.values()
    ]


def stored(platform: V13Platform) -> list[str]:
    return [path.rpartition("/")[2] for kind, path, _ in platform.calls if "/storage/" in path]


# The URL


@pytest.mark.parametrize("url", ["https://host/v1.2", "https://host/v1.3/indexes", "https://host"])
def test_another_version_is_refused(url: str) -> None:
    with pytest.raises(ApiSetupError, match=r"must end with /v1\.3"):
        TwelveLabsV13Client(url)


# Indexes


@pytest.mark.parametrize(
    ("options", "model_options"),
    [
        (OPTIONS, ["visual", "audio"]),
        (["text_in_video"], ["visual"]),
        (["conversation"], ["audio"]),
    ],
)
def test_an_index_is_made_for_what_is_asked(
    platform: V13Platform, client: TwelveLabsV13Client, options: list[str], model_options: list[str]
) -> None:
    index_id = client.create_index("demo", options)
    (body,) = platform.sent("POST", "/indexes")
    assert body == {
        "index_name": "demo",
        "models": [{"model_name": "marengo3.0", "model_options": model_options}],
        "addons": ["thumbnail"],
    }
    assert client.find_index("demo").index_id == index_id  # type: ignore[union-attr]
    with pytest.raises(Conflict):
        client.create_index("demo", options)


def test_an_index_tells_what_search_can_use_of_it(
    connect: Callable[..., TwelveLabsV13Client],
) -> None:
    client = connect(classify_by="search")
    index = client.index(client.create_index("demo", ["conversation"]))
    assert index.options == {"conversation"}
    assert index.models == {"conversation": "marengo3.0"}
    assert not index.is_engine


def test_an_index_of_another_model_is_refused_for_search_only(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client]
) -> None:
    models = [{"model_name": "pegasus1.2", "model_options": ["visual"]}]
    platform.indexes["i"] = {"_id": "i", "index_name": "demo", "models": models}
    assert connect().find_index("demo").models["visual"] == "pegasus1.5"  # type: ignore[union-attr]
    with pytest.raises(NotSupported, match=r"no Marengo model.*--index"):
        connect(classify_by="search").find_index("demo")
    assert [index.index_id for index in connect(classify_by="search").indexes()] == ["i"]


def test_an_expired_key_and_a_plan_limit_say_what_to_do(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client], waits: list[float]
) -> None:
    with pytest.raises(AuthError, match="API_KEY: it may be wrong, or have expired") as caught:
        connect(key="tlk_other").find_index("demo")
    assert caught.value.code == "api_key_invalid"
    assert waits == []


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, {"code": "usage_limit_exceeded", "message": "M"}, BadRequest, "plan of this account"),
        (403, {"code": "api_allowed_for_paid_plan", "message": "M"}, AuthError, "plan of this"),
        (404, {"error": {"code": "task_gone", "message": "Nested."}}, NotFound, "Nested."),
        (422, {"error": {"message": "Too many fields."}}, BadRequest, "Too many fields."),
    ],
)
def test_refusals_are_told_whatever_their_shape(
    status: int, body: dict[str, Any], kind: type[ApiError], words: str
) -> None:
    with responses.RequestsMock() as mock:
        mock.get("https://host/v1.3/indexes/i", status=status, json=body)
        with TwelveLabsV13Client("https://host/v1.3", KEY) as client, pytest.raises(kind) as caught:
            client.index("i")
    assert words in str(caught.value)


def test_a_429_without_a_body_is_waited_for_as_its_headers_say(waits: list[float]) -> None:
    url = "https://host/v1.3/indexes/i"
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        mock.get(url, status=429, headers={"Retry-After": "7"})
        mock.get(url, status=503)
        mock.get(url, json={"_id": "i"})
        with TwelveLabsV13Client("https://host/v1.3", KEY, sleep=waits.append) as client:
            assert client.index("i").index_id == "i"
    assert 7 <= waits[0] < 9
    assert len(waits) == 2


def test_a_429_to_the_end_is_an_error(waits: list[float]) -> None:
    with responses.RequestsMock() as mock:
        mock.get("https://host/v1.3/indexes/i", status=429)
        given: dict[str, Any] = {"sleep": waits.append, "max_retries": 2}
        client = TwelveLabsV13Client("https://host/v1.3", KEY, **given)
        with client, pytest.raises(RateLimited):
            client.index("i")
    assert len(waits) == 2


# Uploads in one form


def test_a_small_file_goes_up_in_one_form_and_is_indexed(
    platform: V13Platform, client: TwelveLabsV13Client, video: Path
) -> None:
    index_id = client.create_index("demo", OPTIONS)
    seen: list[tuple[int, int]] = []
    name = 'sub/Žluťoučký "kůň".mp4'
    task_id = client.upload_video(index_id, video, name, on_progress=lambda *at: seen.append(at))
    ((fields, files),) = platform.sent("POST", "/assets")
    assert fields == {"method": "direct", "filename": name}
    assert files["file"] == (name, video.read_bytes())
    assert platform.sent("POST", "indexed-assets") == [
        {"asset_id": next(iter(platform.assets)), "enable_video_stream": False}
    ]
    assert seen[-1][0] == seen[-1][1]
    statuses = [client.task(task_id).status for _ in range(3)]
    assert statuses == ["pending", "indexing", "ready"]
    (task,) = client.tasks(index_id)
    assert (task.filename, task.video_id) == (name, task_id)
    (listed,) = client.videos(index_id)
    assert (listed.size, listed.video_id) == (video.stat().st_size, task.video_id)
    assert listed.asset_id == next(iter(platform.assets))
    assert client.video(index_id, task_id) == listed


def test_an_asset_that_is_there_is_not_sent_again(
    platform: V13Platform, client: TwelveLabsV13Client, video: Path
) -> None:
    first, second = (client.create_index(name, OPTIONS) for name in ("one", "two"))
    client.upload_video(first, video)
    client.upload_video(second, video)
    assert len(platform.sent("POST", "/assets")) == 1
    assert len(platform.indexed) == 2
    video.write_bytes(b"another film")
    client.upload_video(second, video)
    assert len(platform.sent("POST", "/assets")) == 2


def test_an_asset_that_only_holds_the_name_is_another(
    platform: V13Platform, client: TwelveLabsV13Client, video: Path
) -> None:
    index_id = client.create_index("demo", OPTIONS)
    client.upload_video(index_id, video, "a clip.mp4")
    client.upload_video(index_id, video, "clip.mp4")
    assert sorted(each["filename"] for each in platform.assets.values()) == [
        "a clip.mp4",
        "clip.mp4",
    ]


@pytest.mark.parametrize(
    "fault", ["cut", "accept, then cut", "half a response", "say nothing", 503]
)
@pytest.mark.parametrize("place", ["/assets", "/indexed-assets"])
def test_what_breaks_ends_up_accepted_once(
    platform: V13Platform,
    connect: Callable[..., TwelveLabsV13Client],
    video: Path,
    fault: str | int,
    place: str,
) -> None:
    client = connect(read_timeout_s=0.3)
    index_id = client.create_index("demo", OPTIONS)
    platform.faults = [("POST", place, fault)]
    client.upload_video(index_id, video)
    assert (len(platform.assets), len(platform.indexed), platform.faults) == (1, 1, [])


def test_slow_responses_are_waited_for(
    platform: V13Platform, client: TwelveLabsV13Client, video: Path, waits: list[float]
) -> None:
    index_id = client.create_index("demo", OPTIONS)
    platform.faults = [("GET", "/assets", "wait"), ("POST", "/assets", "wait")]
    client.upload_video(index_id, video)
    assert platform.faults == []
    assert waits == [5.0], "the only wait is the one for the asset to be processed"


def test_a_file_that_is_no_video_fails_with_the_platforms_reason(
    platform: V13Platform, client: TwelveLabsV13Client, video: Path
) -> None:
    platform.is_video = True
    index_id = client.create_index("demo", OPTIONS)
    with pytest.raises(ApiError, match=r"clip\.mp4: the platform cannot use it: not a video"):
        client.upload_video(index_id, video)
    assert platform.indexed == {}
    with pytest.raises(ApiError, match="not a video"):
        client.upload_video(index_id, video)
    assert len(platform.assets) == 2, "an asset that failed is not used again"


def test_an_asset_that_is_processed_for_ever_is_given_up(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client], video: Path
) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        for asset in platform.assets.values():
            asset["status"] = "processing"

    client = connect(sleep=sleep)
    client._uploader.clock, client._uploader.patience_s = lambda: now[0], 20
    index_id = client.create_index("demo", OPTIONS)
    with pytest.raises(ApiError, match=r"still processing after 20 s: run again"):
        client.upload_video(index_id, video)


def test_who_gives_up_while_an_asset_is_processed_is_let_go(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client], video: Path
) -> None:
    """As Ctrl-C does: the upload's own thread hears of it by what `on_progress` raises."""
    stopping = False

    def sleep(seconds: float) -> None:
        nonlocal stopping
        stopping = True

    def moved(sent: int, total: int) -> None:
        if stopping:
            raise CancelledError

    client = connect(sleep=sleep)
    index_id = client.create_index("demo", OPTIONS)
    with pytest.raises(CancelledError):
        client.upload_video(index_id, video, on_progress=moved)
    assert platform.indexed == {}
    stopping = False
    client.upload_video(index_id, video)
    assert (len(platform.sent("POST", "/assets")), len(platform.indexed)) == (1, 1)


@pytest.mark.parametrize("name", ["a\nb.mp4", "a%22b.mp4", "a\udcff.mp4"])
def test_a_name_that_no_form_carries_is_refused(
    client: TwelveLabsV13Client, video: Path, name: str
) -> None:
    with pytest.raises(ApiError, match="rename the file"):
        client.upload_video("i", video, name)


# Uploads in chunks


@pytest.mark.usefixtures("in_chunks")
def test_a_large_file_goes_up_in_chunks(
    platform: V13Platform, client: TwelveLabsV13Client, video: Path
) -> None:
    index_id = client.create_index("demo", OPTIONS)
    seen: list[tuple[int, int]] = []
    client.upload_video(index_id, video, on_progress=lambda *at: seen.append(at))
    assert content_of(platform) == [video.read_bytes()]
    assert platform.sent("POST", "/assets/multipart-uploads")[0] == {
        "filename": "clip.mp4",
        "type": "video",
        "total_size": 2560,
    }
    assert platform.sent("POST", "presigned-urls") == [{"start": 3, "count": 1}]
    assert seen == sorted(seen)
    assert seen[-1] == (2560, 2560)
    (listed,) = platform.indexed.values()
    assert listed["system_metadata"]["size"] == 2560


@pytest.mark.usefixtures("in_chunks")
@pytest.mark.parametrize(
    "faults",
    [
        ["cut"],
        ["cut", "cut"],
        ["accept, then cut"],
        ["half a response"],
        [503],
        [403, "cut"],
    ],
)
def test_a_chunk_that_breaks_is_sent_again_to_another_url(
    platform: V13Platform,
    client: TwelveLabsV13Client,
    video: Path,
    faults: list[str | int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    index_id = client.create_index("demo", OPTIONS)
    platform.faults = [("PUT", "/2", fault) for fault in faults]
    client.upload_video(index_id, video)
    assert content_of(platform) == [video.read_bytes()]
    assert (len(platform.sessions), len(platform.assets), platform.faults) == (1, 1, [])
    assert "signature" not in caplog.text


@pytest.mark.usefixtures("in_chunks")
def test_presigned_urls_come_fifty_at_a_time(
    platform: V13Platform, client: TwelveLabsV13Client, video: Path
) -> None:
    platform.chunk_size = 20
    index_id = client.create_index("demo", OPTIONS)
    client.upload_video(index_id, video)
    assert content_of(platform) == [video.read_bytes()]
    assert platform.sent("POST", "presigned-urls") == [
        {"start": 3, "count": 50},
        {"start": 53, "count": 50},
        {"start": 103, "count": 26},
    ]


@pytest.mark.usefixtures("in_chunks")
def test_an_upload_goes_on_where_an_earlier_run_broke_off(
    platform: V13Platform,
    connect: Callable[..., TwelveLabsV13Client],
    video: Path,
    tmp_path: Path,
) -> None:
    noted = tmp_path / "results" / "unfinished_uploads.json"
    index_id = connect().create_index("demo", OPTIONS)
    platform.faults = [("PUT", "/3", "cut")] * 4
    with pytest.raises(ApiConnectionError):
        connect(sessions_file=noted).upload_video(index_id, video)
    assert "signature" not in noted.read_text(encoding="utf-8")
    assert KEY not in noted.read_text(encoding="utf-8")
    del platform.calls[:]
    seen: list[tuple[int, int]] = []
    connect(sessions_file=noted).upload_video(
        index_id, video, on_progress=lambda *at: seen.append(at)
    )
    assert stored(platform) == ["3"]
    assert content_of(platform) == [video.read_bytes()]
    assert 2000 <= seen[0][0] <= seen[-1][0] == 2560
    assert not noted.exists()


@pytest.mark.usefixtures("in_chunks")
@pytest.mark.parametrize("how", ["expired", "gone", "changed file"])
def test_a_session_that_is_over_is_not_gone_on_with(
    platform: V13Platform,
    connect: Callable[..., TwelveLabsV13Client],
    video: Path,
    tmp_path: Path,
    how: str,
) -> None:
    noted = tmp_path / "unfinished_uploads.json"
    index_id = connect().create_index("demo", OPTIONS)
    platform.faults = [("PUT", "/3", "cut")] * 4
    with pytest.raises(ApiConnectionError):
        connect(sessions_file=noted).upload_video(index_id, video)
    if how == "expired":
        next(iter(platform.sessions.values()))["status"] = "expired"
    elif how == "gone":
        platform.sessions.clear()
    else:
        video.write_bytes(bytes(3000))
    connect(sessions_file=noted).upload_video(index_id, video)
    assert content_of(platform)[-1] == video.read_bytes()


@pytest.mark.parametrize("text", ["", "[]", "{not json", '{"key": {"upload_id": 1}}', '{"key": 5}'])
def test_a_broken_note_of_sessions_is_as_none(tmp_path: Path, text: str) -> None:
    noted = tmp_path / "noted.json"
    noted.write_text(text, encoding="utf-8")
    assert OpenSessions(noted).get("key") is None


@pytest.mark.usefixtures("in_chunks")
def test_a_report_that_is_lost_is_repeated(
    platform: V13Platform, client: TwelveLabsV13Client, video: Path
) -> None:
    index_id = client.create_index("demo", OPTIONS)
    session_call = ("POST", "/assets/multipart-uploads/", "accept, then cut")
    platform.first_urls = 3
    platform.faults = [session_call]
    client.upload_video(index_id, video)
    assert (len(platform.assets), platform.faults) == (1, [])


@pytest.mark.parametrize(
    ("session", "words"),
    [
        ({"upload_id": "u"}, "lacks ids or chunk sizes"),
        ({"upload_id": "u", "asset_id": "a", "chunk_size": 0, "total_chunks": 1}, "chunk sizes"),
        ({"upload_id": "u", "asset_id": "a", "chunk_size": 9, "total_chunks": 1}, "do not cover"),
    ],
)
@pytest.mark.usefixtures("in_chunks")
def test_a_session_that_makes_no_sense_is_refused(
    video: Path, session: dict[str, Any], words: str
) -> None:
    base = "https://host/v1.3"
    empty = {"data": [], "page_info": {"total_page": 0}}
    with responses.RequestsMock() as mock, TwelveLabsV13Client(base, KEY) as client:
        mock.get(f"{base}/assets", json=empty)
        mock.post(f"{base}/assets/multipart-uploads", json=session)
        with pytest.raises(ApiError, match=words):
            client.upload_video("i", video)


@pytest.mark.usefixtures("in_chunks")
def test_chunks_are_never_sent_in_the_clear_by_a_secure_platform(video: Path) -> None:
    base = "https://host/v1.3"
    session = {
        "upload_id": "u",
        "asset_id": "a",
        "chunk_size": 9000,
        "total_chunks": 1,
        "upload_urls": [{"chunk_index": 1, "url": "http://storage.test/1?signature=s"}],
    }
    empty = {"data": [], "page_info": {"total_page": 0}}
    with responses.RequestsMock() as mock, TwelveLabsV13Client(base, KEY) as client:
        mock.get(f"{base}/assets", json=empty)
        mock.post(f"{base}/assets/multipart-uploads", json=session)
        with pytest.raises(ApiError, match="must begin with https") as caught:
            client.upload_video("i", video)
    assert "signature" not in str(caught.value)


def test_files_over_ten_gigabytes_are_refused(client: TwelveLabsV13Client, video: Path) -> None:
    with video.open("wb") as file:
        file.truncate(10**10 + 1)
    with pytest.raises(ApiError, match="up to 10 GB"):
        client.upload_video("i", video)


# The older call


def test_tasks_are_the_older_call_to_upload(
    platform: V13Platform, connect: Callable[..., TwelveLabsV13Client], video: Path
) -> None:
    client = connect(upload="tasks")
    index_id = client.create_index("demo", OPTIONS)
    platform.faults = [("POST", "/tasks", "accept, then cut")]
    task_id = client.upload_video(index_id, video)
    assert task_id.startswith("task-")
    assert [client.task(task_id).status for _ in range(2)][-1] == "ready"
    (task,) = client.tasks(index_id)
    (listed,) = client.videos(index_id)
    assert task.video_id == listed.video_id
    assert task.filename == "clip.mp4"
    assert len(platform.indexed) == 1


def test_tasks_take_two_gigabytes(connect: Callable[..., TwelveLabsV13Client], video: Path) -> None:
    with video.open("wb") as file:
        file.truncate(2 * 10**9 + 1)
    with pytest.raises(ApiError, match="2 GB of V13_UPLOAD=tasks"):
        connect(upload="tasks").upload_video("i", video)


# Videos and tasks, one by one


def test_videos_are_changed_and_deleted(
    platform: V13Platform, client: TwelveLabsV13Client, video: Path
) -> None:
    index_id = client.create_index("demo", OPTIONS)
    task_id = client.upload_video(index_id, video)
    client.update_video(index_id, task_id, metadata={"a": 1})
    assert platform.sent("PATCH", "/videos/") == [{"user_metadata": {"a": 1}}]
    with pytest.raises(NotSupported, match="title"):
        client.update_video(index_id, task_id, title="T")
    client.delete_task(task_id)
    assert list(client.tasks(index_id)) == []
    with pytest.raises(NotFound):
        client.task(task_id)
    assert len(platform.assets) == 1, "the asset stays: it may be in another index"
    client.rename_index(index_id, "new")
    assert client.index(index_id).name == "new"
    client.delete_index(index_id)
    assert client.find_index("new") is None


def test_v13_gives_a_transcript_and_nothing_else_of_a_video(
    platform: V13Platform, client: TwelveLabsV13Client, video: Path
) -> None:
    index_id = client.create_index("demo", OPTIONS)
    video_id = client.upload_video(index_id, video)
    assert client.transcript(index_id, video_id) == []
    platform.indexed[video_id]["transcription"] = [{"start": 0, "end": 1.5, "value": "hello"}]
    assert client.transcript(index_id, video_id) == [TimedText(0.0, 1.5, HEARD, "hello")]
    assert client.ocr_text(index_id, video_id) == []
    with pytest.raises(NotSupported, match="no thumbnails"):
        client.thumbnail(index_id, video_id, 1.0)
    platform.indexed[video_id]["transcription"] = [{"start": 0, "value": "hello"}]
    with pytest.raises(BadResponse, match=r"videos/\w+: an entry of 'transcription' has no"):
        client.transcript(index_id, video_id)


def test_a_task_is_found_without_knowing_its_index(
    connect: Callable[..., TwelveLabsV13Client], video: Path
) -> None:
    first = connect()
    indexes = [first.create_index(name, OPTIONS) for name in ("one", "two")]
    task_id = first.upload_video(indexes[0], video)
    assert connect().task(task_id).index_id == indexes[0]


def test_it_is_a_client_like_the_other(client: TwelveLabsV13Client) -> None:
    assert isinstance(client, TwelveLabsClient)
    assert repr(client).startswith("TwelveLabsV13Client('http://127.0.0.1:")
    with pytest.raises(NotSupported, match="no pages"):
        client.classify_page("token")
