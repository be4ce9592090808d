"""What a command says: lines and bars on stderr, its answer on stdout.

Names of files and messages of platforms may hold anything, so everything is made printable here:
no control character reaches the terminal.
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

MOST_BARS = 8  # more would push each other off a small terminal
LONGEST_NAME = 40  # in front of a bar
LONGEST_CELL = 60
PERCENT_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
REDRAW_S = 0.1  # an upload reports every few kB, and drawing must not slow it


def printable(text: str, encoding: str = "utf-8") -> str:
    """The text with what a terminal would act on, or cannot show, written as an escape."""
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning and its end, where names differ and suffixes are."""
    if len(text) <= longest:
        return text
    tail = (longest - 3) // 2
    return f"{text[: longest - 3 - tail]}...{text[-tail:]}"


class Console:
    """Lines for people to read, and bars where stderr is a terminal."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self.is_terminal = self._err.isatty()

    def say(self, line: str) -> None:
        """One line on stderr, above any bars."""
        tqdm.write(printable(line, self._err.encoding or "utf-8"), file=self._err)
        self._err.flush()

    def confirm(self, question: str) -> bool:
        """Ask for a yes on the terminal; no where there is nobody to ask."""
        if not (sys.stdin.isatty() and self.is_terminal):
            return False
        self._err.write(f"{printable(question)} [y/N] ")
        self._err.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def answer(self, line: str) -> None:
        """One line of the command's answer, on stdout."""
        try:
            print(printable(line, self._out.encoding or "utf-8"), file=self._out, flush=True)
        except BrokenPipeError:
            # The reader has seen enough, as `head` has; the rest has to go somewhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())

    def answer_table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table on stdout; the first two columns are words, the others numbers."""
        table = [[shortened(printable(cell), LONGEST_CELL) for cell in row] for row in rows]
        table.insert(0, list(header))
        widths = [max(map(_columns, column)) for column in zip(*table, strict=True)]
        for row in table:
            cells = [
                cell + padding if place < 2 else padding + cell
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
                for padding in (" " * (width - _columns(cell)),)
            ]
            self.answer("  ".join(cells).rstrip())

    def bars(self, title: str, total: int, unit: str) -> Bars:
        """Bars for `total` files; on anything but a terminal, a line for each that is done."""
        return Bars(self, title, total, unit, self._err)


class Bars:
    """One bar for the whole and one for every file in work; threads may share it."""

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
        """Show how far one file is."""
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
        """One file has ended; `line` says how, for those who see no bars."""
        with self._lock:
            if bar := self._files.pop(name, None):
                bar.close()
            self._whole.update()
        if line and not self._console.is_terminal:
            self._console.say(line)


def _columns(text: str) -> int:
    """Columns of a terminal: East Asian letters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "FW")
        for char in text
    )
