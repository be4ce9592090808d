"""Search: by text and image, combined, filtered, grouped and paged."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from engine.api import create_app
from engine.retrieval.search import CONFIDENCE_SCORES, Confidence, Match, Module, _sequence
from engine.service import Service
from tests.support.api_calls import Json, create_index, upload, wait_for
from tests.support.fakes import FIRST_LATE, quick_models
from tests.support.media import picture, write_video


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with Service(tmp_path_factory.mktemp("data"), quick_models(), workers=2) as service:
        yield create_app(service).test_client()


@pytest.fixture(scope="module")
def known(client: FlaskClient, tmp_path_factory: pytest.TempPathFactory) -> Json:
    """An index of a beeping video and a silent one, both early for two seconds and then late."""
    folder = tmp_path_factory.mktemp("media")
    index_id = create_index(client, addons=["thumbnail"])
    ids = {}
    for name, sound in (("loud", None), ("silent", [])):
        path = write_video(folder / f"{name}.mp4", seconds=4, fps=30, gop=15, sound=sound)
        task = wait_for(client, upload(client, index_id, path.read_bytes(), path.name))
        ids[name] = task["video_id"]
    path = f"/v1.2/indexes/{index_id}/videos/{ids['loud']}"
    body = {"video_title": "Beeps", "metadata": {"views": 10, "good": True, "topic": "sound"}}
    assert client.put(path, json=body).status_code == 204
    return {"index_id": index_id, **ids}


def search(client: FlaskClient, known: Json, path: str = "/v1.2/search", **body: Any) -> Json:
    sent = {"index_id": known["index_id"], "search_options": ["visual"], **body}
    response = client.post(path, json=sent)
    assert response.status_code == 200, response.text
    return dict(response.json)


def halves(response: Json, video_id: str) -> set[str]:
    """Which halves of a video of four seconds, early and late, the matches reach into."""
    matches = [each for each in response["data"] if each["video_id"] == video_id]
    first = {"early" for each in matches if each["start"] < 1.9}
    return first | {"late" for each in matches if each["end"] > 2.1}


def test_matches_have_their_place_and_their_proof(client: FlaskClient, known: Json) -> None:
    response = search(client, known, query="early")
    assert response["search_pool"] == {
        "index_id": known["index_id"],
        "total_count": 2,
        "total_duration": pytest.approx(8, abs=0.1),
    }
    match = response["data"][0]
    assert match["confidence"] == "high"
    assert match["modules"] == [{"type": "visual", "confidence": "high"}]
    assert match["metadata"] == [{"type": "visual"}]
    assert client.get(match["thumbnail_url"]).mimetype == "image/jpeg"
    assert set(response["page_info"]) == {"limit_per_page", "total_results", "page_expired_at"}


def test_words_are_shown_where_they_were_said(client: FlaskClient, known: Json) -> None:
    response = search(
        client,
        known,
        query="beeps",
        search_options=["conversation"],
        conversation_option="exact_match",
    )
    assert {each["video_id"] for each in response["data"]} == {known["loud"]}
    (source,) = response["data"][0]["metadata"]
    assert source["type"] == "conversation"
    assert set(source["text"].split()) == {"beep"}
    assert search(client, known, query="beep", search_options=["logo"])["data"] == []


def test_pages_follow_the_token_on_every_route(client: FlaskClient, known: Json) -> None:
    first = search(client, known, query="early", page_limit=1)
    assert first["page_info"]["total_results"] >= 2
    token = first["page_info"]["next_page_token"]
    pages = [
        client.get(f"/{version}/{route}/{token}").json
        for version in ("v1.1", "v1.2")
        for route in ("search", "search-v2", "search/combined", "beta/search")
    ]
    data = [page["data"] for page in pages]
    assert all(page == data[0] for page in data)
    assert data[0] != first["data"]
    assert "prev_page_token" in pages[0]["page_info"]
    assert client.get(f"/v1.2/classify/{token}").status_code == 400


def test_videos_are_grouped(client: FlaskClient, known: Json) -> None:
    response = search(client, known, query="early", group_by="video", sort_option="clip_count")
    assert {group["id"] for group in response["data"]} == {known["loud"], known["silent"]}
    inner = sum(len(group["clips"]) for group in response["data"])
    assert response["page_info"]["total_inner_matches"] == inner
    assert response["page_info"]["total_results"] == 2


EARLY, LATE = {"text": "early"}, {"text": "late"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (EARLY, {"early"}),
        ({"$and": [EARLY, EARLY]}, {"early"}),
        ({"$and": [EARLY, LATE]}, set()),
        ({"$or": [EARLY, LATE]}, {"early", "late"}),
        ({"$not": {"origin": EARLY, "sub": LATE}}, {"early"}),
        ({"$not": {"origin": EARLY, "sub": EARLY}}, set()),
        ({"$then": [EARLY, LATE]}, {"early", "late"}),
        ({"$then": [LATE, EARLY]}, set()),
        ({"$and": [{"$or": [EARLY, LATE]}, {"$not": {"origin": LATE, "sub": EARLY}}]}, {"late"}),
    ],
)
def test_queries_are_put_together(
    client: FlaskClient, known: Json, query: Json, found: set[str]
) -> None:
    response = search(client, known, "/v1.2/search/combined", query=query, threshold="high")
    assert halves(response, known["loud"]) == halves(response, known["silent"]) == found


def match(start: float, end: float, score: float = 90.0) -> Match:
    return Match("video", start, end, score, (Module("visual", score, None),))


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ([(0, 4)], [(4, 6)], [(0, 6)]),
        ([(0, 4)], [(3.9, 6)], []),
        ([(0, 4)], [(0, 4)], []),
        ([(0, 10)], [(2, 3)], []),
        ([(2, 3)], [(0, 10)], []),
        ([(0, 2), (1, 5)], [(4, 8)], [(0, 8)]),
        ([(0, 2), (1, 3), (5, 9)], [(4, 8), (9, 10)], [(1, 8), (5, 10)]),
        ([(0, 2)], [(2, 8), (3, 4)], [(0, 8), (0, 4)]),
    ],
)
def test_then_joins_with_the_last_part_that_ends_before_the_next_begins(
    first: list[tuple[float, float]],
    second: list[tuple[float, float]],
    found: list[tuple[float, float]],
) -> None:
    joined = _sequence([match(*each) for each in first], [match(*each) for each in second])
    assert [(each.start, each.end) for each in joined] == found


def test_then_is_as_sure_as_its_least_sure_part() -> None:
    (joined,) = _sequence([match(0, 1, 50.0), match(0, 1, 60.0)], [match(2, 3, 70.0)])
    assert joined.score == 60.0


def test_the_first_spelling_of_combined_search_still_works(
    client: FlaskClient, known: Json
) -> None:
    body = {"query": {"$or": [EARLY, LATE]}}
    assert (
        search(client, known, "/v1.1/beta/search", **body)["data"]
        == search(client, known, "/v1.2/search/combined", **body)["data"]
    )


def test_and_wants_every_option(client: FlaskClient, known: Json) -> None:
    body = {
        "query": "early beep",
        "search_options": ["visual", "conversation"],
        "conversation_option": "exact_match",
        "threshold": "low",
    }
    both = search(client, known, operator="and", **body)
    assert {each["video_id"] for each in both["data"]} <= {known["loud"]}
    either = search(client, known, operator="or", **body)
    assert {each["video_id"] for each in either["data"]} == {known["loud"], known["silent"]}
    for each in both["data"]:
        assert {module["type"] for module in each["modules"]} == {"visual", "conversation"}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, {"loud", "silent"}),
        ({"title": "Beeps"}, {"loud"}),
        ({"title": "silent.mp4"}, {"silent"}),
        ({"filename": "silent.mp4"}, {"silent"}),
        ({"duration": {"gte": 3, "lte": 5}}, {"loud", "silent"}),
        ({"duration": {"gte": 5}}, set()),
        ({"views": 10}, {"loud"}),
        ({"views": {"gte": 10}}, {"loud"}),
        ({"views": {"gte": 11}}, set()),
        ({"views": {"lte": 9.5}}, set()),
        ({"good": True}, {"loud"}),
        ({"good": False}, set()),
        ({"topic": "sound"}, {"loud"}),
        ({"topic": {"gte": 0}}, set()),
        ({"nothing": "there"}, set()),
    ],
)
def test_filters_choose_the_videos(
    client: FlaskClient, known: Json, wanted: Json, names: set[str]
) -> None:
    response = search(client, known, query="early", filter=wanted)
    assert {each["video_id"] for each in response["data"]} == {known[name] for name in names}
    assert response["search_pool"]["total_count"] == len(names)


def test_ids_filter_alone_and_in_a_list(client: FlaskClient, known: Json) -> None:
    for wanted in (known["loud"], [known["loud"], "none"]):
        response = search(client, known, query="early", filter={"id": wanted})
        assert {each["video_id"] for each in response["data"]} == {known["loud"]}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("views=10", {"loud"}),
        ("views[gte]=9.5&views[lte]=11", {"loud"}),
        ("good=true", {"loud"}),
        ("topic=sound&video_title=Beeps", {"loud"}),
        ("topic=noise", set()),
        ("metadata={'views': 10}", {"loud", "silent"}),
        ("size[gte]=1&fps[lte]=31", {"loud", "silent"}),
    ],
)
def test_lists_of_videos_are_filtered_the_same_way(
    client: FlaskClient, known: Json, query: str, names: set[str]
) -> None:
    response = client.get(f"/v1.2/indexes/{known['index_id']}/videos?{query}")
    assert {each["_id"] for each in response.json["data"]} == {known[name] for name in names}


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"query": " "}, "parameter_invalid", "query"),
        ({"query": "a", "search_options": []}, "parameter_invalid", "search_options"),
        ({"query": "a", "search_options": ["smell"]}, "parameter_invalid", "search_options"),
        ({"query": "a", "index_id": "none"}, "resource_not_exist", "indexes"),
        ({"query": "a", "filter": {"duration": "long"}}, "search_filter_invalid", "duration"),
        ({"query": "a", "filter": {"duration": {"gt": 1}}}, "search_filter_invalid", "gt"),
        ({"query": "a", "filter": {"title": ["a"]}}, "search_filter_invalid", "title"),
        ({"query": "a", "filter": {"views": {}}}, "search_filter_invalid", "views"),
        ({"query": "a", "filter": {"a b": 1}}, "search_filter_invalid", "a b"),
        ({"query": "a", "adjust_confidence_level": 2}, "parameter_invalid", "adjust"),
        ({"query": "a", "threshold": 50}, "parameter_invalid", "threshold"),
    ],
)
def test_refusals_of_search(
    client: FlaskClient, known: Json, body: Json, code: str, words: str
) -> None:
    sent = {"index_id": known["index_id"], "search_options": ["visual"], **body}
    response = client.post("/v1.2/search", json=sent)
    assert response.json["code"] == code
    assert words in response.json["message"]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"$and": []},
        {"$xor": [EARLY]},
        {"text": ""},
        {"text": "a", "$and": [EARLY]},
        {"$not": {"origin": EARLY}},
        {"$and": [EARLY] * 101},
        "early",
    ],
)
def test_trees_that_are_none_are_refused(client: FlaskClient, known: Json, query: object) -> None:
    sent = {"index_id": known["index_id"], "search_options": ["visual"], "query": query}
    response = client.post("/v1.2/search/combined", json=sent)
    assert response.status_code == 400
    assert "query" in response.json["message"]


def png(number: int) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(np.asarray(picture(number, (160, 96)))).save(file, "PNG")
    file.seek(0)
    return file


def form(client: FlaskClient, known: Json, **fields: Any) -> Any:
    sent = {"index_id": known["index_id"], "search_options": ["visual"], **fields}
    return client.post("/v1.2/search-v2", data=sent, content_type="multipart/form-data")


def test_an_image_is_found_where_it_is_shown(client: FlaskClient, known: Json) -> None:
    late = form(
        client, known, query_media_type="image", query_media_file=(png(FIRST_LATE + 5), "a.png")
    )
    assert late.status_code == 200, late.text
    assert {each["video_id"] for each in late.json["data"]} == {known["loud"], known["silent"]}
    assert all(each["end"] > 2 for each in late.json["data"])
    assert {each["metadata"][0]["type"] for each in late.json["data"]} == {"visual"}


def test_forms_take_words_and_filters(client: FlaskClient, known: Json) -> None:
    response = form(
        client, known, query_text="early", filter='{"views": {"gte": 1}}', page_limit="5"
    )
    assert {each["video_id"] for each in response.json["data"]} == {known["loud"]}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "query_text"),
        ({"query_text": "a", "query_media_url": "http://a.example/"}, "one of query_text"),
        ({"query_media_url": "http://a.example/a.jpg"}, "query_media_type"),
        ({"query_text": "a", "filter": "{"}, "filter"),
        ({"query_media_type": "image", "query_media_url": "http://127.0.0.1:9/"}, "private"),
        ({"query_media_type": "image", "query_media_url": "ftp://a.example/"}, "http"),
        ({"query_text": "a", "colour": "red"}, "colour"),
    ],
)
def test_refusals_of_forms(client: FlaskClient, known: Json, fields: Json, words: str) -> None:
    response = form(client, known, **fields)
    assert response.status_code == 400
    assert words in response.json["message"]


def test_a_file_that_is_no_image_is_refused(client: FlaskClient, known: Json) -> None:
    response = form(
        client,
        known,
        query_media_type="image",
        query_media_file=(io.BytesIO(b"GIF89a but not really"), "a.gif"),
    )
    assert (response.status_code, response.json["code"]) == (400, "parameter_invalid")
    assert "image" in response.json["message"]


def test_confidence_moves_with_its_level() -> None:
    assert [Confidence().word(score) for score in (83, 75, 46, 45)] == [
        "high",
        "medium",
        "low",
        "extremely low",
    ]
    assert Confidence(0).word(1) == "high"
    assert Confidence(1).word(99) == "extremely low"
    assert all(Confidence().least(word) == score for word, score in CONFIDENCE_SCORES.items())
    levels = [Confidence(level).least("medium") for level in (0, 0.25, 0.5, 0.75, 1)]
    assert levels == sorted(levels)
