"""The prompt lab: drafts on the real engine, comparison, and who may change something."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image

import app as page
import pipeline
from core.classes import ClassesError
from core.errors import UserError
from core.settings import Settings
from core.types import Video
from engine.server import EngineOptions, running_engine
from page.lab import drafts as lab
from page.lab.comparison import Hits, compare_versions
from page.lab.form import ClassRow, LabForm, edit, imported, read_form
from store import results
from store.judged_run import load_judged_run
from store.media import Media
from store.records import LeftOut, VideoDetails
from tests.support.media import write_video
from tests.support.pages import clip, found, write_run
from twelvelabs_client import TwelveLabsClient

FORM = LabForm(
    (ClassRow("Pets", "a dog\n\n a cat "), ClassRow("", ""), ClassRow("Home", "a sofa")),
    ("visual",),
    "semantic",
    {"min_clip_score": "50", "min_video_score": "", "min_duration_ratio": "0.1"},
)


# The form


@pytest.mark.parametrize(
    ("action", "names"),
    [
        ("add", ["Pets", "", "Home", ""]),
        ("remove:0", ["", "Home"]),
        ("up:2", ["Pets", "Home", ""]),
        ("down:0", ["", "Pets", "Home"]),
        ("up:0", ["Pets", "", "Home"]),
        ("down:2", ["Pets", "", "Home"]),
        ("remove:9", ["Pets", "", "Home"]),
        ("remove:x", ["Pets", "", "Home"]),
        ("dance", ["Pets", "", "Home"]),
    ],
)
def test_buttons_edit_the_rows(action: str, names: list[str]) -> None:
    assert [row.name for row in edit(FORM, action).rows] == names


def test_request_leaves_empty_rows_and_lines_out() -> None:
    request = FORM.request()
    assert [(each.name, each.prompts) for each in request.classes] == [
        ("Pets", ("a dog", "a cat")),
        ("Home", ("a sofa",)),
    ]
    assert request.thresholds.min_clip_score == 50
    assert request.thresholds.min_video_score == 75


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        (replace(FORM, options=()), "no evidence is selected"),
        (replace(FORM, rows=()), "it contains no class"),
        (replace(FORM, rows=(ClassRow("Pets", ""),)), "has no prompts"),
        (replace(FORM, rows=(ClassRow("", "a dog"),)), "the name of class 1 is empty"),
        (replace(FORM, thresholds={"min_clip_score": "101"}), "min_clip_score must be"),
    ],
)
def test_mistakes_are_named(form: LabForm, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        form.request()


def test_import_takes_a_classes_file_and_says_what_is_wrong_with_others() -> None:
    taken = imported(FORM, b'{"classes": [{"name": "A", "prompts": ["x", "y"]}]}')
    assert taken.rows == (ClassRow("A", "x\ny"),)
    for content in (b"", b"[", b"\xff", b'{"classes": []}'):
        with pytest.raises(ClassesError):
            imported(FORM, content)


def test_form_survives_what_anyone_posts() -> None:
    form = read_form({"name": ["a", "b"], "prompts": ["x"], "options": ["smell"]})
    assert (form.rows, form.options) == ((ClassRow("a", "x"),), ())


# Asking


class Platform(TwelveLabsClient):
    """A platform whose index holds some videos; it classifies none of them."""

    def __init__(self, *held: str, **unclassified: str) -> None:
        super().__init__("http://127.0.0.1:1/v1.2")
        self.held, self.unclassified = held, unclassified

    def videos(self, index_id: str, **filters: Any) -> Iterator[Video]:
        return map(Video, self.held)

    def classify_index(self, *arguments: Any, **options: Any) -> list[dict[str, Any]]:
        return []


@pytest.mark.parametrize(
    ("platform", "left_out"),
    [
        (Platform("id0", "id1", "id7"), []),
        (Platform("id1"), [("a.mp4", lab.GONE, "id0")]),
        (Platform("id0", "id1", id0="it has no sound"), [("a.mp4", "it has no sound", "id0")]),
    ],
)
def test_videos_that_cannot_be_classified_are_left_out_by_name(
    tmp_path: Path, platform: Platform, left_out: list[tuple[str, str, str]]
) -> None:
    before = [{"video_name": "tape.mp4", "reason": "broken"}]
    write_run(tmp_path, tmp_path, {"a.mp4": [], "b.mp4": []}, failed=before)
    draft = lab.run_draft(tmp_path, platform, FORM.request())
    run = lab.load_version(tmp_path, draft).run
    missing = [LeftOut(*entry) for entry in left_out]
    assert run.failed == (LeftOut("tape.mp4", "broken"), *missing)
    assert len(run.videos) == run.counts["classified"] == 2 - len(left_out)
    assert lab.video_ids(run) == {"id0", "id1"}


def test_a_video_whose_results_cannot_be_read_is_left_out_and_never_lost(tmp_path: Path) -> None:
    write_run(tmp_path, tmp_path, {"a.mp4": [], "b.mp4": []}, durations={"a.mp4": 5, "b.mp4": 5})
    path = tmp_path / "run.json"
    run = json.loads(path.read_text())
    run["details"]["id1"]["fps"] = -1
    path.write_text(json.dumps(run))
    broken = path.read_bytes()
    draft = lab.run_draft(tmp_path, Platform("id0", "id1"), FORM.request())
    found = lab.load_version(tmp_path, draft).run
    reason = "run.json: details.id1.fps: expected a number >= 0.0"
    assert found.failed == (LeftOut("b.mp4", reason, "id1"),)
    assert [video.video_id for video in found.videos] == ["id0"]
    saved = lab.promote(tmp_path, draft)
    assert (tmp_path / "lab" / saved / "run.json").read_bytes() == broken


@pytest.mark.parametrize(
    ("platform", "why"),
    [
        (Platform(), "2 left out: no longer in the index"),
        (
            Platform("id0", id0="it has no sound"),
            "2 left out: it has no sound; no longer in the index",
        ),
    ],
)
def test_no_draft_is_made_where_no_video_can_be_classified(
    tmp_path: Path, platform: Platform, why: str
) -> None:
    write_run(tmp_path, tmp_path, {"b.mp4": [], "a.mp4": []})
    with pytest.raises(lab.LabError, match=f"{why}.*: run pipeline.py again"):
        lab.run_draft(tmp_path, platform, FORM.request())
    assert lab.drafts(tmp_path) == []


# Comparing


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two versions over the same videos."""
    dog, cat = clip(0, 5, "a dog", 90), clip(5, 6, "a small cat on a red sofa", 70)
    names = {"dog.mp4": [], "cat.mp4": [], "none.mp4": []}
    lengths = dict.fromkeys(names, 10.0)
    old = {**names, "dog.mp4": [found("Pets", dog)], "cat.mp4": [found("Home", dog, score=80)]}
    new = {
        **names,
        "dog.mp4": [found("Pets", dog, score=85)],
        "cat.mp4": [found("Pets", cat, score=77)],
    }
    for place, videos in (("old", old), ("new", new)):
        write_run(tmp_path / place, tmp_path, videos, all_clips=videos, durations=lengths)
    return tmp_path / "old", tmp_path / "new"


