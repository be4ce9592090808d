"""The engine over HTTP: the routes that the pipeline uses, and what they refuse."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from engine.api import ApiOptions, create_app
from engine.models.store import ModelError
from engine.retrieval import classify as classifying
from engine.service import Service
from tests.support.api_calls import ANYTHING, EARLY, LATE, Json, create_index, upload, wait_for
from tests.support.fakes import quick_models
from tests.support.media import write_video


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "data", quick_models(), workers=2) as service:
        yield service


@pytest.fixture
def client(service: Service) -> FlaskClient:
    return create_app(service).test_client()


@pytest.fixture(params=["v1.1", "v1.2"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Four seconds: two of early pictures, two of late ones."""
    path = tmp_path_factory.mktemp("media") / "numbers.mp4"
    return write_video(path, seconds=4, fps=30, gop=15).read_bytes()


def test_a_video_goes_from_upload_to_classes(
    client: FlaskClient, version: str, video: bytes
) -> None:
    index_id = create_index(client, version)
    task = wait_for(client, upload(client, index_id, video, "sub folder/\u00e9 'a'.mp4"))
    assert task["status"] == "ready"
    assert "process" not in task
    assert task["metadata"]["filename"] == "sub folder/\u00e9 'a'.mp4"
    assert task["metadata"]["duration"] == pytest.approx(4, abs=0.05)

    listed = client.get(f"/{version}/indexes/{index_id}/videos").json
    assert [each["_id"] for each in listed["data"]] == [task["video_id"]]
    assert listed["data"][0]["metadata"]["size"] == len(video)
    assert listed["page_info"] == {
        "page": 1,
        "limit_per_page": 10,
        "total_page": 1,
        "total_results": 1,
        "total_duration": pytest.approx(4, abs=0.05),
    }

    index = client.get(f"/{version}/indexes/{index_id}").json
    assert index["video_count"] == 1
    assert index["total_duration"] == pytest.approx(4, abs=0.05)
    assert index["index_options"] == index["engines"][0]["engine_options"]

    response = client.post(
        f"/{version}/classify/bulk",
        json={
            "index_id": index_id,
            "classes": [EARLY, LATE, {"name": "Never", "prompts": ["elephant"]}],
            "options": ["visual"],
            "include_clips": True,
            "threshold": {"min_clip_score": 50},
        },
    )
    assert response.headers["X-Api-Version"] == version
    (found,) = response.json["data"]
    assert found["video_id"] == task["video_id"]
    assert {each["name"] for each in found["classes"]} == {"Early", "Late"}
    for each in found["classes"]:
        assert set(each) == {"name", "score", "duration_ratio", "clips"}
        assert each["duration_ratio"] == pytest.approx(0.5, abs=0.02)
        assert set(each["clips"][0]) == {"start", "end", "score", "option", "prompt"}


def test_optional_keys_appear_only_if_requested(client: FlaskClient, video: bytes) -> None:
    index_id = create_index(client)
    video_id = wait_for(client, upload(client, index_id, video))["video_id"]
    body = {
        "video_ids": [video_id],
        "classes": [EARLY],
        "options": ["visual"],
        "threshold": ANYTHING,
    }
    plain = client.post("/v1.2/classify", json=body).json["data"][0]["classes"][0]
    assert set(plain) == {"name", "score", "duration_ratio"}
    full = client.post("/v1.2/classify", json=body | {"show_detailed_score": True}).json
    details = full["data"][0]["classes"][0]["detailed_scores"]
    assert set(details) == {"max_score", "avg_score", "normalized_score"}
    assert details["normalized_score"] == 100


def test_classify_pages_follow_the_token(client: FlaskClient, video: bytes) -> None:
    index_id = create_index(client)
    tasks = [upload(client, index_id, video, f"{number}.mp4") for number in range(3)]
    videos = {wait_for(client, task)["video_id"] for task in tasks}
    body = {
        "index_id": index_id,
        "classes": [EARLY],
        "options": ["visual"],
        "threshold": ANYTHING,
        "page_limit": 2,
    }
    first = client.post("/v1.2/classify/bulk", json=body).json
    assert first["page_info"]["total_results"] == 3
    assert first["page_info"]["prev_page_token"] == ""
    token = first["page_info"]["next_page_token"]
    second = client.get(f"/v1.1/classify/{token}").json
    assert second["page_info"]["next_page_token"] == ""
    assert second["page_info"]["prev_page_token"]
    assert {each["video_id"] for each in first["data"] + second["data"]} == videos
    dead = client.get(f"/v1.2/classify/{token[:-1]}9")
    assert (dead.status_code, dead.json["code"]) == (400, "search_page_token_expired")


