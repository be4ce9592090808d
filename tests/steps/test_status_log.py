"""The log of the tasks: rows that any program can read, while it grows and over several runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.types import Task
from steps.status_log import COLUMNS, status_log
from tests.support.jobs import rows_of


def seen(name: str, error: str = "") -> Task:
    return Task("t", "indexing", filename=name, percentage=7.0, remaining_s=3.0, error=error)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("plain.mp4", "plain.mp4"),
        ("=HYPERLINK(1).mp4", "'=HYPERLINK(1).mp4"),
        ("+1.mp4", "'+1.mp4"),
        ("-1.mp4", "'-1.mp4"),
        ("@sum.mp4", "'@sum.mp4"),
        ("\ttab.mp4", "'\ttab.mp4"),
        ('a "quoted", one.mp4', 'a "quoted", one.mp4'),
        ("two\nlines.mp4", "two\nlines.mp4"),
        ("映画.mp4", "映画.mp4"),
        ("half \ud83d.mp4", "half \\ud83d.mp4"),
    ],
)
def test_any_name_stays_one_cell_and_no_formula(tmp_path: Path, name: str, cell: str) -> None:
    with status_log(tmp_path / "log.csv") as log:
        log.write([seen(name, error=name)], 1.25)
    (row,) = rows_of(tmp_path / "log.csv")
    assert (row["file_name"], row["error"]) == (cell, cell)
    assert (row["upload_percentage"], row["remaining_seconds"]) == ("7", "3")


def test_the_log_can_be_read_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    with status_log(path) as log:
        assert path.read_bytes() == ",".join(COLUMNS).encode() + b"\r\n"
        for count in range(1, 4):
            log.write([seen("a.mp4")], count)
            assert len(rows_of(path)) == count


def test_later_runs_go_on_writing_to_the_same_log(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for _ in range(2):
        with status_log(path) as log:
            log.write([seen("a.mp4")], 0)
    with open(path, "a", encoding="utf-8") as file:
        file.write("2026-01-01T00:00:00Z,half a r")
    with status_log(path) as log:
        log.write([seen("b.mp4")], 0)
    assert [row["file_name"] for row in rows_of(path)] == ["a.mp4", "a.mp4", None, "b.mp4"]
    assert path.read_text(encoding="utf-8").count("file_name") == 1
