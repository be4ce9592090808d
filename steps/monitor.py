"""Watches indexing tasks until each has ended, and keeps a log of what was seen.

The log is `upload_status.csv`: one row per observation of a task, flushed after every look, so that
it can be opened while it grows. Later runs go on writing to the same file.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

from core.types import FAILED, READY, Task
from steps.console import Bars
from steps.folder import Refused, VideoFile
from steps.job import Job
from twelvelabs_client import NotFound, TwelveLabsClient

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
NO_REASON = "the platform could not index it and does not say why"
# v1.3 tells no progress: only that a video of hours is still being indexed.
LEAST_STALL_V13_S = 3600.0


def utc_now() -> str:
    """The present moment as RFC 3339 in UTC, with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class StatusLog:
    """Writes tasks as they were seen, as CSV rows; see `status_log`."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._rows = csv.writer(file)

    def write(self, seen: Iterable[Task], elapsed_s: float) -> None:
        """One row each, then flush."""
        now = utc_now()
        for each in seen:
            is_ready = each.status == READY
            row = (
                now,
                each.task_id,
                each.filename,
                each.status,
                "100" if is_ready else _figure(each.upload_percentage, each.percentage),
                "0" if is_ready else _figure(each.remaining_s),
                f"{elapsed_s:.1f}",
                each.error,
            )
            self._rows.writerow([_no_formula(cell) for cell in row])
        self._file.flush()


def _figure(*values: float | None) -> str:
    """The first value that is known; "" where none is."""
    return next((f"{value:.10g}" for value in values if value is not None), "")


def _no_formula(cell: str) -> str:
    """A spreadsheet runs text that begins like a formula; an apostrophe makes it text again."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


@contextmanager
def status_log(path: Path) -> Iterator[StatusLog]:
    """The log at `path`, open for further rows; a new file gets the header first."""
    with path.open("ab+") as kept:
        is_new = kept.seek(0, os.SEEK_END) == 0
        if not is_new:
            kept.seek(-1, os.SEEK_END)
            if kept.read(1) != b"\n":
                kept.write(b"\r\n")  # a run that was killed left half a row
    # A name from a platform may hold half a character, which UTF-8 has no bytes for.
    with path.open("a", encoding="utf-8", errors="backslashreplace", newline="") as file:
        if is_new:
            csv.writer(file).writerow(COLUMNS)
            file.flush()
        yield StatusLog(file)


def find_running_tasks(job: Job, files: Iterable[VideoFile]) -> dict[str, str]:
    """Unfinished tasks of an earlier run for these files: id to name, the newest for each file."""
    names = {file.name for file in files}
    running: dict[str, str] = {}
    for task in job.client.tasks(job.index_id):  # newest first
        if task.filename in names and not task.has_ended:
            running[task.task_id] = task.filename
            names.remove(task.filename)
    return running


def monitor_tasks(job: Job, tasks: Mapping[str, str], log: StatusLog) -> None:
    """Wait until every task has ended; failed and stalled ones are noted with their reason."""
    with job.console.bars("Indexing", len(tasks), "%") as bars:
        pause_s, stall_s = pause_between_looks(job), job.settings.stall_seconds
        if job.platform.budget:
            stall_s = max(stall_s, LEAST_STALL_V13_S)
        for seen in watch(job.client, job.index_id, tasks, log, bars, pause_s, stall_s):
            if seen.status == FAILED:
                job.failed.append(Refused(seen.filename, seen.error))
            elif seen.filename in job.uploaded:
                job.uploaded[seen.filename] = seen.video_id


def pause_between_looks(job: Job) -> Callable[[int], float]:
    """Seconds to wait for a number of tasks: as the settings say, or longer for many tasks.

    So a look never costs much of the machine that is indexing, and the log of a thousand videos
    can still be opened in a spreadsheet.
    """
    given = job.settings.poll_seconds
    least = 0.5 if job.platform.embedded else 5.0
    return lambda left: given or max(least, min(least * left / 20, 10.0))


def watch(
    client: TwelveLabsClient,
    index_id: str,
    tasks: Mapping[str, str],
    log: StatusLog,
    bars: Bars,
    pause_s: Callable[[int], float],
    stall_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Task]:
    """Look at all tasks (id to file name) again and again; yields the last sight of each.

    That is `ready`, or `failed` with its reason: the platform's own, or that the task is gone, or
    that nothing moved for `stall_s` seconds. A task that waits for its turn has moved when any task
    of this loop has. `pause_s` gives the seconds to the next look for the number of tasks left.
    """
    waiting = dict(tasks)
    begun = clock()
    moves = _Moves(begun)
    while waiting:
        seen = _look(client, index_id, waiting)
        moves.note(seen, clock())
        seen = [_given_up(each, stall_s) if moves.stalled(each, stall_s) else each for each in seen]
        log.write(seen, clock() - begun)
        for each in seen:
            if each.has_ended:
                del waiting[each.task_id]
                bars.done(each.filename, f"{each.filename}: {each.error or each.status}")
                yield each
            else:
                bars.move(each.filename, _percentage(each), 100, _note(each))
        if waiting:
            sleep(pause_s(len(waiting)))


def _look(client: TwelveLabsClient, index_id: str, waiting: Mapping[str, str]) -> list[Task]:
    """See every task once: by the list, newest first and many in a call, else one by one.

    Each comes with the name it has in `waiting`: a platform may tell another one, or none yet.
    """
    found: dict[str, Task] = {}
    for task in client.tasks(index_id):
        if task.task_id in waiting:
            found[task.task_id] = task
            if len(found) == len(waiting):
                break
    seen = []
    for task_id, name in waiting.items():
        try:
            task = found.get(task_id) or client.task(task_id)
        except NotFound:
            task = Task(task_id, FAILED, error="the platform does not know this task any more")
        if task.status == FAILED and not task.error:
            task = replace(task, error=NO_REASON)
        seen.append(replace(task, filename=name))
    return seen


def _percentage(task: Task) -> float:
    """How far the work is, 0-100; v1.1 tells only how far the upload is."""
    return task.percentage or task.upload_percentage or 0.0


def _note(task: Task) -> str:
    left_s = task.remaining_s
    return task.status if left_s is None else f"{task.status}, {left_s:.0f} s left"


class _Moves:
    """When each task last showed a new status or new figures, and when any of them did."""

    def __init__(self, begun: float) -> None:
        self._now = self._last = begun
        self._seen: dict[str, Task] = {}
        self._moved: dict[str, float] = {}

    def note(self, seen: Iterable[Task], now: float) -> None:
        self._now = now
        for each in seen:
            if self._seen.get(each.task_id) != each:
                self._seen[each.task_id] = each
                self._moved[each.task_id] = self._last = now

    def stalled(self, each: Task, stall_s: float) -> bool:
        if each.has_ended:
            return False
        # Only one that is being indexed is expected to move by itself; the others queue.
        since = self._moved[each.task_id] if each.status == "indexing" else self._last
        return self._now - since >= stall_s


def _given_up(task: Task, stall_s: float) -> Task:
    error = (
        f"stalled: {task.status or 'no status'} without a move for {stall_s:g} s;"
        " the next run looks at it again"
    )
    return replace(task, status=FAILED, error=error)
