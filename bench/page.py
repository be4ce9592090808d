"""How soon the page is there, and what it fetches, with many videos and clips, in a real browser.

    python bench/page.py [--videos 1000] [--clips 100]

All videos are copies of one tiny file under different names; every one has a few classes, and
`--clips` clips. The clock of the first view runs from the request to the first card and picture
laid out, that of a threshold from its move to the re-judged cards.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from playwright.sync_api import Page, Response, sync_playwright

from core.classification import Clip, Thresholds, classify
from core.command_line import make_parser
from store import results
from tests.support.media import write_video
from tests.support.pages import served

CLASSES = tuple(f"Class {number}" for number in range(1, 11))
OPTIONS = ("visual", "conversation", "text_in_video")
LENGTH_S = 600.0
THRESHOLDS = Thresholds(60.0, 55.0, 0.05)

Json = dict[str, Any]


def answer(videos: dict[str, dict[str, list[Clip]]], thresholds: Thresholds) -> Json:
    """What a platform says of these clips."""
    data = []
    for video_id, clips in videos.items():
        judged = classify(clips, LENGTH_S, thresholds)
        classes = [
            {
                "name": found.name,
                "score": found.score,
                "duration_ratio": found.duration_ratio,
                "clips": [clip.as_json() for clip in found.clips],
            }
            for found in judged
        ]
        if classes:
            data.append({"video_id": video_id, "classes": classes})
    return {"data": data}


def random_clip(name: str) -> Clip:
    """A clip of a few seconds somewhere; scores are spread over the upper part of the scale."""
    start = round(random.uniform(0, LENGTH_S - 15), 3)
    end = round(start + random.uniform(2, 15), 3)
    score = round(random.triangular(30, 100, 55), 2)
    return Clip(start, end, score, random.choice(OPTIONS), f"{name}, prompt {random.randint(1, 3)}")


def write_results(folder: Path, videos_dir: Path, videos: int, clips: int) -> int:
    """Write the results of a made-up run; returns the number of clips."""
    random.seed(0)
    found: dict[str, dict[str, list[Clip]]] = {}
    for number in range(videos):
        by_class: dict[str, list[Clip]] = {}
        names = random.sample(CLASSES, 4)
        for _ in range(clips):
            name = random.choice(names)
            by_class.setdefault(name, []).append(random_clip(name))
        found[f"id{number}"] = by_class
    answers = {name: answer(found, THRESHOLDS) for name in ("duration_data", "clips_data")}
    answers["all_clips"] = answer(found, Thresholds(0, 0, 0))
    listed = [{"video_id": key, "video_name": f"{key}.mp4"} for key in found]
    run = {
        "classes": [
            {"name": name, "prompts": [f"{name}, prompt {number}" for number in (1, 2, 3)]}
            for name in CLASSES
        ],
        "options": list(OPTIONS),
        "conversation_option": "semantic",
        "thresholds": vars(THRESHOLDS),
        "index": {"id": "bench", "name": "bench"},
        "platform": {"name": "bench", "url": "http://127.0.0.1", "embedded": True, "models": {}},
        "videos_dir": str(videos_dir),
        "counts": {},
        "refused": [],
        "failed": [],
        "started_at": "2026-01-01T00:00:00Z",
        "finished_at": "2026-01-01T00:00:00Z",
        "elapsed_s": 0.0,
        "details": {key: {"duration_s": LENGTH_S, "fps": 25.0} for key in found},
    }
    results.write_results(folder, {"video_id_name_list": listed, **answers}, run)
    return videos * clips


def first_view(page: Page, url: str, seen: list[Response]) -> float:
    """Milliseconds from the request until the first card is painted."""
    del seen[:]
    page.goto(url, wait_until="commit")
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length")
    page.locator("#video-1 table").wait_for()
    return float(
        page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    )


def move_threshold(page: Page, value: int) -> float:
    """Milliseconds from the move of a slider until the re-judged cards stand there."""
    begun = time.perf_counter()
    page.locator("#min_clip_score").evaluate(
        """(slider, value) => {
          slider.value = value;
          slider.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
        value,
    )
    page.wait_for_function(f"() => location.search.includes('min_clip_score={value}')")
    return 1000 * (time.perf_counter() - begun)


def measure(url: str) -> list[tuple[str, str]]:
    """The rows of the table."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        seen: list[Response] = []
        page.on("response", lambda response: seen.append(response))
        views = [first_view(page, url, seen) for _ in range(5)]
        page.wait_for_timeout(1000)
        videos = {each.url for each in seen if "/videos/" in each.url}
        cards = page.locator("article").count()
        moves = [move_threshold(page, value) for value in (60, 65, 70, 75, 80)]
        for _ in range(10):
            page.mouse.wheel(0, 4000)
            page.wait_for_timeout(200)
        scrolled = page.locator("article").count()
        browser.close()
    return [
        ("first view, first time", f"{views[0]:.0f} ms"),
        ("first view, median of the next four", f"{sorted(views[1:])[1]:.0f} ms"),
        ("threshold moved, median of five", f"{sorted(moves)[2]:.0f} ms"),
        ("cards at first, after scrolling", f"{cards}, {scrolled}"),
        ("video files asked for at first", str(len(videos))),
    ]


def main() -> None:
    parser = make_parser(__doc__, {})
    parser.add_argument("--videos", type=int, default=1000, help="number of videos")
    parser.add_argument("--clips", type=int, default=100, help="clips per video")
    given = parser.parse_args()
    if shutil.which("chromium") is None:
        print("There is no chromium on this machine: nothing is measured.")
        return
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "videos").mkdir()
        film = write_video(place / "film.mp4", seconds=2, fps=5)
        for number in range(given.videos):
            (place / "videos" / f"id{number}.mp4").hardlink_to(film)
        total = write_results(place / "results", place / "videos", given.videos, given.clips)
        begun = time.perf_counter()
        with served(place / "results") as url:
            ready_s = time.perf_counter() - begun
            rows = measure(url)
    print(f"{given.videos:,} videos, {total:,} clips\n")
    print("| what | measured |")
    print("| --- | ---: |")
    for what, figure in [("server started and results read", f"{ready_s:.1f} s"), *rows]:
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    main()