@pytest.mark.parametrize("rows", [1, 7, 25_000])
def test_no_video_is_lost_where_one_table_of_rows_ends(
    client: FlaskClient, video: bytes, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(classifying, "BATCH_ROWS", rows)
    index_id = create_index(client)
    tasks = [upload(client, index_id, video, f"{number}.mp4") for number in range(3)]
    videos = {wait_for(client, task)["video_id"] for task in tasks}
    body = {"index_id": index_id, "classes": [EARLY, LATE], "options": ["visual"]}
    body |= {"include_clips": True, "threshold": {"min_clip_score": 50}}
    found = client.post("/v1.2/classify/bulk", json=body).json["data"]
    assert {each["video_id"] for each in found} == videos
    first = sorted(found[0]["classes"], key=lambda each: each["name"])
    assert [each["name"] for each in first] == ["Early", "Late"]
    for other in found[1:]:
        assert sorted(other["classes"], key=lambda each: each["name"]) == first


def test_lists_are_paged_sorted_and_filtered(client: FlaskClient) -> None:
    made = [create_index(client, name=f"index {number}") for number in range(3)]
    newest = client.get("/v1.2/indexes?page_limit=2").json
    assert [each["_id"] for each in newest["data"]] == made[:0:-1]
    assert newest["page_info"]["total_page"] == 2
    oldest = client.get("/v1.2/indexes?sort_option=asc&page_limit=1").json
    assert oldest["data"][0]["_id"] == made[0]
    named = client.get("/v1.2/indexes", query_string={"index_name": "index 1"}).json
    assert [each["_id"] for each in named["data"]] == [made[1]]
    since = client.get(
        "/v1.2/indexes", query_string={"created_at": newest["data"][0]["created_at"]}
    )
    assert made[2] in [each["_id"] for each in since.json["data"]]


def test_a_bad_file_ends_its_task_with_the_reason(client: FlaskClient, service: Service) -> None:
    index_id = create_index(client)
    task = wait_for(client, upload(client, index_id, b"this is a text file", "notes.mp4"))
    assert task["status"] == "failed"
    assert task["error"]["code"].startswith("video_")
    assert task["error"]["message"]
    counts = client.get(f"/v1.2/tasks/status?index_id={index_id}").json
    assert (counts["failed"], counts["ready"], counts["total_result"]) == (1, 0, 1)
    assert client.delete(f"/v1.2/tasks/{task['_id']}").status_code == 204
    assert client.get(f"/v1.2/tasks/{task['_id']}").status_code == 404


def test_deleting_leaves_nothing_behind(client: FlaskClient, video: bytes, tmp_path: Path) -> None:
    index_id = create_index(client)
    tasks = [upload(client, index_id, video, f"{number}.mp4") for number in range(2)]
    ended = [wait_for(client, task) for task in tasks]
    evidence = tmp_path / "data" / "evidence"
    assert len(list(evidence.iterdir())) == 2

    early = client.delete(f"/v1.2/tasks/{tasks[0]}")
    assert (early.status_code, early.json["code"]) == (409, "task_cannot_be_deleted")
    path = f"/v1.2/indexes/{index_id}/videos/{ended[0]['video_id']}"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.delete(f"/v1.2/tasks/{tasks[0]}").status_code == 204
    assert len(list(evidence.iterdir())) == 1

    assert client.delete(f"/v1.2/indexes/{index_id}").status_code == 204
    assert client.get(f"/v1.2/tasks/{tasks[1]}").status_code == 404
    assert not list(evidence.iterdir())
    assert not list((tmp_path / "data" / "uploads").iterdir())


def test_an_upload_that_is_refused_leaves_no_file(client: FlaskClient, tmp_path: Path) -> None:
    form = {"index_id": "nowhere", "video_file": (io.BytesIO(b"x" * 100_000), "a.mp4")}
    response = client.post("/v1.2/tasks", data=form)
    assert (response.status_code, response.json["code"]) == (404, "resource_not_exist")
    assert not list((tmp_path / "data" / "uploads").iterdir())


def test_renaming_and_taken_names(client: FlaskClient) -> None:
    one = create_index(client, name="one")
    create_index(client, name="two")
    assert client.put(f"/v1.2/indexes/{one}", json={"index_name": "uno"}).status_code == 204
    assert client.get(f"/v1.2/indexes/{one}").json["index_name"] == "uno"
    taken = client.put(f"/v1.2/indexes/{one}", json={"index_name": "two"})
    assert (taken.status_code, taken.json["code"]) == (409, "index_name_already_exists")


CLASSIFY: Json = {"index_id": "x", "classes": [EARLY], "options": ["visual"]}


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code", "words"),
    [
        ("GET", "/nowhere", {}, 404, "resource_not_exist", "/v1.2/nowhere"),
        ("PATCH", "/indexes", {}, 405, "parameter_invalid", "method"),
        ("POST", "/indexes", {"data": "{"}, 400, "parameter_invalid", "application/json"),
        (
            "POST",
            "/indexes",
            {"data": "{", "content_type": "application/json"},
            400,
            "parameter_invalid",
            "JSON",
        ),
        ("POST", "/indexes", {"json": []}, 400, "parameter_invalid", "body"),
        ("POST", "/indexes", {"json": {}}, 400, "parameter_not_provided", "index_name"),
        ("POST", "/indexes", {"json": {"index_name": "a"}}, 400, "parameter_invalid", "engines"),
        ("GET", "/indexes?page=0", {}, 400, "parameter_invalid", "page"),
        ("GET", "/indexes?page_limit=51", {}, 400, "parameter_invalid", "less than or equal to 50"),
        ("GET", "/indexes?sort_by=name", {}, 400, "parameter_invalid", "sort_by"),
        ("GET", "/indexes?colour=red", {}, 400, "parameter_unknown", "colour"),
        ("GET", "/tasks?duration=long", {}, 400, "parameter_invalid", "duration"),
        ("GET", "/indexes/none", {}, 404, "resource_not_exist", "none does not exist in indexes"),
        ("GET", "/indexes/none/videos", {}, 404, "resource_not_exist", "none"),
        ("GET", "/tasks/none", {}, 404, "resource_not_exist", "tasks"),
        ("GET", "/tasks/status", {}, 400, "parameter_not_provided", "index_id"),
        ("POST", "/tasks", {"data": {}}, 400, "parameter_not_provided", "index_id"),
        (
            "POST",
            "/tasks",
            {"data": {"index_id": "x"}},
            400,
            "parameter_not_provided",
            "video_file",
        ),
        ("POST", "/classify/bulk", {"json": CLASSIFY}, 404, "resource_not_exist", "indexes"),
        (
            "POST",
            "/classify/bulk",
            {"json": CLASSIFY | {"options": ["smell"]}},
            400,
            "parameter_invalid",
            "options.0",
        ),
        (
            "POST",
            "/classify/bulk",
            {"json": CLASSIFY | {"classes": [EARLY, EARLY]}},
            400,
            "parameter_invalid",
            "same name",
        ),
        (
            "POST",
            "/classify/bulk",
            {"json": CLASSIFY | {"classes": [{"name": "A", "prompts": ["p"] * 101}]}},
            400,
            "parameter_invalid",
            "101 prompts",
        ),
        (
            "POST",
            "/classify/bulk",
            {"json": CLASSIFY | {"threshold": {"min_video_score": 101}}},
            400,
            "parameter_invalid",
            "threshold",
        ),
        (
            "POST",
            "/classify/bulk",
            {"json": CLASSIFY | {"page_limits": 5}},
            400,
            "parameter_unknown",
            "page_limits",
        ),
        ("GET", "/classify/no-such-token", {}, 400, "search_page_token_expired", "again"),
    ],
)
def test_refusals_name_the_field_and_the_rule(
    client: FlaskClient, method: str, path: str, sent: Json, status: int, code: str, words: str
) -> None:
    response = client.open(f"/v1.2{path}", method=method, **sent)
    assert (response.status_code, response.json["code"]) == (status, code)
    assert words in response.json["message"]
    assert response.headers["X-Api-Version"] == "v1.2"


