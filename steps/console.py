"""The terminal of a command: messages and progress bars on stderr, its output on stdout.

File names and messages of platforms may contain anything, so everything is made printable here: no
control character reaches the terminal.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import unicodedata
from collections.abc import Sequence
from typing import Any, TextIO

from tqdm import tqdm

MOST_BARS = 8  # more would scroll off a small terminal
LONGEST_NAME = 40  # beside a bar
LONGEST_CELL = 60
PERCENT_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
REDRAW_S = 0.1  # an upload reports every few kB, and must not be slowed by drawing


def printable(text: str, encoding: str = "utf-8") -> str:
    """The text, with escapes for what a terminal would interpret or cannot show."""
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def shortened(text: str, longest: int) -> str:
    """The text, without its middle if it is too long: names differ at their ends."""
    if len(text) <= longest:
        return text
    tail = (longest - 3) // 2
    return f"{text[: longest - 3 - tail]}...{text[-tail:]}"


class Console:
    """Writes the lines of a command, and progress bars if stderr is a terminal."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self.is_terminal = self._err.isatty()

    def say(self, line: str) -> None:
        """Write one line to stderr, above any bars."""
        tqdm.write(printable(line, self._err.encoding or "utf-8"), file=self._err)
        self._err.flush()

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question on the terminal; without a terminal the answer is no."""
        if not (sys.stdin.isatty() and self.is_terminal):
            return False
        self._err.write(f"{printable(question)} [y/N] ")
        self._err.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def output(self, line: str) -> None:
        """Write one line of the command's output to stdout."""
        try:
            print(printable(line, self._out.encoding or "utf-8"), file=self._out, flush=True)
        except BrokenPipeError:
            # Whoever reads has closed the pipe, as `head` does; the rest has to go somewhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())

    def output_table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table to stdout; the first two columns are text, the others numbers."""
        table = [[shortened(printable(cell), LONGEST_CELL) for cell in row] for row in rows]
        table.insert(0, list(header))
        widths = [max(map(_columns, column)) for column in zip(*table, strict=True)]
        for row in table:
            cells = [
                cell + padding if place < 2 else padding + cell
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
                for padding in (" " * (width - _columns(cell)),)
            ]
            self.output("  ".join(cells).rstrip())

    def bars(self, title: str, total: int, unit: str) -> Bars:
        """Progress bars for `total` files; without a terminal, a line for each finished file."""
        return Bars(self, title, total, unit, self._err)


class Bars:
    """One bar for all files, and one for each file in progress; threads may share them."""

    def __init__(self, console: Console, title: str, total: int, unit: str, err: TextIO) -> None:
        self._console = console
        self._err = err
        self._unit = unit
        self._lock = threading.Lock()
        self._files: dict[str, tqdm[Any]] = {}
        self._shown: dict[str, float] = {}
        self._whole = self._bar(title, total, "file")

    def _bar(self, title: str, total: float, unit: str, *, leave: bool = True) -> tqdm[Any]:
        return tqdm(
            desc=title,
            total=total,
            unit=unit,
            unit_scale=unit == "B",
            unit_divisor=1024,
            leave=leave,
            file=self._err,
            disable=not (self._console.is_terminal and total),
            dynamic_ncols=True,
            bar_format=PERCENT_BAR if unit == "%" else None,
        )

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            for bar in (*self._files.values(), self._whole):
                bar.close()
            self._files.clear()

    def move(self, name: str, done: float, total: float, note: str = "") -> None:
        """Show the progress of one file."""
        with self._lock:
            bar = self._files.get(name)
            if bar is None:
                if not self._console.is_terminal or len(self._files) >= MOST_BARS:
                    return
                title = shortened(printable(name), LONGEST_NAME)
                bar = self._files[name] = self._bar(title, total, self._unit, leave=False)
            bar.n, bar.total = done, total
            bar.set_postfix_str(note, refresh=False)
            now = time.monotonic()
            if now - self._shown.get(name, 0.0) >= REDRAW_S:
                self._shown[name] = now
                bar.refresh()

    def done(self, name: str, line: str = "") -> None:
        """Count one file as finished; `line` says how it went, where no bars are shown."""
        with self._lock:
            if bar := self._files.pop(name, None):
                bar.close()
            self._whole.update()
        if line and not self._console.is_terminal:
            self._console.say(line)


def _columns(text: str) -> int:
    """Columns on a terminal: wide East Asian characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "FW")
        for char in text
    )
