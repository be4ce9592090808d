"""Every form of classification that the API ever had, its limits, and what applies to all calls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from core.classification import Thresholds
from engine.api import ApiOptions, create_app, page_tokens
from engine.catalog.tables import Video, new_id
from engine.models.protocols import Models
from engine.service import Service
from tests.support.api_calls import ANYTHING, EARLY, LATE, Json, create_index, upload, wait_for
from tests.support.fakes import NumberEncoder, quick_models
from tests.support.media import write_video


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("data"), quick_models(), workers=1) as service:
        yield service


@pytest.fixture(scope="module")
def client(service: Service) -> FlaskClient:
    return create_app(service).test_client()


@pytest.fixture(scope="module")
def known(client: FlaskClient, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An index with one video: two seconds early, two late, beeping."""
    path = tmp_path_factory.mktemp("media") / "a.mp4"
    index_id = create_index(client)
    data = write_video(path, seconds=4, fps=30, gop=15).read_bytes()
    task = wait_for(client, upload(client, index_id, data))
    return {"index_id": index_id, "video_id": task["video_id"]}


def classified(client: FlaskClient, path: str, **body: object) -> Json:
    response = client.post(path, json={"options": ["visual"], "threshold": ANYTHING, **body})
    assert response.status_code == 200, response.text
    return dict(response.json)


@pytest.mark.parametrize("version", ["v1.1", "v1.2"])
def test_a_request_for_labels_returns_labels(
    client: FlaskClient, known: dict[str, str], version: str
) -> None:
    one = classified(
        client, f"/{version}/classify", video_id=known["video_id"], labels=[EARLY, LATE]
    )
    assert set(one) == {"labels"}
    assert {each["name"] for each in one["labels"]} == {"Early", "Late"}
    assert set(one["labels"][0]) == {"name", "score", "duration_ratio", "max_score"}
    bulk = classified(
        client, f"/{version}/classify/bulk", index_id=known["index_id"], labels=[EARLY, LATE]
    )
    assert bulk["data"] == [{"video_id": known["video_id"], "labels": one["labels"]}]
    assert bulk["page_info"]["next_page_token"] == ""


def test_one_video_and_several_return_the_same(client: FlaskClient, known: dict[str, str]) -> None:
    video_id = known["video_id"]
    one = classified(client, "/v1.1/classify", video_id=video_id, classes=[EARLY])
    several = classified(client, "/v1.2/classify", video_ids=[video_id, video_id], classes=[EARLY])
    assert one["data"] == several["data"]
    assert len(several["data"]) == 1


@pytest.mark.parametrize(
    ("threshold", "found"),
    [
        ({}, {"Early", "Late"}),
        (None, {"Early", "Late"}),
        (0, {"Early", "Late"}),
        (95.5, set()),
        ("none", {"Early", "Late"}),
        ("low", {"Early", "Late"}),
        ("medium", {"Early", "Late"}),
        ("high", {"Early", "Late"}),
        ({"min_duration_ratio": 0.9}, set()),
        ({"min_clip_score": 91}, set()),
        ({"min_video_score": 95}, set()),
    ],
)
def test_thresholds_come_as_words_numbers_and_objects(
    client: FlaskClient, known: dict[str, str], threshold: object, found: set[str]
) -> None:
    response = classified(
        client,
        "/v1.1/classify",
        video_ids=[known["video_id"]],
        classes=[EARLY, LATE],
        threshold=threshold,
    )
    assert {each["name"] for video in response["data"] for each in video["classes"]} == found


def test_the_operator_sets_the_thresholds_that_nobody_gave(
    service: Service, known: dict[str, str]
) -> None:
    strict = create_app(service, ApiOptions(thresholds=Thresholds(95, 95, 1))).test_client()
    assert not classified(
        strict, "/v1.2/classify", video_ids=[known["video_id"]], classes=[EARLY], threshold=None
    )["data"]
    given = {"min_video_score": 1, "min_clip_score": 1, "min_duration_ratio": 0.1}
    assert classified(
        strict, "/v1.2/classify", video_ids=[known["video_id"]], classes=[EARLY], threshold=given
    )["data"]


def test_a_class_may_have_options_of_its_own(client: FlaskClient, known: dict[str, str]) -> None:
    heard = {
        "name": "Heard",
        "prompts": ["beep"],
        "options": ["conversation"],
        "conversation_option": "exact_match",
    }
    response = classified(
        client,
        "/v1.2/classify/bulk",
        index_id=known["index_id"],
        classes=[EARLY, heard],
        include_clips=True,
    )
    (video,) = response["data"]
    options = {
        each["name"]: {clip["option"] for clip in each["clips"]} for each in video["classes"]
    }
    assert options == {"Early": {"visual"}, "Heard": {"conversation"}}


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"classes": [EARLY], "labels": [EARLY]}, "parameter_invalid", "either classes or labels"),
        ({}, "parameter_not_provided", "classes"),
        ({"classes": []}, "parameter_invalid", "classes"),
        ({"classes": [{"name": " ", "prompts": ["a"]}]}, "parameter_invalid", "name"),
        ({"classes": [{"name": "A", "prompts": [""]}]}, "parameter_invalid", "prompts"),
        ({"classes": [EARLY], "options": ["logo"]}, "parameter_invalid", "options"),
        ({"classes": [EARLY], "threshold": "huge"}, "parameter_invalid", "threshold"),
        ({"classes": [EARLY], "threshold": 100.5}, "parameter_invalid", "threshold"),
        ({"classes": [EARLY], "threshold": {"ratio": 1}}, "parameter_unknown", "ratio"),
        ({"classes": [EARLY], "video_ids": []}, "parameter_invalid", "video_ids"),
        ({"classes": [EARLY], "video_ids": None}, "parameter_not_provided", "video_ids"),
        ({"classes": [EARLY], "video_id": "x"}, "parameter_invalid", "either video_ids or"),
        ({"classes": [EARLY], "page_limit": 51}, "parameter_invalid", "page_limit"),
    ],
)
def test_refusals_of_classification(
    client: FlaskClient, known: dict[str, str], body: Json, code: str, words: str
) -> None:
    sent = {"options": ["visual"], "video_ids": [known["video_id"]], **body}
    response = client.post("/v1.2/classify", json=sent)
    assert (response.status_code, response.json["code"]) == (400, code)
    assert words in response.json["message"]


