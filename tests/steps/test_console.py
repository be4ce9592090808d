"""What reaches the terminal: safe names, bars only where somebody sees them."""

from __future__ import annotations

import io
import os

import pytest

from steps.console import Console, printable


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
def test_no_control_character_reaches_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_terminal_without_the_character_gets_an_escape() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(out=out, err=io.StringIO()).output("Übung")
    out.seek(0)
    assert out.read() == "\\xdcbung\n"


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


def test_a_closed_pipe_is_no_error() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        os.close(reading)
        console = Console(out=out, err=io.StringIO())
        for _ in range(3):
            console.output("a line that nobody reads")
