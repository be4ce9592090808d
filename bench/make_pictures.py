"""Makes the pictures of the page in docs/ from a results folder, with a real browser.

    python bench/make_pictures.py [--results DIR]

The comparison needs a draft of the prompt lab in that folder; without one its picture is left as
it is.
"""

from __future__ import annotations

import io
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from PIL import Image
from playwright.sync_api import sync_playwright

from core.command_line import make_parser
from page.lab import drafts as lab
from tests.support.pages import served

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Picture:
    """One picture: what is opened, on what screen, in which scheme."""

    name: str
    address: str
    size: tuple[int, int] = (1280, 900)
    scheme: str = "light"


PICTURES = (
    Picture("page", "/"),
    Picture("page-dark", "/", scheme="dark"),
    Picture("page-narrow", "/", size=(390, 844), scheme="dark"),
    Picture("classes", "/?group=class"),
    Picture("heat-map", "/?group=heat&min_duration_ratio=0.2", size=(1280, 640)),
    Picture("lab", "/lab"),
    Picture("lab-compare", "/lab/compare"),
)


def small_png(shot: bytes) -> bytes:
    """The same picture as small as it gets; with fewer colours they would be wrong ones."""
    file = io.BytesIO()
    Image.open(io.BytesIO(shot)).convert("RGB").save(file, "PNG", optimize=True)
    return file.getvalue()


def main() -> None:
    parser = make_parser(__doc__, {})
    parser.add_argument("--results", type=Path, default=Path("results"), help="results folder")
    folder = parser.parse_args().results.resolve()
    wanted = [each for each in PICTURES if each.name != "lab-compare" or lab.drafts(folder)]
    (ROOT / "docs").mkdir(exist_ok=True)
    with served(folder) as url, sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for picture in wanted:
            width, height = picture.size
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if picture.scheme == "dark" else "light",
            )
            page.goto(url + picture.address)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(1500)  # the browser's own controls fade
            path = ROOT / "docs" / f"{picture.name}.png"
            path.write_bytes(small_png(page.screenshot()))
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
