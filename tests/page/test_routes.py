"""The overview, the clips of a video and the exports, over HTTP."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import zipfile
from html import unescape
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.http import parse_options_header
from werkzeug.test import TestResponse

import app as page
from core.types import HEARD, TimedText
from store import results
from store.media import media_path, write_media
from tests.support.pages import clip, found, write_run

DOG = clip(1.5, 4, "a dog", 95.6)
CAT = clip(8, 9, "a cat", 81.25, "conversation")
MANY = [clip(n / 10, n / 10 + 1, "a dog", 50) for n in range(120)]
SOFA = clip(0, 2, "a sofa", 90)
NAMES = ("dogs.mp4", "home.mp4", "none.mp4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pets = found("Pets", DOG, CAT, score=95, ratio=0.35)
    home = found("Home, sweet", SOFA, score=80, ratio=0.61)
    written = write_run(
        tmp_path / "results",
        tmp_path,
        {"dogs.mp4": [pets], "home.mp4": [home], "none.mp4": []},
        all_clips={
            "dogs.mp4": [found("Pets", DOG, CAT, *MANY)],
            "home.mp4": [home],
            "none.mp4": [found("Pets", clip(0, 5, "a dog", 60))],
        },
        durations=dict.fromkeys(NAMES, 20.0),
        fps=29.97,
        thresholds={"min_video_score": 75, "min_clip_score": 65, "min_duration_ratio": 0.1},
    )
    for name in NAMES:
        (tmp_path / name).write_bytes(b"film")
    path = media_path(written, "id0")
    assert path
    write_media(path, {2.75: b"jpeg"}, [TimedText(8, 9, HEARD, "what a <cat>")])
    return written


@pytest.fixture
def client(folder: Path) -> FlaskClient:
    return page.create_app({"RESULTS_DIR": folder, "TESTING": True}).test_client()


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def cards(html: str) -> list[str]:
    return re.findall(r'<article class="card" id="[^"]*" data-video="([^"]*)"', html)


def file_name(answer: TestResponse) -> str | None:
    """The name under which a browser saves an attachment."""
    kind, options = parse_options_header(answer.headers["Content-Disposition"])
    assert kind == "attachment"
    return options["filename"]


# The overview


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["id0", "id1", "id2"]),
        ("q=home", ["id1"]),
        ("class=none", ["id2"]),
        ("class=Home, sweet", ["id1"]),
        ("class=is:Home, sweet", ["id1"]),
        ("evidence=conversation", ["id0"]),
        ("sort=ratio", ["id1", "id0", "id2"]),
        ("min_clip_score=92", ["id0", "id1", "id2"]),
        ("q=nothing", []),
    ],
)
def test_filters_over_http(client: FlaskClient, query: str, shown: list[str]) -> None:
    html = client.get(f"/?{query}").text
    assert cards(html) == shown
    assert ("No matches" in html) == (not shown)


def test_thresholds_rejudge_every_card_and_count(client: FlaskClient) -> None:
    assert "2 with a class 1 without one" in words(client.get("/").text)
    low = words(client.get("/?min_clip_score=40&min_video_score=10").text)
    assert "3 with a class 0 without one" in low
    assert "Reset to the thresholds of the run" in low
    high = words(client.get("/?min_clip_score=99").text)
    assert "0 with a class 3 without one" in high


def test_histograms_show_the_cut(client: FlaskClient) -> None:
    html = client.get("/").text
    slider = html.split('id="sliders"')[1].split("</form>")[0]
    assert "3 of 124 clips" in words(slider)
    assert slider.count('class="passes"') >= 3


def test_by_class_and_as_heat_map(client: FlaskClient) -> None:
    by_class = words(client.get("/?group=class").text)
    assert "Pets 1 dogs.mp4 95 covers 35%" in by_class
    heat = client.get("/?group=heat").text
    assert heat.count("<tr data-video=") == 3
    assert len(re.findall(r'<td class="[^"]* applies">', heat)) == 2


def test_wrong_parameter_is_named(client: FlaskClient) -> None:
    answer = client.get("/?min_clip_score=many")
    assert answer.status_code == 400
    assert "min_clip_score must be a number from 0 to 100" in words(answer.text)


def test_cards_come_in_pages_and_a_linked_video_on_its_own(tmp_path: Path) -> None:
    write_run(tmp_path, tmp_path, {f"{n:03}.mp4": [] for n in range(30)})
    client = page.create_app({"RESULTS_DIR": tmp_path, "TESTING": True}).test_client()
    first = client.get("/").text
    assert len(cards(first)) == 12
    assert 'rel="next" href="/?page=2"' in first
    third = client.get("/?page=3").text
    assert len(cards(third)) == 6
    assert 'rel="prev"' in third
    assert "id25" in cards(client.get("/?video=id25").text)
    assert cards(client.get("/?page=99").text) == cards(third)


@pytest.mark.parametrize(
    ("linked", "first", "last"),
    [("id0", "id0", "id11"), ("id11", "id0", "id11"), ("id12", "id12", "id23")],
)
def test_linked_video_is_on_the_page_that_is_shown(
    tmp_path: Path, linked: str, first: str, last: str
) -> None:
    write_run(tmp_path, tmp_path, {f"{n:03}.mp4": [] for n in range(30)})
    client = page.create_app({"RESULTS_DIR": tmp_path, "TESTING": True}).test_client()
    shown = cards(client.get(f"/?video={linked}").text)
    assert (shown[0], shown[-1]) == (first, last)


def test_lanes_link_to_the_moment_of_each_clip(client: FlaskClient) -> None:
    lanes = client.get("/?q=dogs").text.split('class="timeline"')[1].split('class="proof"')[0]
    assert 'href="/videos/dogs.mp4#t=1.5,4"' in lanes
    assert 'x="7.5%" y="1" width="12.5%"' in lanes
    assert 'data-duration="20"' in lanes


@pytest.mark.parametrize(
    ("query", "nearest"),
    [
        ("", {"id2": "Pets (its best clip scores 60)"}),
        ("?min_clip_score=60", {"id2": "Pets (score 56, 25% of the video)"}),
        (
            "?min_video_score=99.9",
            {
                "id0": "Pets (score 91, 17% of the video)",
                "id1": "Home, sweet (score 84, 10% of the video)",
                "id2": "Pets (its best clip scores 60)",
            },
        ),
    ],
)
def test_card_without_a_class_shows_the_one_that_comes_nearest(
    client: FlaskClient, query: str, nearest: dict[str, str]
) -> None:
    shown = re.findall(
        r'data-video="([^"]*)"(?:(?!</article>).)*?<p class="none">(.*?)</p>',
        client.get(f"/{query}").text,
        re.DOTALL,
    )
    said = "No class applies to this video. The closest is"
    assert {video_id: words(html) for video_id, html in shown} == {
        video_id: f"{said} {near}." for video_id, near in nearest.items()
    }


@pytest.mark.parametrize("query", ["", "?min_clip_score=90"])
def test_clips_below_the_thresholds_are_listed(client: FlaskClient, query: str) -> None:
    (card,) = re.findall(r'data-video="id2".*?</article>', client.get(f"/{query}").text, re.DOTALL)
    (url,) = re.findall(r'class="all-clips" href="([^"]*)">Clips below the thresholds', card)
    shown = client.get(unescape(url), headers={"Accept": "text/html"}).text
    assert "1 found" in words(shown)
    assert "score 60" in words(shown)


# The clips of a video


def test_clips_come_in_pages_as_json(client: FlaskClient) -> None:
    first = client.get("/api/videos/id0/clips?min_score=0&sort=score").get_json()
    assert first["data"][0] == {
        "start": 1.5,
        "end": 4.0,
        "score": 95.6,
        "option": "visual",
        "prompt": "a dog",
        "classes": ["Pets"],
        "words": "",
        "thumbnail_url": "/pictures/id0?t=2.75",
    }
    assert first["data"][1]["words"] == "what a <cat>"
    assert first["page_info"]["total_results"] == 122
    seen = len(first["data"])
    following = first["page_info"]["next"]
    while following:
        more = client.get(following).get_json()
        seen += len(more["data"])
        following = more["page_info"]["next"]
    assert seen == 122


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", 2),
        ("min_clip_score=40&sort=start", 122),
        ("min_score=90", 1),
        ("evidence=conversation", 1),
        ("prompt=a cat", 1),
        ("class=Home, sweet", 0),
    ],
)
def test_clips_are_filtered(client: FlaskClient, query: str, total: int) -> None:
    answer = client.get(f"/api/videos/id0/clips?{query}").get_json()
    assert answer["page_info"]["total_results"] == total


def test_clips_are_a_page_for_who_asks_for_one(client: FlaskClient) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = client.get("/api/videos/id0/clips?min_score=0&sort=score", headers=browser)
    assert answer.mimetype == "text/html"
    assert answer.headers["Vary"] == "Accept"
    assert answer.text.count('<a class="clip') == 50
    assert "what a &lt;cat&gt;" in answer.text
    assert 'rel="next"' in answer.text


@pytest.mark.parametrize("path", ["/api/videos/id9/clips", "/pictures/id9", "/pictures/id1"])
def test_what_is_not_there(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("url", "status", "told"),
    [
        ("/api/videos/id9/clips", 404, "results list"),
        ("/api/videos/id0/clips?min_score=x", 400, "min_score"),
    ],
)
def test_programs_are_told_in_json_what_is_wrong(
    client: FlaskClient, url: str, status: int, told: str
) -> None:
    answer = client.get(url)
    assert (answer.status_code, answer.mimetype) == (status, "application/json")
    assert told in answer.get_json()["explanation"].lower()
    page = client.get(url, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.mimetype) == (status, "text/html")


def test_picture(client: FlaskClient) -> None:
    answer = client.get("/pictures/id0?t=nonsense")
    assert (answer.data, answer.mimetype) == (b"jpeg", "image/jpeg")


# Exports


def test_json_is_as_the_api_gave_it(client: FlaskClient, folder: Path) -> None:
    given = results.read_result(folder, "clips_data")
    assert json.loads(client.get("/export/json").text) == given
    one = json.loads(client.get("/export/json?id=id1").text)
    assert one == {"data": [given["data"][1]]}
    judged = json.loads(client.get("/export/json?min_clip_score=90").text)["data"]
    assert [len(video["classes"][0]["clips"]) for video in judged] == [1, 1]


def test_csv_of_all_and_of_what_a_filter_leaves(client: FlaskClient) -> None:
    def rows(query: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(client.get(f"/export/csv?{query}").text)))

    assert [row["video_name"] for row in rows("")] == ["dogs.mp4", "dogs.mp4", *NAMES[1:]]
    assert [row["prompt"] for row in rows("evidence=conversation")] == ["a cat"]
    assert [(row["video_name"], row["class"]) for row in rows("class=none")] == [("none.mp4", "")]
    assert len(rows("id=id0&min_clip_score=40")) == 122


@pytest.mark.parametrize(
    ("kind", "ending", "begins"),
    [
        ("vtt", "chapters.vtt", "WEBVTT\n\n1\n00:00:01.500 --> 00:00:04.000\nPets: a dog"),
        (
            "captions.vtt",
            "captions.vtt",
            "WEBVTT\n\n1\n00:00:01.500 --> 00:00:04.000\nPets: a dog (visual",
        ),
        ("srt", "srt", "1\n00:00:01,500 --> 00:00:04,000\nPets: a dog (96)"),
        ("edl", "edl", "TITLE: dogs.mp4\r\nFCM: DROP FRAME\r\n"),
    ],
)
def test_one_video_is_a_file_all_are_an_archive(
    client: FlaskClient, kind: str, ending: str, begins: str
) -> None:
    one = client.get(f"/export/{kind}?id=id0")
    assert one.data.decode().startswith(begins)
    assert file_name(one) == f"dogs.{ending}"
    all_of_them = client.get(f"/export/{kind}")
    assert file_name(all_of_them) == f"clips-{ending.partition('.')[0]}.zip"
    archive = zipfile.ZipFile(io.BytesIO(all_of_them.data))
    assert archive.namelist() == [f"dogs.{ending}", f"home.{ending}"]
    assert archive.read(f"dogs.{ending}") == one.data


@pytest.mark.parametrize(
    ("name", "saved_as"),
    [
        ("sub/a \"quoted\" 'name'; x=y.mp4", "a \"quoted\" 'name'; x=y.csv"),
        ("Ümläut ☃.mp4", "Ümläut ☃.csv"),
        ("line\r\nX-Header: break.mp4", "line__X-Header: break.csv"),
        (os.fsdecode(b"caf\xe9.mp4"), "caf_.csv"),
        ("back\\slash.mp4", "back\\slash.csv"),
    ],
)
def test_file_of_a_video_has_its_name(tmp_path: Path, name: str, saved_as: str) -> None:
    write_run(tmp_path, tmp_path, {name: [found("Pets", DOG)]})
    client = page.create_app({"RESULTS_DIR": tmp_path, "TESTING": True}).test_client()
    answer = client.get("/export/csv?id=id0")
    assert file_name(answer) == saved_as
    assert answer.content_type == "text/csv; charset=utf-8"
    assert "X-Header" not in answer.headers


def test_edit_list_without_a_frame_rate_is_refused_in_words(tmp_path: Path) -> None:
    write_run(tmp_path, tmp_path, {"a.mp4": [found("Pets", DOG)]})
    client = page.create_app({"RESULTS_DIR": tmp_path, "TESTING": True}).test_client()
    answer = client.get("/export/edl?id=id0")
    assert answer.status_code == 409
    assert "frame rate is not known" in answer.text
    archive = zipfile.ZipFile(io.BytesIO(client.get("/export/edl").data))
    assert b"a.mp4" in archive.read("LEFT-OUT.txt")


@pytest.mark.parametrize("path", ["/export/exe", "/export/csv?id=id9"])
def test_nothing_else_is_exported(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404