def test_comparison_tells_gains_losses_and_hits(two: tuple[Path, Path]) -> None:
    compared = compare_versions(*(load_judged_run(folder) for folder in two))
    cat, dog = compared.changes
    assert (cat.gained, cat.lost) == ((("Pets", 77.0),), (("Home", 80.0),))
    assert dog.moved == (("Pets", 91.0, 85.0),)
    assert compared.unchanged == 1
    hits = {(row.class_name, row.prompt): row for row in compared.prompts}
    long = hits["Pets", "a small cat on a red sofa"]
    assert (long.length, long.before) == ("long", None)
    assert long.after == Hits(1, 1, 70.0)
    assert hits["Home", "a dog"].after is None
    assert [(row.length, row.prompts) for row in compared.lengths_after] == [
        ("short", 1),
        ("long", 1),
    ]


def test_promoted_draft_changes_places_with_the_results(
    two: tuple[Path, Path],
) -> None:
    folder, draft = two
    draft_id = "20260102-030405-abcdef"
    shutil.copytree(draft, folder / "lab" / draft_id)
    before = results.read_result(folder, "clips_data")
    saved = lab.promote(folder, draft_id)
    assert results.read_result(folder, "clips_data") == results.read_result(draft, "clips_data")
    assert lab.drafts(folder) == [saved]
    assert results.read_result(folder / "lab" / saved, "clips_data") == before
    lab.delete(folder, saved)
    assert lab.drafts(folder) == []


def test_draft_about_other_videos_is_not_promoted_and_said_to_be_outdated(tmp_path: Path) -> None:
    videos = {"a.mp4": [found("Pets", clip(0, 5, "a dog"))], "b.mp4": []}
    write_run(tmp_path, tmp_path, videos)
    draft = lab.run_draft(tmp_path, Platform("id0"), FORM.request())
    client = page.create_app({"RESULTS_DIR": tmp_path, "TESTING": True}).test_client()
    compared = client.get(f"/lab/compare?after={draft}").text
    assert "Outdated" not in compared
    assert compared.count("Promote to results") == 1

    write_run(tmp_path, tmp_path, {**videos, "c.mp4": []})
    compared = client.get(f"/lab/compare?after={draft}").text
    assert compared.count("Outdated") == 1
    assert "Promote to results" not in compared
    answer = client.post("/lab/promote", data={"version": draft, "csrf_token": token_of(client)})
    assert answer.status_code == 409
    assert "the videos have changed since this draft was made: edit and run it again" in answer.text
    assert len(results.load_run(tmp_path).videos) == 3
    assert lab.drafts(tmp_path) == [draft]