def test_ten_hours_of_chosen_video_are_the_limit(client: FlaskClient, service: Service) -> None:
    index_id = create_index(client, name="long films")
    ids = [new_id() for _ in range(2)]
    with service._catalog.transaction() as session:
        for video_id in ids:
            session.add(
                Video(
                    id=video_id,
                    index_id=index_id,
                    filename="long.mp4",
                    duration=18_001.0,
                    fps=25.0,
                    width=640,
                    height=360,
                    size=1,
                )
            )
    body = {"classes": [EARLY], "options": ["visual"]}
    response = client.post("/v1.2/classify", json={**body, "video_ids": ids})
    assert (response.status_code, response.json) == (
        400,
        {
            "code": "parameter_invalid",
            "message": "The total duration(seconds) 36002 of videos exceeds the limit.",
        },
    )
    # Their evidence is not there, as when they are being deleted: nothing is found, nothing fails.
    assert client.post("/v1.2/classify", json={**body, "video_ids": ids[:1]}).json["data"] == []
    assert client.delete(f"/v1.2/indexes/{index_id}").status_code == 204


def test_page_tokens_expire(
    client: FlaskClient, known: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: page_tokens.ResultPages[int, None] = page_tokens.ResultPages()
    token = stored.first([1, 2, 3], 2, None).next_token
    assert stored.page(token).items == [3]
    moment = page_tokens.now() + timedelta(minutes=6)
    monkeypatch.setattr(page_tokens, "now", lambda: moment)
    for dead in (token, "", "-", "x-1", f"{token}9", token + "\u0663", "a-" + "9" * 5000):
        with pytest.raises(page_tokens.PlatformError, match="expired"):
            stored.page(dead)


def test_the_oldest_results_are_dropped() -> None:
    stored: page_tokens.ResultPages[int, None] = page_tokens.ResultPages()
    tokens = [stored.first([1, 2], 1, None).next_token for _ in range(page_tokens.MAX_RESULTS + 1)]
    with pytest.raises(page_tokens.PlatformError):
        stored.page(tokens[0])
    assert stored.page(tokens[1]).items == [2]


def test_evidence_of_other_models_is_never_scored(tmp_path: Path) -> None:
    class Other(NumberEncoder):
        name = "numbers-2"

    video = write_video(tmp_path / "a.mp4", seconds=4, fps=30, gop=15).read_bytes()
    data, quick = tmp_path / "data", quick_models()
    with Service(data, quick, workers=1) as service:
        client = create_app(service).test_client()
        full, empty = create_index(client), create_index(client, name="empty")
        video_id = wait_for(client, upload(client, full, video))["video_id"]
    others = Models(Other(), quick.speech, quick.reader, quick.text)
    with Service(data, others, workers=1) as service:
        client = create_app(service).test_client()
        assert client.get(f"/v1.2/indexes/{full}").json["models"]["visual"] == "numbers-1"
        body = {"classes": [EARLY], "options": ["visual"]}
        search = {"index_id": full, "query": "early", "search_options": ["visual"]}
        for response in (
            client.post("/v1.2/classify/bulk", json={**body, "index_id": full}),
            client.post("/v1.2/classify", json={**body, "video_ids": [video_id]}),
            client.post("/v1.2/search", json=search),
        ):
            assert response.status_code == 400
            assert response.json["code"] == "index_not_supported_for_search"
            assert "index its videos again" in response.json["message"]
        heard = {"classes": [EARLY], "options": ["conversation"], "index_id": full}
        assert client.post("/v1.2/classify/bulk", json=heard).status_code == 200
        with pytest.raises(AssertionError):
            upload(client, full, video)
        ready = wait_for(client, upload(client, empty, video))
        assert ready["status"] == "ready"
        assert client.get(f"/v1.2/indexes/{empty}").json["models"]["visual"] == "numbers-2"
        assert not list((data / "uploads").iterdir())


def test_calls_are_counted_and_limited(service: Service, known: dict[str, str]) -> None:
    client = create_app(service, ApiOptions(rate_limit=2)).test_client()
    body = {"classes": [EARLY], "options": ["visual"], "index_id": known["index_id"]}
    responses = [client.post("/v1.2/classify/bulk", json=body) for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 200, 429]
    assert [response.headers["X-Ratelimit-Remaining"] for response in responses] == ["1", "0", "0"]
    assert {response.headers["X-Ratelimit-Limit"] for response in responses} == {"2"}
    assert responses[2].json["code"] == "too_many_requests"
    assert 1 <= int(responses[2].headers["Retry-After"]) <= 60
    search = {"index_id": known["index_id"], "query": "early", "search_options": ["visual"]}
    assert client.post("/v1.2/search", json=search).status_code == 200
    assert client.get("/v1.2/tasks").status_code == 200


def test_without_a_limit_the_headers_are_numbers_all_the_same(client: FlaskClient) -> None:
    headers = client.get("/v1.2/indexes").headers
    for name in ("Limit", "Remaining", "Used", "Reset"):
        assert headers[f"X-Ratelimit-{name}"].isdecimal()
