"""The page and the videos it serves: what is shown, what is refused, and to whom."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from html import unescape
from pathlib import Path
from subprocess import PIPE
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import waitress
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import nodes
from werkzeug.test import TestResponse

import app as page
from page.results_cache import EXTENSION
from store import results
from tests.support.pages import clip, found, served, write_run

CONTENT = bytes(range(256)) * 4
SIZE = len(CONTENT)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the settings of the machine nor its `.env` play a part."""
    for name in ("RESULTS_DIR", "VIDEOS_DIR", "HOST", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def write_example(place: Path) -> Path:
    """Three videos and one that no result names in `videos`; their results, in `results`."""
    videos = place / "videos"
    (videos / "sub").mkdir(parents=True)
    for name in ("dogs.mp4", "none.mp4", "sub/ü & 'q' #1 100%?.mp4", "unnamed.mp4"):
        (videos / name).write_bytes(CONTENT)
    pets = found(
        "Pets",
        clip(1.5, 4, "a dog", 95.6),
        clip(7, 9, "a dog", 94),
        clip(61, 75, "a cat", 80, "conversation"),
        clip(3, 5, "fur", 70, "text_in_video"),
        clip(3, 5, "paws", 66),
    )
    home = found("Home", clip(0, 2, "a sofa"), score=80, ratio=0.61)
    return write_run(
        place / "results",
        videos,
        {"none.mp4": [], "dogs.mp4": [pets], "sub/ü & 'q' #1 100%?.mp4": [home]},
        refused=[{"video_name": "notes.txt.mp4", "reason": "it is not a video"}],
        failed=[{"video_name": "tape.mp4", "reason": "the platform gave up"}],
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_example(tmp_path)


@pytest.fixture
def videos(folder: Path) -> Path:
    return folder.parent / "videos"


class ReadingClient(FlaskClient):
    """Reads each answer to its end, so that the file behind it is closed."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{**kwargs, "buffered": True})


def make_app(folder: Path, **config: object) -> Flask:
    made = page.create_app({"RESULTS_DIR": folder, "TESTING": True, **config})
    made.test_client_class = ReadingClient
    return made


@pytest.fixture
def client(folder: Path) -> FlaskClient:
    return make_app(folder).test_client()


def text_of(html: str) -> str:
    """The words of a page as a reader sees them, with single spaces."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


# The page


def test_page_shows_classes_counts_and_what_was_left_out(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    words = text_of(answer.text)
    for expected in (
        "3 videos, 2 classes",
        "Pets 1 video a dog , a cat , fur , paws",
        "picture, speech (by meaning), text on screen",
        "class score at least 75, coverage at least 50%",
        "clip score at least 65",
        "Embedded engine, on this machine",
        "picture: net-1",
        "3 classified",
        "1 refused",
        "1 failed",
        "notes.txt.mp4 Refused it is not a video",
        "tape.mp4 Failed the platform gave up",
    ):
        assert expected in words


def test_card_shows_class_score_ratio_and_the_best_three_clips(client: FlaskClient) -> None:
    html = client.get("/").text
    card = html.split("<article")[1]
    assert 'src="/videos/dogs.mp4"' in card
    assert 'controls preload="none"' in card
    words = text_of(card)
    assert "Pets 91 80%" in words
    clips = words.split("Best clips ")[1].split(" All clips")[0]
    assert clips == (
        "0:01\N{EN DASH}0:04 a dog picture Pets score 96 "
        "1:01\N{EN DASH}1:15 a cat speech Pets score 80 "
        "0:03\N{EN DASH}0:05 fur text on screen Pets score 70"
    )


def test_clips_are_links_that_work_without_javascript(client: FlaskClient) -> None:
    links = re.findall(r'<a class="clip[^>]* href="([^"]+)"', client.get("/").text)
    assert links[0] == "/videos/dogs.mp4#t=1.5,4"
    for link in links:
        assert client.get(unescape(link).split("#")[0]).data == CONTENT


def test_no_class_is_said_in_words(client: FlaskClient) -> None:
    assert text_of(client.get("/").text).count("No class applies to this video.") == 1


def test_a_damaged_file_is_said_on_its_card(tmp_path: Path) -> None:
    details = {"duration_s": 12.0, "fps": 25.0, "damage": "damaged frames: 65 <b>"}
    folder = write_run(
        tmp_path / "r", tmp_path, {"a.mp4": [], "b.mp4": []}, details={"id1": details}
    )
    cards = make_app(folder).test_client().get("/").text.split("<article")[1:]
    assert ["The file is damaged" in card for card in cards] == [False, True]
    assert "The file is damaged (damaged frames: 65 &lt;b&gt;)" in cards[1]


def test_missing_file_is_said_on_its_card(client: FlaskClient, videos: Path) -> None:
    (videos / "dogs.mp4").unlink()
    card = client.get("/").text.split("<article")[1]
    assert "<video" not in card
    assert "#t=" not in card
    assert f"The file is not in {videos}" in text_of(card)
    assert "a dog" in card


HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raise %}",
    "</q></a></article>",
    "javascript:alert(1)",
    "\u202etxt.exe",
)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_words_stay_words(tmp_path: Path, hostile: str) -> None:
    videos = tmp_path / "hostile"
    name = hostile.replace("/", "_") + ".mp4"
    videos.mkdir()
    (videos / name).write_bytes(CONTENT)
    left_out = [{"video_name": hostile, "reason": hostile}]
    write_run(
        tmp_path,
        videos,
        {name: [found(hostile, clip(0, 1, hostile, option=hostile))]},
        refused=left_out,
        failed=left_out,
        index={"id": "1", "name": hostile},
        platform={"name": hostile, "url": hostile, "embedded": False, "models": {hostile: hostile}},
        finished_at=hostile,
    )
    client = make_app(tmp_path).test_client()
    html = client.get("/").text
    tags = set(re.findall(r"<([a-z0-9]+)", html))
    assert "img" not in tags
    assert html.count("<script") == 1
    assert html.count("<article") == html.count("</article>") == 1
    assert not re.search(r'<[^>"]*\son[a-z]+=', re.sub(r'"[^"]*"', '""', html))
    assert " ".join(hostile.split()) in text_of(html.replace("<bdi>", "").replace("</bdi>", ""))
    (address,) = set(re.findall(r'src="(/videos/[^"]*)"', html))
    assert client.get(unescape(address)).data == CONTENT


def test_name_without_unicode_form_is_shown_and_not_linked(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    (tmp_path / "caf\N{REPLACEMENT CHARACTER}.mp4").write_bytes(CONTENT)
    write_run(tmp_path, tmp_path, {name: []})
    html = make_app(tmp_path).test_client().get("/").text
    assert "caf?.mp4" in html
    assert "<video" not in html


def test_no_inline_script_or_style(client: FlaskClient) -> None:
    for path in ("/", "/nowhere"):
        html = client.get(path).text
        assert "style=" not in html
        assert "<style" not in html
        assert re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL) in ([], [""])


# Results that change, miss or break


def test_page_follows_the_results(client: FlaskClient, folder: Path, videos: Path) -> None:
    assert "3 videos" in client.get("/").text
    write_run(folder, videos, {"unnamed.mp4": [found("Pets", clip(0, 1, "a dog"))]})
    assert "1 video, 1 class" in client.get("/").text
    assert client.get("/videos/unnamed.mp4").status_code == 200
    assert client.get("/videos/dogs.mp4").status_code == 404


def test_unchanged_results_are_read_once(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get("/")
    monkeypatch.setattr(results, "load_run", lambda folder: pytest.fail("read again"))
    assert client.get("/").status_code == 200
    assert client.get("/videos/dogs.mp4").status_code == 200


def test_range_is_served_without_a_search_through_the_videos(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_run = client.application.extensions[EXTENSION].judged_run()
    monkeypatch.setattr(judged_run, "run", replace(judged_run.run, videos=()))
    looks: list[Path] = []
    fingerprint = results.fingerprint
    monkeypatch.setattr(
        results, "fingerprint", lambda folder: (looks.append(folder), fingerprint(folder))[1]
    )
    answer = client.get("/videos/dogs.mp4", headers={"Range": "bytes=10-19"})
    assert (answer.status_code, answer.data) == (206, CONTENT[10:20])
    assert len(looks) == 1, "the results folder is looked at once"


def test_page_appears_once_the_results_do(tmp_path: Path) -> None:
    client = make_app(tmp_path / "later").test_client()
    answer = client.get("/")
    assert answer.status_code == 200
    assert "No results yet" in answer.text
    assert "python pipeline.py" in answer.text
    assert client.get("/videos/a.mp4").status_code == 200
    assert client.get("/videos/a.mp4").mimetype == "text/html"
    write_run(tmp_path / "later", tmp_path, {"a.mp4": []})
    assert "1 video" in client.get("/").text


def test_programs_are_told_in_json_that_there_are_no_results(
    client: FlaskClient, folder: Path, tmp_path: Path
) -> None:
    missing = make_app(tmp_path / "later").test_client().get("/api/videos/id0/clips")
    assert (missing.status_code, missing.json["error"]) == (404, "No results yet")
    assert "later" in missing.json["explanation"]
    assert missing.vary.as_set() == {"accept"}
    (folder / "clips_data.json").write_text('{"data": {"video_id": 1}}')
    broken = client.get("/api/videos/id0/clips")
    assert (broken.status_code, broken.json["error"]) == (500, "The results cannot be read")
    assert "clips_data.json" in broken.json["explanation"]


def test_broken_results_name_the_file_until_they_are_whole(
    client: FlaskClient, folder: Path, videos: Path
) -> None:
    client.get("/")
    (folder / "clips_data.json").write_text('{"data": {"video_id": 1}}')
    answer = client.get("/")
    assert answer.status_code == 500
    words = text_of(answer.text)
    assert "The results cannot be read" in words
    assert "clips_data.json: data: expected a list, got an object" in words
    assert client.get("/videos/dogs.mp4").status_code == 500
    write_run(folder, videos, {"dogs.mp4": []})
    assert client.get("/").status_code == 200


def test_a_broken_entry_is_told_beside_the_good_videos(client: FlaskClient, folder: Path) -> None:
    path = folder / "clips_data.json"
    answer = json.loads(path.read_text())
    answer["data"][0]["classes"][0]["clips"][0]["end"] = -1
    path.write_text(json.dumps(answer))
    page = client.get("/")
    words = text_of(page.text)
    assert page.status_code == 200
    assert "clips_data.json: data[0].classes[0].clips[0].end: expected a number >= 0" in words
    assert "Unreadable" in words
    assert "1 unreadable" in words


# Videos


RANGES = [
    (None, 200, None, CONTENT),
    ("bytes=0-", 206, f"bytes 0-{SIZE - 1}/{SIZE}", CONTENT),
    ("bytes=0-0", 206, f"bytes 0-0/{SIZE}", CONTENT[:1]),
    ("bytes=10-19", 206, f"bytes 10-19/{SIZE}", CONTENT[10:20]),
    ("bytes=1000-", 206, f"bytes 1000-{SIZE - 1}/{SIZE}", CONTENT[1000:]),
    ("bytes=-24", 206, f"bytes {SIZE - 24}-{SIZE - 1}/{SIZE}", CONTENT[-24:]),
    ("bytes=1000-9999", 206, f"bytes 1000-{SIZE - 1}/{SIZE}", CONTENT[1000:]),
    (f"bytes={SIZE}-", 416, f"bytes */{SIZE}", None),
    ("bytes=99999-100000", 416, f"bytes */{SIZE}", None),
    ("bytes=0-1,5-6", 200, None, CONTENT),
    ("bytes=5-1", 200, None, CONTENT),
    ("bytes=a-b", 200, None, CONTENT),
    ("seconds=0-1", 200, None, CONTENT),
]


@pytest.mark.parametrize(
    ("asked", "status", "content_range", "body"), RANGES, ids=[str(row[0]) for row in RANGES]
)
def test_ranges(
    client: FlaskClient,
    asked: str | None,
    status: int,
    content_range: str | None,
    body: bytes | None,
) -> None:
    answer = client.get("/videos/dogs.mp4", headers={"Range": asked} if asked else {})
    assert answer.status_code == status
    assert answer.headers.get("Content-Range") == content_range
    if body is not None:
        assert answer.data == body
        assert answer.headers["Content-Length"] == str(len(body))
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.mimetype == "video/mp4"


def test_unchanged_video_is_not_sent_again(client: FlaskClient, videos: Path) -> None:
    first = client.get("/videos/dogs.mp4")
    known = {"If-None-Match": first.headers["ETag"]}
    assert client.get("/videos/dogs.mp4", headers=known).status_code == 304
    same = {"Range": "bytes=0-9", "If-Range": first.headers["ETag"]}
    assert client.get("/videos/dogs.mp4", headers=same).status_code == 206
    (videos / "dogs.mp4").write_bytes(CONTENT[::-1] + b"more")
    assert client.get("/videos/dogs.mp4", headers=known).status_code == 200
    changed = client.get("/videos/dogs.mp4", headers=same)
    assert (changed.status_code, changed.data) == (200, CONTENT[::-1] + b"more")


def test_head_sends_no_body(client: FlaskClient) -> None:
    answer = client.head("/videos/dogs.mp4")
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Content-Length"] == str(SIZE)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.mp4", "video/mp4"),
        ("A.MP4", "video/mp4"),
        ("a.m4v", "video/mp4"),
        ("a.mov", "video/quicktime"),
        ("a.mkv", "video/x-matroska"),
        ("a.webm", "video/webm"),
        ("a.avi", "video/x-msvideo"),
        ("a.ts", "video/mp2t"),
        ("a.html", "application/octet-stream"),
        ("a.svg", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_media_types(tmp_path: Path, name: str, media_type: str) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    write_run(tmp_path, tmp_path, {name: []})
    answer = make_app(tmp_path).test_client().get(f"/videos/{name}")
    assert answer.mimetype == media_type
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


SECRET = b"nobody's business"

# Each row: a name in the results, made by the fixture as far as it can be.
OUTSIDE = [
    "../secret.mp4",
    "sub/../../secret.mp4",
    "link.mp4",
    "linked/secret.mp4",
    "circle.mp4",
    "sub",
    "",
    ".",
    "..",
    "zero\0byte.mp4",
    "long" * 100 + ".mp4",
    "C:\\secret.mp4",
    "..\\secret.mp4",
]


@pytest.mark.parametrize("name", [*OUTSIDE, "absolute"])
def test_nothing_outside_the_videos_folder_even_where_results_name_it(
    tmp_path: Path, videos: Path, name: str
) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(SECRET)
    (videos / "link.mp4").symlink_to(secret)
    (videos / "linked").symlink_to(tmp_path)
    (videos / "circle.mp4").symlink_to("circle.mp4")
    name = str(secret) if name == "absolute" else name
    client = make_app(write_run(tmp_path / "results", videos, {name: []})).test_client()
    assert "<video" not in client.get("/").text
    for path in (f"/videos/{name}", f"/videos/{quote(name, safe='')}"):
        answer = client.get(path.replace("\0", "%00"), follow_redirects=True)
        assert answer.status_code == 404
        assert SECRET not in answer.data


def test_links_within_the_videos_folder_are_followed(tmp_path: Path, videos: Path) -> None:
    (videos / "alias.mp4").symlink_to("dogs.mp4")
    (tmp_path / "linked").symlink_to(videos)
    folder = write_run(tmp_path / "results", tmp_path / "linked", {"alias.mp4": []})
    assert make_app(folder).test_client().get("/videos/alias.mp4").data == CONTENT


@pytest.mark.parametrize("name", ["unnamed.mp4", "DOGS.MP4", "sub", "dogs.mp4/", "./dogs.mp4"])
def test_only_named_videos_are_served(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/videos/{name}")
    assert answer.status_code == 404
    assert "Back to the results" in answer.text


def test_videos_folder_is_given_or_of_the_run_or_of_the_settings(
    tmp_path: Path, videos: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_byte(**config: object) -> bytes:
        return make_app(folder, **config).test_client().get("/videos/dogs.mp4").data[:1]

    for name in ("given", "set"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dogs.mp4").write_bytes(name.encode())
    monkeypatch.setenv("VIDEOS_DIR", "set")
    assert first_byte(VIDEOS_DIR=tmp_path / "given") == b"g"
    assert first_byte() == CONTENT[:1]
    videos.rename(tmp_path / "moved")
    assert first_byte() == b"s"


# Who is answered, and with what headers


@pytest.mark.parametrize("path", ["/", "/videos/dogs.mp4", "/static/page.css", "/nowhere"])
def test_security_headers_are_on_every_answer(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Set-Cookie" not in headers


def test_templates_call_nothing_but_macros_and_url_for(folder: Path) -> None:
    app = make_app(folder)
    assert app.jinja_loader
    for template in app.jinja_loader.list_templates():
        source, _, _ = app.jinja_loader.get_source(app.jinja_env, template)
        called = [call.node for call in app.jinja_env.parse(source).find_all(nodes.Call)]
        methods = [node for node in called if not isinstance(node, nodes.Name)]
        assert not methods, f"{template}: what it shows is worked out in Python"


def test_no_template_lets_text_through_unescaped() -> None:
    templates = sorted(Path(page.__file__).with_name("templates").iterdir())
    assert templates
    for template in templates:
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape", text), template.name


HOSTS = [
    ("127.0.0.1", "127.0.0.1:5000", True),
    ("127.0.0.1", "localhost:5000", True),
    ("127.0.0.1", "LOCALHOST", True),
    ("127.0.0.1", "[::1]:5000", True),
    ("::1", "[::1]:5000", True),
    ("localhost", "127.0.0.1", True),
    ("127.0.0.1", "evil.example", False),
    ("127.0.0.1", "localhost.evil.example", False),
    ("127.0.0.1", "127.0.0.1.evil.example:5000", False),
    ("127.0.0.1", "evil.example@127.0.0.1", False),
    ("127.0.0.1", "192.168.1.2", False),
    ("127.0.0.1", "[::1", False),
    ("::1", "a b", False),
    ("localhost", "", False),
    ("0.0.0.0", "videos.example:5000", True),
    ("192.168.1.2", "192.168.1.2:5000", True),
]


@pytest.mark.parametrize(("listening", "host", "answered"), HOSTS)
def test_host_names(folder: Path, listening: str, host: str, answered: bool) -> None:
    client = make_app(folder, HOST=listening).test_client()
    for path in ("/", "/videos/dogs.mp4", "/static/page.css"):
        status = client.get(path, headers={"Host": host}).status_code
        assert status == 200 if answered else status in (400, 421)


def test_only_reading_is_allowed(client: FlaskClient) -> None:
    answer = client.post("/")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert "Method Not Allowed" in answer.text


# The command


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(write_example(tmp_path_factory.mktemp("example"))) as url:
        yield urlsplit(url).netloc


@pytest.fixture
def server(address: str) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(address, timeout=10)
    yield connection
    connection.close()


def fetch(
    server: http.client.HTTPConnection, path: str, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    server.request("GET", path, headers=headers)
    answer = server.getresponse()
    return answer, answer.read()


def test_command_serves_page_and_ranges(server: http.client.HTTPConnection) -> None:
    answer, body = fetch(server, "/")
    assert answer.status == 200
    assert "3 videos" in body.decode()
    for asked, status, content_range, expected in RANGES:
        answer, body = fetch(server, "/videos/dogs.mp4", **({"Range": asked} if asked else {}))
        assert (answer.status, answer.headers.get("Content-Range")) == (status, content_range)
        assert expected in (body, None)


@pytest.mark.parametrize(
    "path",
    [
        "/videos/../results/run.json",
        "/videos/..%2fresults%2frun.json",
        "/videos/%2e%2e/results/run.json",
        "/videos/..%5cresults%5crun.json",
        "/videos//etc/passwd",
        "/videos/%2fetc%2fpasswd",
        "/videos/dogs.mp4%00.txt",
        "/videos/%ff%fe",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
    ],
)
def test_command_serves_no_other_file(server: http.client.HTTPConnection, path: str) -> None:
    answer, body = fetch(server, path)
    assert answer.status in (308, 404)
    assert b"thresholds" not in body
    assert b"root:" not in body
    assert b"create_app" not in body


def test_interrupt_stops_it_quietly(folder: Path, ctrl_c: signal.Signals) -> None:
    command = [sys.executable, str(Path(page.__file__)), "--results", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(ctrl_c)
        _, complaints = process.communicate(timeout=20)
    assert (process.returncode, complaints) == (0, "")


def test_paused_players_do_not_keep_others_from_the_page(folder: Path, videos: Path) -> None:
    with (videos / "dogs.mp4").open("wb") as film:
        film.truncate(200_000_000)
    with served(folder) as url, ExitStack() as stack:
        address = (urlsplit(url).hostname, urlsplit(url).port)
        for _ in range(4 * page.SERVER_THREADS):
            player = stack.enter_context(socket.create_connection(address, timeout=10))
            player.sendall(b"GET /videos/dogs.mp4 HTTP/1.1\r\nHost: localhost\r\n")
            player.sendall(b"Range: bytes=100-\r\n\r\n")
            assert player.recv(12) == b"HTTP/1.1 206"
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        assert fetch(connection, "/")[0].status == 200
        connection.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "many"], "--port='many' must be a whole number from 0 to 65535"),
        (["--port", "65536"], "--port='65536' must be a whole number from 0 to 65535"),
        (["--results", ""], "--results is empty"),
        (["--engine-data-dir", ""], "--engine-data-dir is empty"),
    ],
)
def test_wrong_options_are_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert page.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_prompt_lab_has_the_engine_data_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_DATA_DIR", "set")
    made: list[Mapping[str, Any]] = []

    def note(config: Mapping[str, Any]) -> Flask:
        made.append(config)
        return Flask("noted")

    monkeypatch.setattr(page, "create_app", note)
    monkeypatch.setattr(waitress, "serve", lambda *_, **__: None)
    for arguments in ([], ["--engine-data-dir", "given"]):
        assert page.main(["--port", "0", *arguments]) == 0
    assert [config["SETTINGS"].engine_data_dir for config in made] == [Path("set"), Path("given")]


def test_wrong_setting_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "-1")
    assert page.main([]) == 2
    assert "PORT='-1' must be a whole number from 0 to 65535" in capsys.readouterr().err


def test_port_in_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert page.main(["--port", str(port)]) == 2
    assert f"Cannot listen on 127.0.0.1, port {port}" in capsys.readouterr().err
