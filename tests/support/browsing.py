"""A real browser for tests of the page, and what they look for in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")

# Collects what a quiet page never has.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""

LOW_CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const linear = (value) =>
    value / 255 <= 0.04045 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) =>
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return rgba("white");
  };
  const low = [];
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [light, dark] = [rgba(getComputedStyle(element).color), behind(element)]
      .map(luminance).sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${words.currentNode.data.trim()}`);
  }
  return low;
}
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    with playwright.sync_playwright() as driver:
        # Containers have no user namespaces for the sandbox; the only pages are our own.
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any, url: str) -> Iterator[Callable[..., Any]]:
    """Opens the page; in the end none may have logged, thrown, or broken the security policy."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_one(query: str = "", **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        context.add_init_script(WATCH)
        context.on("console", lambda message: complaints.append(message.text))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.goto(f"{url}/{query}")
        return page

    yield open_one
    for context in contexts:
        for page in context.pages:
            if page.evaluate("'violations' in window"):
                complaints += page.evaluate("window.violations")
        context.close()
    assert not complaints, complaints


def wait_until_playing(page: Any, card: str, start: float) -> None:
    """Wait until a card's player has begun at `start` and moves on."""
    page.wait_for_function(
        """([card, start]) => {
          const video = document.querySelector(`${card} video`);
          const begun = [...Array(video.played.length).keys()].map((at) => video.played.start(at));
          return !video.paused && video.currentTime > start
            && begun.some((time) => Math.abs(time - start) < 0.15);
        }""",
        arg=[card, start],
    )
