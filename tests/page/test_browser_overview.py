"""The overview in a real browser: sliders, lanes, drawer, keys, links, with and without scripts."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from core.types import HEARD, TimedText
from store.media import media_path, write_media
from tests.support.browsing import LOW_CONTRAST, wait_until_playing
from tests.support.media import write_video
from tests.support.pages import clip, found, served, write_run

LENGTH_S = 12
NAMES = ["dogs.mp4", "sofa.mp4", *(f"{number:02}.mp4" for number in range(20))]
MANY = [clip(n / 20, n / 20 + 0.5, "a spot", 40 + n / 10) for n in range(120)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("overview")
    (place / "videos").mkdir()
    film = write_video(place / "film.mp4", seconds=LENGTH_S, fps=10, size=(320, 192), gop=10)
    for name in NAMES:
        shutil.copy(film, place / "videos" / name)
    pets = found(
        "Pets",
        clip(3, 5, "a dog", 95),
        clip(8, 10, "talk of dogs", 88, "conversation"),
        score=97,
        ratio=0.6,
    )
    home = found("Home", clip(6, 9, "a sofa", 93), score=90)
    shy = found("Pets", clip(1, 7, "a dog", 50), score=50)
    videos: dict[str, list[Any]] = {"dogs.mp4": [pets], "sofa.mp4": [home]}
    weak = found("Pets", *pets["clips"], *MANY)
    folder = write_run(
        place / "results",
        place / "videos",
        {name: videos.get(name, []) for name in NAMES},
        all_clips={"dogs.mp4": [weak], "sofa.mp4": [home], "00.mp4": [shy]},
        durations=dict.fromkeys(NAMES, float(LENGTH_S)),
        thresholds={"min_video_score": 75, "min_clip_score": 65, "min_duration_ratio": 0.2},
    )
    picture = io.BytesIO()
    Image.new("RGB", (32, 18), "teal").save(picture, "JPEG")
    path = media_path(folder, "id0")
    assert path
    write_media(path, {6: picture.getvalue()}, [TimedText(8, 10, HEARD, "good boy")])
    shutil.copytree(folder, folder / "lab" / "20260102-030405-abcdef")
    with served(folder) as address:
        yield address


def move(page: Any, name: str, value: float) -> None:
    page.locator(f"#{name}").evaluate(
        """(slider, value) => {
          slider.value = value;
          slider.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
        value,
    )
    page.wait_for_function("(part) => location.search.includes(part)", arg=f"{name}={value:g}")


def moment(page: Any, card: str) -> float:
    return float(page.eval_on_selector(f"{card} video", "(video) => video.currentTime"))


def test_first_video_is_seen_without_scrolling(open_page: Callable[..., Any]) -> None:
    page = open_page(viewport={"width": 1280, "height": 900})
    box = page.locator("#video-1 .screen").bounding_box()
    assert box["y"] + box["height"] < 900


