"""What the page says about a run: order, words, rounding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app import create_app
from core.classes import PromptClass
from core.classification import ClassScore, Clip, Thresholds
from core.types import ClassifyRequest
from page import formatting, overview
from page.links import ServedVideos
from page.query import ViewQuery
from page.summary import HUES
from store.judged_run import JudgedRun
from store.media import Media
from store.records import LeftOut, Run, RunPlatform, VideoResult
from tests.support.paths import ROOT

STYLESHEET = ROOT / "static" / "page.css"


def clip(start: float, end: float, score: float, prompt: str, option: str = "visual") -> Clip:
    return Clip(start, end, score, option, prompt)


PETS = ClassScore(
    "Pets",
    91.5,
    0.754,
    (
        clip(0.5, 4.2, 90.4, "a dog"),
        clip(9, 12, 88, "a dog"),
        clip(61, 3725, 80.6, "a cat", "conversation"),
        clip(2, 3, 70, "a pet", "text_in_video"),
        clip(2, 3, 66, "fur"),
    ),
    90.4,
    80,
)
HOME = ClassScore("Home", 80, 0.5, (clip(1, 2, 85, "a pet"), clip(1, 2, 70, "a sofa")), 85, 77.5)

RUN = Run(
    request=ClassifyRequest(
        (
            PromptClass("Pets", ("a dog", "a cat", "a pet", "fur")),
            PromptClass("Home", ("a pet", "a sofa")),
        ),
        ("visual", "conversation", "text_in_video"),
        "exact_match",
        Thresholds(75, 65, 0.5),
    ),
    index_id="64f0",
    index_name="mine",
    platform=RunPlatform("Embedded engine", "http://127.0.0.1:1", True, {"visual": "net"}),
    videos_dir=Path("classify"),
    counts={"videos": 4, "uploaded": 3, "already_indexed": 1},
    refused=(LeftOut("notes.mp4", "not a video"),),
    failed=(LeftOut("old/tape.avi", "broken"),),
    started_at="2026-01-02T03:04:05Z",
    finished_at="2026-01-02T03:05:17Z",
    elapsed_s=72.4,
    details={},
    videos=(
        VideoResult("1", "none b.mp4", ()),
        VideoResult("2", "none a.mp4", ()),
        VideoResult("3", "home.mp4", (HOME,)),
        VideoResult("4", "a/b/pets.mp4", (PETS, HOME)),
    ),
)


def view(run: Run = RUN) -> overview.PageView:
    app = create_app({"RESULTS_DIR": "nowhere"})
    videos = ServedVideos(Path("nowhere"), Media(Path("nowhere")))
    with app.test_request_context():
        return overview.page_view(JudgedRun(run), ViewQuery(run.request.thresholds), videos)


def test_videos_with_the_best_class_come_first_those_without_one_last() -> None:
    page = view()
    assert [card.video.name for card in page.cards] == [
        "a/b/pets.mp4",
        "home.mp4",
        "none a.mp4",
        "none b.mp4",
    ]
    assert (page.cards[0].folder, page.cards[0].file_name) == ("a/b/", "pets.mp4")
    assert len({card.anchor for card in page.cards}) == 4


def test_headline_classes_and_counts() -> None:
    run = view().run
    assert run.headline == "4 videos, 2 classes"
    assert [(c.name, c.hue, c.video_count) for c in run.classes] == [("Pets", 0, 1), ("Home", 1, 2)]
    assert run.counts == (
        (4, "classified"),
        (2, "with a class"),
        (2, "without one"),
        (1, "refused"),
        (1, "failed"),
    )
    assert run.left_out == (
        ("notes.mp4", "Refused", "not a video"),
        ("old/tape.avi", "Failed", "broken"),
    )


def test_videos_whose_results_cannot_be_read_are_left_out_with_the_repair() -> None:
    lost = LeftOut("lost.mp4", "clips_data.json: data[0].classes: expected a list, got null", "9")
    run = view(replace(RUN, unreadable=(lost,))).run
    assert run.counts[-1] == (1, "unreadable")
    assert run.left_out[-1] == ("lost.mp4", "Unreadable", f"{lost.reason}: run pipeline.py again")


def test_facts_say_how_the_videos_were_judged() -> None:
    assert dict(view().run.facts) == {
        "Evidence": ("picture, speech (by exact words), text on screen",),
        "Thresholds": (
            "class score at least 75, coverage at least 50%",
            "clip score at least 65",
        ),
        "Platform": ("Embedded engine, on this machine", "index mine"),
        "Models": ("picture: net",),
        "Run": (
            "finished 2 January 2026, 03:05 UTC",
            "took 1 min 12 s",
            "3 uploaded, 1 already indexed",
        ),
    }


def test_hosted_platform_is_shown_with_its_address() -> None:
    hosted = RunPlatform("Twelve Labs", "https://api.example/v1.2", False, {})
    facts = dict(view(replace(RUN, platform=hosted)).run.facts)
    assert facts["Platform"][0] == "Twelve Labs, https://api.example/v1.2"
    assert "Models" not in facts
    assert "Scores" not in facts


def test_scores_that_are_not_the_platforms_own_are_labelled() -> None:
    derived = RunPlatform("T", "https://api.example/v1.3", False, {}, "self-rated")
    facts = dict(view(replace(RUN, platform=derived)).run.facts)
    assert facts["Scores"] == ("self-rated",)


def test_other_videos_in_the_index_are_counted() -> None:
    facts = dict(view(replace(RUN, counts={"other_videos_in_index": 2})).run.facts)
    assert facts["Platform"][1:] == ("index mine", "2 other videos in it not shown")


def test_card_shows_every_class_and_the_three_best_clips_with_distinct_prompts() -> None:
    card = view().cards[0]
    assert card.video.classes == (PETS, HOME)
    assert [(shown.clip, shown.class_names) for shown in card.clips] == [
        (clip(0.5, 4.2, 90.4, "a dog"), ("Pets",)),
        (clip(1, 2, 85, "a pet"), ("Pets", "Home")),
        (clip(61, 3725, 80.6, "a cat", "conversation"), ("Pets",)),
    ]
    assert card.clip_count == 7


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("{{ 91.5 | points }} {{ 90.4 | points }} {{ 80.6 | points }}", "92 90 81"),
        ("{{ 79.9 | points_reached }}", "79"),
        ("{{ 0.754 | percent }}", "75%"),
        ("{{ 61 | span(3725) }}", "1:01\N{EN DASH}1:02:05"),
        ("{{ 0.5 | seconds }}", "0.5"),
        ("{{ 1234 | thousands }}", "1,234"),
        ("{{ 65.0 | number }} {{ 0.25 | number }}", "65 0.25"),
        ("{{ 2 | one_decimal }}", "2.0"),
        ("{{ 1 | counted('class') }}", "1 class"),
        ("{{ 'conversation' | evidence }}", "speech"),
        ("{{ 30.03 | clock }}", "0:30"),
    ],
)
def test_templates_format_numbers_by_filters(expression: str, shown: str) -> None:
    app = create_app({"RESULTS_DIR": "nowhere"})
    assert app.jinja_env.from_string(expression).render() == shown


def test_many_classes_share_the_colours() -> None:
    many = tuple(PromptClass(f"class {n}", ("a",)) for n in range(30))
    run = view(replace(RUN, request=replace(RUN.request, classes=many))).run
    assert {each.hue for each in run.classes} == set(range(HUES))


def test_stylesheet_has_every_hue_in_both_schemes() -> None:
    css = STYLESHEET.read_text(encoding="utf-8")
    for hue in range(HUES):
        assert f".hue-{hue} {{ --hue: var(--hue-{hue}); }}" in css
        assert css.count(f"--hue-{hue}: #") == 2
    assert f"hue-{HUES}" not in css


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (7, "0:07"), (59, "0:59"), (60, "1:00"), (754, "12:34"), (3600, "1:00:00")],
)
def test_clock(seconds: int, shown: str) -> None:
    assert formatting.clock(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "plain"),
    [
        (0, "0"),
        (12.0, "12"),
        (3.25, "3.25"),
        (0.00001, "0"),
        (100.1239, "100.124"),
        (1e6, "1000000"),
    ],
)
def test_plain_seconds(seconds: float, plain: str) -> None:
    assert formatting.plain_seconds(seconds) == plain


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00"),
        (0.04, "0:00"),
        (6.5, "0:07"),
        (30.03, "0:30"),
        (59.95, "1:00"),
        (3600, "1:00:00"),
    ],
)
def test_clips_and_videos_end_by_the_same_clock(seconds: float, shown: str) -> None:
    assert formatting.end_clock(seconds) == shown
    assert formatting.span(0, seconds) == f"0:00\N{EN DASH}{shown}"


@pytest.mark.parametrize(
    ("seconds", "readable"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (72.4, "1 min 12 s"), (7322, "2 h 2 min")],
)
def test_readable_duration(seconds: float, readable: str) -> None:
    assert formatting.readable_duration(seconds) == readable


@pytest.mark.parametrize(
    ("time", "readable"),
    [
        ("2026-11-22T15:00:22Z", "22 November 2026, 15:00 UTC"),
        ("2026-11-22T15:00:22.123456+00:00", "22 November 2026, 15:00 UTC"),
        ("2026-11-22T15:00:22+02:00", "22 November 2026, 15:00 UTC+02:00"),
        ("yesterday", "yesterday"),
        ("", ""),
    ],
)
def test_readable_time(time: str, readable: str) -> None:
    assert formatting.readable_time(time) == readable


def test_readable_time_to_the_second() -> None:
    readable = formatting.readable_time("2026-11-22T15:00:02Z", "%H:%M:%S")
    assert readable == "22 November 2026, 15:00:02 UTC"


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (1, "class", "1 class"),
        (2, "class", "2 classes"),
        (0, "video", "0 videos"),
        (1000, "video", "1,000 videos"),
    ],
)
def test_counted(number: int, noun: str, words: str) -> None:
    assert formatting.counted(number, noun) == words


def test_unknown_option_is_said_as_it_is() -> None:
    assert formatting.evidence_word("brand_logo") == "brand logo"


@pytest.mark.parametrize(
    ("linked", "asked", "shown"),
    [
        ("id0", 0, 1),
        ("id11", 0, 1),  # the last card of its page
        ("id12", 0, 2),
        ("id23", 0, 2),
        ("id24", 0, 3),
        ("gone", 0, 1),
        ("", 0, 1),
        ("id0", 2, 2),
        ("", 9, 3),
    ],
)
def test_page_of_the_linked_video_is_shown(linked: str, asked: int, shown: int) -> None:
    videos = [VideoResult(f"id{place}", f"{place:02}.mp4", ()) for place in range(25)]
    query = ViewQuery(Thresholds(75, 65, 0.5), video_id=linked, page=asked)
    assert overview.PER_PAGE["video"] == 12
    assert overview.find_page(videos, query) == (shown, 3)