def test_draft_without_some_videos_is_promoted_and_undone(tmp_path: Path) -> None:
    write_run(tmp_path, tmp_path, {"a.mp4": [], "b.mp4": []})
    saved = lab.promote(tmp_path, lab.run_draft(tmp_path, Platform("id1"), FORM.request()))
    assert [entry.video_name for entry in results.load_run(tmp_path).failed] == ["a.mp4"]
    lab.promote(tmp_path, saved)
    assert len(results.load_run(tmp_path).videos) == 2


def test_drafts_of_one_minute_have_names_of_their_own(two: tuple[Path, Path]) -> None:
    folder, draft = two
    for second in ("05", "59"):
        shutil.copytree(draft, folder / "lab" / f"20260102-0304{second}-abcdef")
    client = page.create_app({"RESULTS_DIR": folder, "TESTING": True}).test_client()
    for shown in (client.get("/lab").text, client.get("/lab/compare").text):
        assert "Draft of 2 January 2026, 03:04:05 UTC" in shown
        assert "Draft of 2 January 2026, 03:04:59 UTC" in shown
        assert "took" not in shown, "indexing would be compared with asking"


@pytest.mark.parametrize(
    "version", ["", "..", "../old", "20260102-030405-abcdef", "x", "current/.."]
)
def test_only_drafts_are_promoted_and_deleted(two: tuple[Path, Path], version: str) -> None:
    folder, _ = two
    for act in (lab.promote, lab.delete, lab.load_version):
        with pytest.raises(lab.LabError):
            act(folder, version)
    with pytest.raises(lab.LabError):
        lab.delete(folder, lab.CURRENT)
    assert load_judged_run(folder).run.videos


# The page, with the engine


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results of the pipeline and the engine's data."""
    place = tmp_path_factory.mktemp("lab")
    (place / "videos").mkdir()
    write_video(place / "videos" / "red.mp4", seconds=5, fps=5, size=(640, 480), fill=(200, 0, 0))
    classes = [{"name": "Pets", "prompts": ["a dog"]}]
    (place / "classes.json").write_text(json.dumps(classes))
    options = {
        "--videos": "videos",
        "--classes": "classes.json",
        "--results": "results",
        "--engine-data-dir": "data",
        "--options": "visual",
    }
    arguments = [
        part
        for option, value in options.items()
        for part in (option, value if option == "--options" else str(place / value))
    ]
    assert pipeline.main(arguments) == 0
    return place


def test_pipeline_keeps_pictures_and_every_clip(indexed: Path) -> None:
    judged_run = load_judged_run(indexed / "results")
    (video,) = judged_run.run.videos
    assert judged_run.run.details[video.video_id] == VideoDetails(5.0, 5.0)
    assert judged_run.has_all_clips
    picture = Media(indexed / "results").picture(video.video_id, 2)
    assert picture
    red, green, blue = Image.open(io.BytesIO(picture)).convert("RGB").getpixel((9, 9))
    assert red > 150 > max(green, blue)


