"""What reaches the terminal: safe names, tables in line, bars only where somebody sees them."""

from __future__ import annotations

import io
import os

import pytest

from steps.console import Console, printable
from steps.folder import Refused
from steps.report import print_counts, print_left_out, print_summary


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("clip.mp4", "clip.mp4"),
        ("Übung 映画.mp4", "Übung 映画.mp4"),
        ("\x1b[31mred\x07.mp4", "\\x1b[31mred\\x07.mp4"),
        ("two\nlines\r.mp4", "two\\nlines\\r.mp4"),
        ("right\u202eto left", "right\\u202eto left"),
        ("half \udcff", "half \\udcff"),
    ],
)
def test_nothing_acts_on_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_terminal_without_the_letter_gets_an_escape() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(out=out, err=io.StringIO()).answer("Übung")
    out.seek(0)
    assert out.read() == "\\xdcbung\n"


def test_the_summary_says_in_words_when_no_class_applies() -> None:
    out = io.StringIO()
    names = [
        {"video_id": "1", "video_name": "映画.mp4"},
        {"video_id": "2", "video_name": "evil\x1b[2J.mp4"},
        {"video_id": "3", "video_name": "n" * 200 + ".mp4"},
    ]
    low = {"name": "Space", "score": 80.0, "duration_ratio": 0.5, "clips": []}
    high = {"name": "Pets", "score": 91.257, "duration_ratio": 1.0, "clips": [{}, {}]}
    classified = [{"video_id": "1", "classes": [low, high]}, {"video_id": "3", "classes": [low]}]
    print_summary(Console(out=out), names, classified)
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["Video", "Best", "class", "Score", "Ratio", "Clips"]
    assert lines[1].split() == ["映画.mp4", "Pets", "91.26", "1.00", "2"]
    assert lines[2].split("  ")[0] == "evil\\x1b[2J.mp4"
    assert "no class applies" in lines[2]
    assert "nnn...nnn" in lines[3]
    assert lines[3].split()[0].endswith(".mp4")
    # The wide letters of the first name take two columns each.
    assert lines[1].index("Pets") == lines[2].index("no class") - 2 == lines[3].index("Space") - 2


def test_the_summary_lists_reasons_counts_and_the_rest_of_the_index() -> None:
    out = io.StringIO()
    console = Console(out=out)
    print_left_out(console.answer, [Refused("a.mp4", "is empty")], [Refused("b.mp4", "stalled")])
    counts = {
        "videos": 5,
        "uploaded": 1,
        "already_indexed": 2,
        "refused": 1,
        "failed": 1,
        "classified": 3,
        "other_videos_in_index": 7,
    }
    print_counts(console, {"counts": counts, "index": {"name": "demo"}, "elapsed_s": 61.25})
    assert out.getvalue().splitlines() == [
        "Refused a.mp4: is empty",
        "Failed b.mp4: stalled",
        "Left out 7 other videos of the index 'demo': this folder does not hold them, or not as"
        " they were indexed",
        "3 of 5 videos classified (1 uploaded, 2 already indexed, 1 refused, 1 failed) in 61.2 s",
    ]


def test_a_terminal_sees_a_bar_for_each_file_and_for_all() -> None:
    err = Terminal()
    console = Console(err=err)
    with console.bars("Indexing", 2, "%") as bars:
        bars.move("a\x1b.mp4", 40, 100, "indexing, 9 s left")
        bars.move("n" * 99 + ".mp4", 10, 100)
        bars.done("a\x1b.mp4", "a line for logs")
    shown = err.getvalue()
    assert "a\\x1b.mp4:  40%" in shown
    assert "indexing, 9 s left" in shown
    assert "nnn...nnn" in shown
    assert "Indexing:  50%" in shown
    assert "a line for logs" not in shown


def test_a_pipe_gets_lines_and_no_bars() -> None:
    err = io.StringIO()
    with Console(err=err).bars("Indexing", 2, "%") as bars:
        bars.move("a.mp4", 40, 100, "indexing")
        bars.done("a.mp4", "a.mp4: ready")
        bars.done("b.mp4")
    assert err.getvalue() == "a.mp4: ready\n"


def test_bars_of_many_files_stay_few() -> None:
    err = Terminal()
    with Console(err=err).bars("Uploading", 100, "B") as bars:
        for number in range(100):
            bars.move(f"{number:03}.mp4", 1, 2)
    assert "007.mp4" in err.getvalue()
    assert "008.mp4" not in err.getvalue()


def test_a_reader_that_has_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        os.close(reading)
        console = Console(out=out, err=io.StringIO())
        for _ in range(3):
            console.answer("a line that nobody reads")
