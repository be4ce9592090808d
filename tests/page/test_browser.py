"""The page in a real browser: clips play, keys reach them, nothing is in the way."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.browsing import LOW_CONTRAST, wait_until_playing
from tests.support.media import BITS, write_video
from tests.support.pages import clip, found, served, write_run

FPS = 10
LENGTH_S = 12
FAR_BELOW = 25  # cards: some screens

NUMBER_ON_SCREEN = """
(video) => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 4;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 4, 4);
  const pixels = context.getImageData(0, 0, 4, 4).data;
  return [...Array(16).keys()].map((cell) => pixels[4 * cell] > 127);
}
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("page")
    videos = place / "videos"
    (videos / "sub folder").mkdir(parents=True)
    film = write_video(videos / "first.mp4", seconds=LENGTH_S, fps=FPS, size=(320, 192), gop=FPS)
    names = ["first.mp4", "sub folder/sécond & #1.mp4"]
    names += [f"{place:02}.mp4" for place in range(FAR_BELOW)]
    for name in names[1:]:
        shutil.copy(film, videos / name)
    (videos / "broken.mp4").write_bytes(b"no video at all" * 100)
    pets = found(
        "Pets",
        clip(3, 5, "a dog", 95),
        clip(8.25, 10, "someone talks of dogs", 90, "conversation"),
        clip(1, 2, "BEWARE OF THE DOG", 85, "text_in_video"),
        score=97,
    )
    home = found("Home & Garden", clip(6, 9, "an exceptionally comfortable sofa " * 3, 93))
    found_in: dict[str, list[Any]] = {name: [home] for name in names}
    found_in |= {"first.mp4": [pets, home], "broken.mp4": [found("Pets", clip(0, 1, "a dog"))]}
    left_out = [{"video_name": "n" * 200 + ".mp4", "reason": "it is not a video"}]
    folder = write_run(
        place / "results",
        videos,
        {**found_in, "none.mp4": [], "gone.mp4": [home]},
        refused=left_out,
    )
    with served(folder) as address:
        yield address


def is_paused(page: Any, card: str) -> bool:
    return bool(page.eval_on_selector(f"{card} video", "(video) => video.paused"))


def test_click_on_a_clip_plays_it(open_page: Callable[..., Any]) -> None:
    page = open_page()
    clips = page.locator("#video-1 a.clip")
    assert clips.count() == 3
    clips.nth(0).click()
    wait_until_playing(page, "#video-1", 3)
    page.eval_on_selector("#video-1 video", "(video) => video.pause()")
    bits = page.eval_on_selector("#video-1 video", NUMBER_ON_SCREEN)
    number = sum(bits[4 * row + column] << place for place, (row, column) in enumerate(BITS))
    assert 3 * FPS <= number <= 5 * FPS, "the picture is the one of that time"
    clips.nth(2).click()
    wait_until_playing(page, "#video-1", 8.25)


def test_playing_clip_is_marked_and_other_players_stop(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.locator("#video-1 a.clip").nth(0).click()
    page.wait_for_selector("#video-1 a.clip[aria-current=true]")
    assert page.locator("#video-1 a.clip[aria-current=true]").inner_text().startswith("0:03")
    page.locator("#video-2 a.clip").first.click()
    wait_until_playing(page, "#video-2", 6)
    assert is_paused(page, "#video-1")
    page.eval_on_selector("#video-1 video", "(video) => { video.currentTime = 11; }")
    page.wait_for_selector("#video-1 a.clip[aria-current]", state="detached")


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_clips_are_reached_and_played_by_keys(open_page: Callable[..., Any], key: str) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#video-1 a.clip')"):
            break
    focused = page.locator("#video-1 a.clip:focus-visible")
    assert focused.evaluate("(clip) => getComputedStyle(clip).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press(key)
    wait_until_playing(page, "#video-1", 6)


def test_name_and_role_of_a_clip(open_page: Callable[..., Any]) -> None:
    page = open_page()
    name = "0:03\N{EN DASH}0:05 a dog picture Pets score 95"
    button = page.get_by_role("button", name=name)
    assert button.count() == 1
    assert page.get_by_role("heading", name="first.mp4").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_page_fits_and_is_readable(open_page: Callable[..., Any], scheme: str, width: int) -> None:
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = """(all) => all.filter(
      (each) => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth).length"""
    assert page.eval_on_selector_all("main *, header *, section *", beyond) == 0
    assert page.evaluate(LOW_CONTRAST) == []
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(19, 22, 25)") == (scheme == "dark")
    too_low = "(all) => all.filter((each) => each.getBoundingClientRect().height < 44).length"
    assert page.eval_on_selector_all("a.clip", too_low) == 0


def test_links_play_without_javascript(browser: Any, url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    link = page.locator("#video-2 a.clip").first.get_attribute("href")
    page.locator("#video-2 a.clip").first.click()
    page.wait_for_url(f"{url}{link}")
    assert link.endswith("#t=6,9")
    page.locator("video").wait_for()
    times = (page.eval_on_selector("video", "(video) => video.currentTime") for _ in range(500))
    assert any(6 <= time <= 9 for time in times)
    context.close()


def test_video_far_below_is_not_asked_for(browser: Any, url: str) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 700})
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    page.wait_for_function("() => document.querySelector('#video-1 video').readyState > 0")
    first = page.locator("#video-1 video").get_attribute("src")
    film = page.locator("#video-9 video")
    far = film.get_attribute("src")
    assert f"{url}{first}" in asked
    assert f"{url}{far}" not in asked
    assert page.locator("video").count() < FAR_BELOW, "the others come when one scrolls"
    film.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('#video-9 video').readyState > 0")
    assert f"{url}{far}" in asked
    page.locator("#video-12").scroll_into_view_if_needed()
    page.locator("#video-13").wait_for()
    assert all(address.startswith(f"{url}/") for address in asked)
    context.close()


def test_unplayable_file_is_said_with_a_way_to_get_it(open_page: Callable[..., Any]) -> None:
    page = open_page("?q=broken")
    card = page.locator("article", has_text="broken.mp4")
    card.scroll_into_view_if_needed()
    notice = card.get_by_text("This browser cannot play this file.")
    notice.wait_for(state="visible")
    assert card.locator("video").is_hidden()
    assert notice.get_by_role("link").get_attribute("href") == "/videos/broken.mp4"


def test_missing_file_has_no_player(open_page: Callable[..., Any]) -> None:
    page = open_page("?q=gone")
    card = page.locator("article", has_text="gone.mp4")
    assert card.locator("video, a.clip, .lane a").count() == 0
    assert "The file is not in" in card.inner_text()
