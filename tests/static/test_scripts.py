"""The page's scripts, one by one: the functions that the `*.test.js` files beside this one export.

Each runs in a blank page of a real browser, with cards and players made up for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.paths import ROOT

FOLDER = Path(__file__).parent
SITE = "http://page.test"
EXPORTED = re.compile(r"^export (?:async )?function (\w+)", re.MULTILINE)

TESTS = [
    (path.name, name)
    for path in sorted(FOLDER.glob("*.test.js"))
    for name in EXPORTED.findall(path.read_text())
]

# Errors in listeners and rejections that nobody handles do not reach the test: they are collected.
# Browsers tell of rejections late but in order, so one of our own comes last.
RUN = """
async ([file, name]) => {
  const errors = [];
  window.addEventListener("error", (event) => errors.push(event.error));
  const allTold = new Promise((resolve) => {
    window.addEventListener("unhandledrejection", ({ reason }) => {
      if (reason === "the last") resolve();
      else errors.push(reason);
    });
  });
  const tests = await import(`/tests/static/${file}`);
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error("the test has not ended after 20 s")), 20_000);
  });
  await Promise.race([tests[name](), late]);
  Promise.reject("the last");
  await allTold;
  if (errors.length) throw errors[0];
}
"""


def serve(route: Any) -> None:
    """Answer as a server of this repository would, at its root with a blank page."""
    path = urlsplit(route.request.url).path
    if path == "/":
        route.fulfill(content_type="text/html", body="<!doctype html>")
    else:
        route.fulfill(path=ROOT / path.lstrip("/"))


@pytest.fixture(scope="module")
def tab(browser: Any) -> Iterator[Any]:
    """A browser tab for pages of a made-up site that has the scripts and their tests."""
    context = browser.new_context(viewport={"width": 1000, "height": 600})
    context.route(f"{SITE}/**", serve)
    tab = context.new_page()
    tab.set_default_timeout(15_000)
    yield tab
    context.close()


@pytest.mark.parametrize(("file", "name"), TESTS, ids=map("-".join, TESTS))
def test_script(tab: Any, file: str, name: str) -> None:
    tab.goto(f"{SITE}/")
    tab.evaluate(RUN, [file, name])


def test_every_script_has_tests() -> None:
    tested = {file.removesuffix(".test.js") for file, _ in TESTS}
    scripts = {path.stem for path in (ROOT / "static").glob("*.js")}
    assert scripts - tested == {"page"}, "the one that starts the page, which browser tests open"