def test_an_option_that_the_index_lacks_is_refused(client: FlaskClient) -> None:
    body = {"index_name": "pictures", "engines": [{"engine_options": ["visual"]}]}
    index_id = client.post("/v1.2/indexes", json=body).json["_id"]
    wanted = CLASSIFY | {"index_id": index_id, "options": ["conversation"]}
    response = client.post("/v1.2/classify/bulk", json=wanted)
    assert (response.status_code, response.json["code"]) == (400, "search_option_not_supported")


@pytest.mark.parametrize("given", [None, "", "wrong", "\u00e9"])
def test_an_api_key_is_required_where_there_is_one(service: Service, given: str | None) -> None:
    client = create_app(service, ApiOptions(api_key="right")).test_client()
    headers = {} if given is None else {"x-api-key": given}
    response = client.get("/v1.2/indexes", headers=headers)
    assert (response.status_code, response.json["code"]) == (401, "api_key_invalid")
    assert client.get("/v1.2/indexes", headers={"x-api-key": "right"}).status_code == 200


def test_an_unforeseen_error_shows_no_trace(
    client: FlaskClient,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret inner state")

    monkeypatch.setattr(service, "indexes", fail)
    response = client.get("/v1.2/indexes")
    assert (response.status_code, response.json["code"]) == (500, "internal_server_error")
    assert "secret" not in response.text
    assert "secret inner state" in caplog.text
    caplog.clear()


def test_an_unusable_model_is_named_and_not_retried(
    client: FlaskClient,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise ModelError("models/a/tokenizer.json cannot be read")

    monkeypatch.setattr(service.classifier, "index", fail)
    index_id = create_index(client)
    response = client.post("/v1.2/classify/bulk", json=CLASSIFY | {"index_id": index_id})
    assert (response.status_code, response.json["code"]) == (400, "index_not_supported_for_search")
    assert response.json["message"] == "models/a/tokenizer.json cannot be read"
    caplog.clear()
