"""Observes indexing tasks until each has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from core.types import FAILED, READY, Task
from steps.console import Bars
from steps.folder import VideoFile
from steps.job import Job
from steps.status_log import StatusLog
from store.records import LeftOut
from twelvelabs_client import NotFound, TwelveLabsClient

NO_REASON = "the platform could not index it and gives no reason"


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
    """Log and show tasks (id to file name) until each has ended.

    Files of failed and stalled tasks are added to the job's failed files, with the reason.
    """
    stall_s = max(job.settings.stall_seconds, job.platform.least_stall_s)
    with job.console.bars("Indexing", len(tasks), "%") as bars:
        for elapsed_s, observed in watch(
            job.client, job.index_id, tasks, poll_interval(job), stall_s
        ):
            log.write(observed, elapsed_s)
            for task in observed:
                _show(bars, task)
                if task.status == FAILED:
                    job.failed.append(LeftOut(task.filename, task.error))
                elif task.status == READY and task.filename in job.uploaded:
                    job.uploaded[task.filename] = task.video_id


def poll_interval(job: Job) -> Callable[[int], float]:
    """Seconds between two observations of a number of tasks: as set, or longer for many tasks.

    This way polling takes little time from the machine that indexes, and the log of a thousand
    videos can still be opened in a spreadsheet.
    """
    given = job.settings.poll_seconds
    least = job.platform.poll_s
    return lambda count: given or max(least, min(least * count / 20, 10.0))


def watch(
    client: TwelveLabsClient,
    index_id: str,
    tasks: Mapping[str, str],
    pause_s: Callable[[int], float],
    stall_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[float, list[Task]]]:
    """Observe tasks (id to file name) until each has ended, again and again.

    Yields every observation: the seconds since the start, and all tasks that had not ended before.
    A task ends `ready`, or `failed` with a reason: the platform's own, that the platform no longer
    knows the task, or that there was no progress for `stall_s` seconds. `pause_s` gives the seconds
    until the next observation for the number of tasks left.
    """
    waiting = dict(tasks)
    start = clock()
    progress = _Progress(start)
    while waiting:
        observed = _observe(client, index_id, waiting)
        now = clock()
        progress.note(observed, now)
        observed = [
            _stalled(task, stall_s) if progress.idle_s(task, now) >= stall_s else task
            for task in observed
        ]
        yield now - start, observed
        for task in observed:
            if task.has_ended:
                del waiting[task.task_id]
        if waiting:
            sleep(pause_s(len(waiting)))


def _observe(client: TwelveLabsClient, index_id: str, waiting: Mapping[str, str]) -> list[Task]:
    """Every task as it is now: from the list, newest first and many in one call, or by its id.

    Each has the file name that `waiting` gives it: the platform may have another one, or none yet.
    """
    listed: dict[str, Task] = {}
    for task in client.tasks(index_id):
        if task.task_id in waiting:
            listed[task.task_id] = task
            if len(listed) == len(waiting):
                break
    observed = []
    for task_id, name in waiting.items():
        task = listed.get(task_id) or _fetch(client, task_id)
        error = task.error or (NO_REASON if task.status == FAILED else "")
        observed.append(replace(task, filename=name, error=error))
    return observed


def _fetch(client: TwelveLabsClient, task_id: str) -> Task:
    try:
        return client.task(task_id)
    except NotFound:
        return Task(task_id, FAILED, error="the platform no longer knows this task")


class _Progress:
    """When each task last changed, and when any task did; times in seconds."""

    def __init__(self, start: float) -> None:
        self._last_of_any = start
        self._last: dict[str, float] = {}
        self._seen: dict[str, Task] = {}

    def note(self, observed: Iterable[Task], now: float) -> None:
        """Compare tasks with their last observation."""
        for task in observed:
            if self._seen.get(task.task_id) != task:
                self._seen[task.task_id] = task
                self._last[task.task_id] = self._last_of_any = now

    def idle_s(self, task: Task, now: float) -> float:
        """How long there was no progress with a task; a queued one moves on with any other."""
        if task.has_ended:
            return 0.0
        return now - (self._last[task.task_id] if task.status == "indexing" else self._last_of_any)


def _stalled(task: Task, stall_s: float) -> Task:
    error = (
        f"stalled: no progress for {stall_s:g} s (status: {task.status or 'none'});"
        " the next run looks at it again"
    )
    return replace(task, status=FAILED, error=error)


def _show(bars: Bars, task: Task) -> None:
    if task.has_ended:
        bars.done(task.filename, f"{task.filename}: {task.error or task.status}")
        return
    percentage = task.percentage or task.upload_percentage or 0.0  # v1.1 tells only the latter
    left = "" if task.remaining_s is None else f", {task.remaining_s:.0f} s left"
    bars.move(task.filename, percentage, 100, f"{task.status}{left}")