def test_sliders_rejudge_while_a_video_plays(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.locator("#video-1 a.clip").first.click()
    wait_until_playing(page, "#video-1", 3)
    page.eval_on_selector("#video-1 video", "(video) => { video.kept = true; }")
    counts = page.locator("#counts")
    assert "2 with a class" in counts.inner_text().replace("\n", " ")
    move(page, "min_clip_score", 45)
    move(page, "min_video_score", 30)
    page.locator("#counts", has_text="3").wait_for()
    assert "3 with a class" in counts.inner_text().replace("\n", " ")
    playing = "(video) => video.kept && !video.paused"
    assert page.eval_on_selector("article[data-video=id0] video", playing)
    track = page.locator("article[data-video=id0] track").first.get_attribute("src")
    assert "min_video_score=30" in track
    move(page, "min_video_score", 99)
    assert "0 with a class" in counts.inner_text().replace("\n", " ")
    assert (
        page.locator(".slider", has_text="Class score").locator("output").inner_text() == "from 99"
    )
    page.get_by_text("Reset to the thresholds of the run").click()
    page.wait_for_function("() => !location.search.includes('min_')")
    page.locator("#counts", has_text="2").wait_for()
    assert "2 with a class" in counts.inner_text().replace("\n", " ")


def test_link_shows_the_same_view_video_and_time(open_page: Callable[..., Any]) -> None:
    page = open_page("?sort=name")
    page.locator("input[type=search]").fill("s.mp4")
    page.wait_for_function("() => document.querySelectorAll('article').length === 1")
    page.locator("article a.clip").nth(1).click()
    wait_until_playing(page, "#video-1", 8)
    page.eval_on_selector(
        "#video-1 video", "(video) => { video.pause(); video.currentTime = 8.5; }"
    )
    page.wait_for_function("() => location.search.includes('t=8.5')")
    other = open_page(page.url.partition("?")[1] + page.url.partition("?")[2])
    other.wait_for_function("() => document.querySelector('video').currentTime === 8.5")
    assert other.locator("article").count() == 1
    assert other.locator("input[type=search]").input_value() == "s.mp4"


def test_lanes_seek_by_click_and_keys(open_page: Callable[..., Any]) -> None:
    page = open_page()
    lane = page.locator("#video-1 .lane svg")
    box = lane.bounding_box()
    lane.click(position={"x": box["width"] * 0.99, "y": 8})
    page.wait_for_function("() => document.querySelector('#video-1 video').currentTime > 11")
    page.locator("#video-1 .lane a").first.click(force=True)
    page.wait_for_function("() => document.querySelector('#video-1 video').currentTime < 11")
    page.eval_on_selector("#video-1 video", "(video) => video.pause()")
    slider = page.get_by_role("slider", name="Playback position").first
    slider.focus()
    page.keyboard.press("Home")
    assert moment(page, "#video-1") == 0
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('#video-1 video').currentTime === 5")
    assert slider.get_attribute("aria-valuetext") == "0:05 of 0:12"
    assert page.locator("#video-1 .playhead").get_attribute("x") == "41.667%"


def test_hint_tells_of_a_clip(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.locator("#video-1 .lane a").last.hover(force=True)
    hint = page.locator("#hint")
    hint.wait_for(state="visible")
    assert "a dog, picture, score 95" in hint.inner_text()
    assert hint.locator("img").count() == 1


def test_drawer_loads_all_clips_as_one_scrolls(open_page: Callable[..., Any]) -> None:
    page = open_page("?min_clip_score=30")
    card = page.locator("article[data-video=id0]")
    card.locator("a.all-clips").click()
    rows = card.locator(".drawer .all > li")
    rows.first.wait_for()
    assert rows.count() == 50
    for _ in range(20):
        if rows.count() == 122:
            break
        rows.last.scroll_into_view_if_needed()
        page.wait_for_timeout(200)
    assert rows.count() == 122
    assert "good boy" in card.locator(".drawer").inner_text()
    card.locator(".drawer select[name=evidence]").select_option("conversation")
    card.locator(".drawer [role=status]", has_text="1 found").wait_for()
    card.locator(".drawer a.clip").click()
    wait_until_playing(page, "article[data-video=id0]", 8)
    card.locator("a.all-clips").click()
    assert card.locator(".drawer").count() == 0


def test_clip_is_looped(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.locator("#video-1 a.clip").first.click()
    wait_until_playing(page, "#video-1", 3)
    loop = page.locator("#video-1").get_by_role("button", name="Loop clip")
    loop.click()
    assert loop.get_attribute("aria-pressed") == "true"
    page.eval_on_selector("#video-1 video", "(video) => { video.currentTime = 4.8; }")
    page.wait_for_function(
        """() => {
          const video = document.querySelector("#video-1 video");
          return !video.paused && video.currentTime >= 3 && video.currentTime < 4.5;
        }"""
    )


def test_only_cards_with_a_clip_have_a_loop(open_page: Callable[..., Any]) -> None:
    page = open_page()
    assert page.locator("#video-1 .loop").is_visible()
    card = page.locator("article[data-video=id2]")
    assert card.locator("video").count() == 1
    assert card.locator(".loop").is_hidden()
    card.locator("a.all-clips").click()
    card.locator(".drawer a.clip").click()
    wait_until_playing(page, "article[data-video=id2]", 1)
    card.locator(".loop").click()
    assert card.locator(".loop").get_attribute("aria-pressed") == "true"
    card.locator("a.all-clips").click()
    card.locator(".loop").click()
    assert card.locator(".loop").is_hidden()


def test_keys(open_page: Callable[..., Any]) -> None:
    page = open_page()

    def at(seconds: float) -> None:
        page.wait_for_function(
            "(time) => Math.abs(document.querySelector('#video-1 video').currentTime - time) < 0.4",
            arg=seconds,
        )

    page.keyboard.press("l")
    at(10)
    page.keyboard.press("j")
    at(0)
    page.keyboard.press("ArrowRight")
    at(1)
    page.keyboard.press("k")
    page.wait_for_function("() => !document.querySelector('#video-1 video').paused")
    page.keyboard.press("k")
    page.wait_for_function("() => document.querySelector('#video-1 video').paused")
    page.keyboard.press("]")
    wait_until_playing(page, "#video-1", 3)
    page.keyboard.press("]")
    wait_until_playing(page, "#video-1", 8)
    page.keyboard.press("k")
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keyboard shortcuts").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.type("j")
    assert page.locator("input[type=search]").input_value() == "j", "keys rest while one types"


def test_heat_map_leads_to_a_video(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.get_by_role("link", name="Heat map").click()
    page.locator("table.heat").wait_for()
    page.get_by_role("link", name="15.mp4").click()
    page.locator("article[data-video=id17]").wait_for()
    assert "video=id17" in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["?group=heat", "?group=class", "lab", "lab/compare"])
def test_other_views_fit_and_are_readable(
    open_page: Callable[..., Any], view: str, scheme: str
) -> None:
    for width in (360, 1280):
        page = open_page(view, color_scheme=scheme, viewport={"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(LOW_CONTRAST) == []


BROKEN_WORDS = """
() => {
  const broken = [];
  for (const cell of document.querySelectorAll(".wide th, .wide td")) {
    const words = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (words.nextNode()) {
      const node = words.currentNode;
      for (const { index, 0: word } of node.data.matchAll(/\\S+/g)) {
        const range = document.createRange();
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        if (new Set([...range.getClientRects()].map((box) => box.top)).size > 1) broken.push(word);
      }
    }
  }
  return broken;
}
"""


@pytest.mark.parametrize("width", [320, 390])
def test_comparison_keeps_words_and_numbers_whole(
    open_page: Callable[..., Any], width: int
) -> None:
    page = open_page("lab/compare", viewport={"width": width, "height": 800})
    assert page.locator(".wide td", has_text="short").count() > 0
    assert page.evaluate(BROKEN_WORDS) == []
    frame = page.get_by_role("region", name="Prompts before and after")
    last = frame.locator("thead th").last
    last.scroll_into_view_if_needed()
    assert last.bounding_box()["x"] < width
    assert frame.locator("tbody th").first.bounding_box()["x"] == frame.bounding_box()["x"]


def test_everything_has_a_name(open_page: Callable[..., Any]) -> None:
    nameless = """() => [...document.querySelectorAll("button, input, select, textarea, a[href]")]
      .filter((each) => each.checkVisibility() && each.type !== "hidden" && !each.closest("svg"))
      .filter((each) => !(each.getAttribute("aria-label") || each.textContent.trim()
        || each.labels?.length)).map((each) => each.outerHTML)"""
    for view in ("", "?group=class", "lab"):
        assert open_page(view).evaluate(nameless) == []


def test_filters_work_without_javascript(browser: Any, url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    page.locator("input[type=search]").fill("sofa")
    page.get_by_role("button", name="Apply").click()
    assert page.locator("article").count() == 1
    page.get_by_role("link", name="Clips below the thresholds").or_(
        page.get_by_role("link", name="All clips")
    ).click()
    assert page.locator("a.clip").get_attribute("href") == "/videos/sofa.mp4#t=6,9"
    context.close()


def test_motion_is_reduced_on_request(open_page: Callable[..., Any]) -> None:
    page = open_page(reduced_motion="reduce")
    durations = "(all) => all.map((each) => getComputedStyle(each).transitionDuration)"
    assert set(page.eval_on_selector_all("a.clip, .when", durations)) == {"0s"}
