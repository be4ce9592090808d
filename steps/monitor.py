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
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from steps.console import Bars
from steps.folder import Refused, VideoFile
from steps.job import Job
from steps.sync import metadata_of
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
READY, FAILED = "ready", "failed"
# v1.3 tells no progress: only that a video of hours is still being indexed.
LEAST_STALL_V13_S = 3600.0

Json = dict[str, Any]


def utc_now() -> str:
    """The present moment as RFC 3339 in UTC, with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Observation:
    """What one look at a task showed; `error` is the reason of a failed one."""

    task_id: str
    file_name: str
    status: str
    process: Mapping[str, Any]
    error: str
    video_id: str = ""

    @property
    def percentage(self) -> float:
        """How far the work is, 0-100; v1.1 tells only how far the upload is."""
        done = self.process.get("percentage", self.process.get("upload_percentage"))
        return done if isinstance(done, (int, float)) else 0.0


class StatusLog:
    """Writes observations as CSV rows; see `status_log`."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._rows = csv.writer(file)

    def write(self, seen: Iterable[Observation], elapsed_s: float) -> None:
        """One row each, then flush."""
        now = utc_now()
        for each in seen:
            uploaded = each.process.get("upload_percentage", each.process.get("percentage", ""))
            row = (
                now,
                each.task_id,
                each.file_name,
                each.status,
                100 if each.status == READY else uploaded,
                0 if each.status == READY else each.process.get("remain_seconds", ""),
                f"{elapsed_s:.1f}",
                each.error,
            )
            self._rows.writerow([_no_formula(cell) for cell in row])
        self._file.flush()


def _no_formula(cell: object) -> object:
    """A spreadsheet runs text that begins like a formula; an apostrophe makes it text again."""
    if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{cell}"
    return cell


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
        name = metadata_of(task).get("filename", "")
        if name in names and task.get("status") not in (READY, FAILED):
            running[task["_id"]] = name
            names.remove(name)
    return running


def monitor_tasks(job: Job, tasks: Mapping[str, str], log: StatusLog) -> None:
    """Wait until every task has ended; failed and stalled ones are noted with their reason."""
    with job.console.bars("Indexing", len(tasks), "%") as bars:
        pause_s, stall_s = pause_between_looks(job), job.settings.stall_seconds
        if job.platform.budget:
            stall_s = max(stall_s, LEAST_STALL_V13_S)
        for seen in watch(job.client, job.index_id, tasks, log, bars, pause_s, stall_s):
            if seen.status == FAILED:
                job.failed.append(Refused(seen.file_name, seen.error))
            elif seen.file_name in job.uploaded:
                job.uploaded[seen.file_name] = seen.video_id


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
) -> Iterator[Observation]:
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
            if each.status in (READY, FAILED):
                del waiting[each.task_id]
                bars.done(each.file_name, f"{each.file_name}: {each.error or each.status}")
                yield each
            else:
                bars.move(each.file_name, each.percentage, 100, _note(each))
        if waiting:
            sleep(pause_s(len(waiting)))


def _look(client: TwelveLabsClient, index_id: str, waiting: Mapping[str, str]) -> list[Observation]:
    """Observe every task once: by the list, newest first and many in a call, else one by one."""
    found: dict[str, Json] = {}
    for task in client.tasks(index_id):
        if task["_id"] in waiting:
            found[task["_id"]] = task
            if len(found) == len(waiting):
                break
    seen = []
    for task_id, name in waiting.items():
        try:
            task = found.get(task_id) or client.task(task_id)
        except NotFound:
            task = {"status": FAILED, "error": "the platform does not know this task any more"}
        seen.append(_observation(task_id, name, task))
    return seen


def _observation(task_id: str, name: str, task: Json) -> Observation:
    status = str(task.get("status") or "")
    process = task.get("process")
    return Observation(
        task_id,
        name,
        status,
        process if isinstance(process, dict) else {},
        _reason(task) if status == FAILED else "",
        str(task.get("video_id") or ""),
    )


def _reason(task: Json) -> str:
    error = task.get("error")
    if isinstance(error, dict):
        error = error.get("message") or error.get("code")
    return str(error or "the platform could not index it and does not say why")


def _note(seen: Observation) -> str:
    remaining = seen.process.get("remain_seconds")
    return seen.status if remaining is None else f"{seen.status}, {remaining} s left"


class _Moves:
    """When each task last showed a new status or new figures, and when any of them did."""

    def __init__(self, begun: float) -> None:
        self._now = self._last = begun
        self._figures: dict[str, object] = {}
        self._moved: dict[str, float] = {}

    def note(self, seen: Iterable[Observation], now: float) -> None:
        self._now = now
        for each in seen:
            figures = (each.status, dict(each.process))
            if self._figures.get(each.task_id) != figures:
                self._figures[each.task_id] = figures
                self._moved[each.task_id] = self._last = now

    def stalled(self, each: Observation, stall_s: float) -> bool:
        if each.status in (READY, FAILED):
            return False
        # Only one that is being indexed is expected to move by itself; the others queue.
        since = self._moved[each.task_id] if each.status == "indexing" else self._last
        return self._now - since >= stall_s


def _given_up(seen: Observation, stall_s: float) -> Observation:
    error = (
        f"stalled: {seen.status or 'no status'} without a move for {stall_s:g} s;"
        " the next run looks at it again"
    )
    return Observation(seen.task_id, seen.file_name, FAILED, seen.process, error)
