"""Uploads on their way to becoming videos: the task state machine.

A task's row is written when its file is complete. `validating` probes the file, `pending` waits for
a worker, `indexing` gathers evidence; then one transaction makes the video and the task `ready`, or
the task ends `failed` with its reason. After a crash at any point `resume` starts the unfinished
tasks again and removes files that no row names: no task stays stuck, no video is half there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import select

from engine import media
from engine.catalog import FINAL_STATUSES, Catalog, Task, Video, new_id
from engine.evidence import write_evidence
from engine.gathering import build_evidence
from engine.models import Models

log = logging.getLogger(__name__)

# Seconds of work per second of video assumed until the first video is done.
FIRST_GUESS_OF_PACE = 0.1
# Uploads are probed by a few threads of their own, so that a bad file is refused at once and not
# only after every good one before it has been indexed.
VALIDATORS = 2


@dataclass(frozen=True)
class Progress:
    """How far an unfinished task is: 0-100 percent, and the seconds it will still take."""

    percentage: int
    remain_seconds: int


class _Closing(Exception):
    """The engine stops: the task in hand is left as it is and resumed at the next start."""


@dataclass
class _Job:
    duration_s: float = 0.0
    share: float = 0.0


class Indexer:
    """Runs the tasks of one data folder in the background."""

    def __init__(self, catalog: Catalog, models: Models, data_dir: Path, workers: int) -> None:
        self._catalog = catalog
        self._models = models
        self._uploads = data_dir / "uploads"
        self._evidence = data_dir / "evidence"
        for folder in (self._uploads, self._evidence):
            folder.mkdir(parents=True, exist_ok=True)
        self._workers = workers
        self._validation = ThreadPoolExecutor(VALIDATORS, thread_name_prefix="validating")
        self._indexing = ThreadPoolExecutor(workers, thread_name_prefix="indexing")
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._closing = False
        self._worked_s = 0.0
        self._indexed_s = 0.0

    def incoming_path(self) -> Path:
        """Where the bytes of an upload go while they arrive."""
        return self._uploads / f"{new_id()}.part"

    def evidence_path(self, video_id: str) -> Path:
        """The evidence file of a video."""
        return self._evidence / f"{video_id}.safetensors"

    def submit(self, index_id: str, incoming: Path, filename: str) -> Task:
        """Take over a complete upload and start its task."""
        task = Task(
            id=new_id(),
            index_id=index_id,
            status="validating",
            filename=filename,
            size=incoming.stat().st_size,
        )
        incoming.rename(self._work_path(task.id))
        with self._catalog.transaction() as session:
            session.add(task)
        self._start(task.id)
        return task

    def resume(self) -> None:
        """Start again what a crash interrupted and remove the files that no row names."""
        with self._catalog.transaction() as session:
            unfinished = list(
                session.scalars(
                    select(Task).where(Task.status.not_in(FINAL_STATUSES)).order_by(Task.created_at)
                )
            )
            for task in unfinished:
                task.status = "validating"
            videos = set(session.scalars(select(Video.id)))
        wanted = {self._work_path(task.id) for task in unfinished}
        wanted |= {self.evidence_path(video_id) for video_id in videos}
        for folder in (self._uploads, self._evidence):
            for path in folder.iterdir():
                if path not in wanted:
                    path.unlink()
        for task in unfinished:
            self._start(task.id)

    def progress(self, task_id: str) -> Progress:
        """How far an unfinished task is, as its job and those before it stand."""
        with self._lock:
            pace = self._worked_s / self._indexed_s if self._indexed_s else FIRST_GUESS_OF_PACE
            job = self._jobs.get(task_id, _Job())
            ahead_s = 0.0
            for other_id, other in self._jobs.items():
                if other_id == task_id:
                    break
                ahead_s += other.duration_s * (1 - other.share)
        wait_s = 0.0 if job.share else ahead_s / self._workers
        remain_s = pace * (wait_s + job.duration_s * (1 - job.share))
        return Progress(int(100 * job.share), round(remain_s))

    def forget(self, video_id: str) -> None:
        """Remove the evidence of a video whose row is gone."""
        self.evidence_path(video_id).unlink(missing_ok=True)

    def close(self) -> None:
        """Stop soon; what is unfinished is resumed at the next start."""
        self._closing = True
        self._validation.shutdown(cancel_futures=True)
        self._indexing.shutdown(cancel_futures=True)

    def _work_path(self, task_id: str) -> Path:
        return self._uploads / f"{task_id}.video"

    def _start(self, task_id: str) -> None:
        with self._lock:
            self._jobs[task_id] = _Job()
        self._validation.submit(self._run, task_id, self._validate)

    def _run(self, task_id: str, step: Callable[[str], None]) -> None:
        """Run one step; whatever goes wrong ends as the task's reason, never as a stuck task."""
        try:
            step(task_id)
        except _Closing:
            log.info("Task %s is left for the next start", task_id)
        except media.MediaError as error:
            self._fail(task_id, error.code, str(error))
        except Exception:
            log.exception("Task %s failed", task_id)
            self._fail(task_id, "video_file_broken", "The engine failed on it: see its log")

    def _validate(self, task_id: str) -> None:
        info = media.probe(self._work_path(task_id))
        if not self._update(
            task_id,
            status="pending",
            duration=info.duration_s,
            width=info.width,
            height=info.height,
        ):
            return self._drop(task_id)
        with self._lock:
            self._jobs[task_id].duration_s = info.duration_s
        self._indexing.submit(self._run, task_id, partial(self._index, info=info))

    def _index(self, task_id: str, info: media.MediaInfo) -> None:
        task = self._update(task_id, status="indexing")
        if not task:
            return self._drop(task_id)
        begun = time.monotonic()
        job = self._jobs[task_id]

        def note(share: float) -> None:
            if self._closing:
                raise _Closing
            job.share = share

        evidence = build_evidence(self._work_path(task_id), info, self._models, note)
        write_evidence(self.evidence_path(task.video_id), evidence)
        self._finish(task, info)
        with self._lock:
            self._worked_s += time.monotonic() - begun
            self._indexed_s += info.duration_s

    def _finish(self, task: Task, info: media.MediaInfo) -> None:
        with self._catalog.transaction() as session:
            kept = session.get(Task, task.id)
            if kept:
                kept.status = "ready"
                session.add(
                    Video(
                        id=task.video_id,
                        index_id=task.index_id,
                        filename=task.filename,
                        duration=info.duration_s,
                        fps=info.fps,
                        width=info.width,
                        height=info.height,
                        size=task.size,
                    )
                )
        if not kept:
            self.forget(task.video_id)
        self._drop(task.id)

    def _fail(self, task_id: str, code: str, message: str) -> None:
        self._update(task_id, status="failed", error_code=code, error_message=message)
        self._drop(task_id)

    def _update(self, task_id: str, **values: object) -> Task | None:
        """Change a task's row; None where it was deleted meanwhile."""
        with self._catalog.transaction() as session:
            task = session.get(Task, task_id)
            if task:
                for name, value in values.items():
                    setattr(task, name, value)
        return task

    def _drop(self, task_id: str) -> None:
        """The task has ended: its upload and its progress are needed no more."""
        self._work_path(task_id).unlink(missing_ok=True)
        with self._lock:
            self._jobs.pop(task_id, None)
