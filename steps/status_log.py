"""The log of the indexing tasks, `upload_status.csv`.

One row for each observation of a task, flushed at once, so that the file can be opened while it
grows. Later runs append to the same file.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

from core.types import READY, Task

COLUMNS = (
    "time",
    "task_id",
    "file_name",
    "status",
    "upload_percentage",
    "remaining_seconds",
    "elapsed_seconds",
    "error",
)


def utc_now() -> str:
    """The current time as RFC 3339 in UTC, with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class StatusLog:
    """Writes observations of tasks as rows of a CSV file; opened by `status_log`."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._rows = csv.writer(file)

    def write(self, tasks: Iterable[Task], elapsed_s: float) -> None:
        """Append one row for each task as it is now."""
        now = utc_now()
        for task in tasks:
            is_ready = task.status == READY
            row = (
                now,
                task.task_id,
                task.filename,
                task.status,
                "100" if is_ready else _number(task.upload_percentage, task.percentage),
                "0" if is_ready else _number(task.remaining_s),
                f"{elapsed_s:.1f}",
                task.error,
            )
            self._rows.writerow([_no_formula(cell) for cell in row])
        self._file.flush()


@contextmanager
def status_log(path: Path) -> Iterator[StatusLog]:
    """Open the log for appending; a new file starts with the names of the columns."""
    with path.open("ab+") as existing:
        is_new = existing.seek(0, os.SEEK_END) == 0
        if not is_new:
            existing.seek(-1, os.SEEK_END)
            if existing.read(1) != b"\n":
                existing.write(b"\r\n")  # a run that was killed left an incomplete row
    # A file name from a platform may contain a lone surrogate, which UTF-8 cannot encode.
    with path.open("a", encoding="utf-8", errors="backslashreplace", newline="") as file:
        if is_new:
            csv.writer(file).writerow(COLUMNS)
            file.flush()
        yield StatusLog(file)


def _number(*values: float | None) -> str:
    """The first value that is known, or "" if none is."""
    return next((f"{value:.10g}" for value in values if value is not None), "")


def _no_formula(cell: str) -> str:
    """Spreadsheets run text that begins like a formula; an apostrophe keeps it text."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