@pytest.fixture
def client(indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(indexed / "results", tmp_path / "results")
    settings = replace(Settings(), engine_data_dir=indexed / "data")
    config = {"RESULTS_DIR": tmp_path / "results", "SETTINGS": settings, "TESTING": True}
    return page.create_app(config).test_client()


def token_of(client: FlaskClient) -> str:
    match = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/lab").text)
    assert match
    return match[1]


POSTED = {
    "name": ["Anything", "Pets"],
    "prompts": ["a dog\na very long prompt about a screen of one colour", "a cat"],
    "options": ["visual"],
    "min_clip_score": "0",
    "min_video_score": "0",
    "min_duration_ratio": "0",
    "action": "run",
}


def test_draft_is_run_compared_and_promoted(client: FlaskClient, tmp_path: Path) -> None:
    token = token_of(client)
    answer = client.post("/lab", data={**POSTED, "csrf_token": token})
    assert answer.status_code == 303, unescape(answer.text)
    (draft,) = lab.drafts(tmp_path / "results")
    shown = client.get(answer.headers["Location"]).text
    assert "Promote to results" in shown
    assert "a very long prompt" in shown
    promoted = client.post("/lab/promote", data={"version": draft, "csrf_token": token})
    assert promoted.status_code == 303
    assert "1 video, 2 classes" in client.get("/").text
    run = results.load_run(tmp_path / "results")
    assert [each.name for each in run.request.classes] == ["Anything", "Pets"]
    (before,) = lab.drafts(tmp_path / "results")
    assert (
        client.post("/lab/delete", data={"version": before, "csrf_token": token}).status_code == 303
    )
    assert lab.drafts(tmp_path / "results") == []


def test_engine_in_use_elsewhere_is_said(client: FlaskClient, indexed: Path) -> None:
    token = token_of(client)
    with running_engine(EngineOptions(indexed / "data")):
        answer = client.post("/lab", data={**POSTED, "csrf_token": token})
    assert answer.status_code == 503
    words = unescape(answer.text)
    assert "Another engine is using" in words
    assert "a very long prompt" in words, "what was typed is still there"


def test_videos_gone_from_the_index_are_told(client: FlaskClient, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    run = json.loads((folder / "run.json").read_text())
    names = results.read_result(folder, "video_id_name_list")
    gone = {"video_id": "gone", "video_name": "gone.mp4"}
    empty: dict[str, Any] = {"data": []}
    answers = dict.fromkeys(("duration_data", "clips_data", "all_clips"), empty)
    results.write_results(folder, {"video_id_name_list": [*names, gone], **answers}, run)
    request = {**POSTED, "csrf_token": token_of(client)}
    answer = client.post("/lab", data=request, follow_redirects=True)
    assert answer.status_code == 200
    words = " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())
    assert f"1 of 2 videos could not be classified gone.mp4 {lab.GONE}" in words
    (draft,) = lab.drafts(folder)

    results.write_results(folder, {"video_id_name_list": [gone], **answers}, run)
    answer = client.post("/lab", data=request)
    assert answer.status_code == 409
    assert "No draft: none of the videos can be classified (1 left out:" in unescape(answer.text)
    assert "a very long prompt" in answer.text, "what was typed is still there"

    run["index"] = {"id": "64f000000000000000000000", "name": "elsewhere"}
    results.write_results(folder, {"video_id_name_list": [gone], **answers}, run)
    answer = client.post("/lab", data=request)
    assert answer.status_code == 409
    assert "no index 'elsewhere' with these videos: start app.py with the" in unescape(answer.text)
    assert lab.drafts(folder) == [draft]


@pytest.mark.parametrize("path", ["/lab", "/lab/promote", "/lab/delete"])
@pytest.mark.parametrize("token", ["", "guessed", None])
def test_nothing_is_changed_without_the_token(
    client: FlaskClient, tmp_path: Path, path: str, token: str | None
) -> None:
    token_of(client)
    data = POSTED | ({"csrf_token": token} if token is not None else {})
    answer = client.post(path, data=data)
    assert answer.status_code == 403
    assert lab.drafts(tmp_path / "results") == []


def test_token_is_of_one_visitor(client: FlaskClient) -> None:
    token = token_of(client)
    cookie = client.get_cookie("video_classification_lab")
    assert cookie
    assert cookie.http_only
    assert cookie.same_site == "Strict"
    stranger = client.application.test_client()
    assert stranger.post("/lab", data={**POSTED, "csrf_token": token}).status_code == 403


def test_mistake_keeps_the_form(client: FlaskClient) -> None:
    data = {**POSTED, "csrf_token": token_of(client), "prompts": ["", "a cat"]}
    answer = client.post("/lab", data=data)
    assert answer.status_code == 400
    assert "has no prompts" in unescape(answer.text)
    assert 'value="Anything"' in answer.text


def test_classes_go_out_and_come_in(client: FlaskClient) -> None:
    token = token_of(client)
    out = client.post("/lab", data={**POSTED, "csrf_token": token, "action": "export"})
    assert out.headers["Content-Disposition"] == "attachment; filename=classes.json"
    assert [each["name"] for each in json.loads(out.text)["classes"]] == ["Anything", "Pets"]
    file = (io.BytesIO(b'[{"name": "New", "prompts": ["p"]}]'), "classes.json")
    data = {"csrf_token": token, "action": "import", "file": file}
    assert 'value="New"' in client.post("/lab", data=data).text


@pytest.mark.parametrize("file", [{}, {"file": (io.BytesIO(), "")}])
def test_import_without_a_file_says_to_choose_one(
    client: FlaskClient, file: dict[str, Any]
) -> None:
    data = {**POSTED, "csrf_token": token_of(client), "action": "import", **file}
    answer = client.post("/lab", data=data, content_type="multipart/form-data")
    assert answer.status_code == 400
    assert "Not imported: choose a file first" in answer.text
    assert "a very long prompt" in answer.text, "what was typed is still there"


def test_report_is_one_file_that_needs_no_server(client: FlaskClient) -> None:
    text = client.get("/report").text
    assert "attachment" in client.get("/report").headers["Content-Disposition"]
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert "<script" not in text
    assert "red.mp4" in text
