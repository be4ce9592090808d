"""Uploads on their way to becoming videos: the task state machine.

A task's row is written when its file is complete or its URL is known. A `validating` task is
fetched and probed, a `pending` one waits for a worker, and evidence is extracted while it is
`indexing`. Then one transaction creates the video and makes the task `ready`, or the task ends as
`failed`, with a reason. After a crash, `resume` restarts unfinished tasks and removes files without
a row and rows without a file, so that no task is stuck and no video is incomplete.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.files import is_disk_full
from engine import media
from engine.catalog.tables import (
    EVIDENCE_OF,
    FINAL_STATUSES,
    Catalog,
    CatalogError,
    Index,
    Task,
    Video,
    is_empty,
    new_id,
    now,
)
from engine.errors import PlatformError, not_found, outdated_evidence
from engine.evidence import FORMAT_VERSION, Evidence, TextSpan, is_complete, write_evidence
from engine.indexing.data_folder import DataFolder
from engine.indexing.download import FetchLimits, check_url, fetch, file_name
from engine.indexing.extract import build_evidence
from engine.indexing.subtitles import MAX_BYTES as MAX_SUBTITLE_BYTES
from engine.indexing.subtitles import read_subtitles
from engine.media.decoder import DecoderClosed, DecoderCrashed, Decoders
from engine.models.protocols import Models
from engine.models.store import ModelError

log = logging.getLogger(__name__)

# Seconds of work per second of video, assumed until the first video is done.
INITIAL_PACE = 0.1
# Uploads are probed on threads of their own, so that a bad file is refused at once and not only
# after the videos before it have been indexed.
VALIDATORS = 2
FETCHERS = 4
API_MAX_VIDEO_BYTES = 2 * 1024**3  # the hosted API's limit
MAX_FETCH_SECONDS = 3600.0
MAX_NAMED = 20
# After the engine has crashed this often during a video, the video is not tried again.
MAX_INTERRUPTIONS = 2
KILLS_THE_ENGINE = "The engine ended twice while it was working on this video"
PAUSES_BEFORE_RETRY_S = (0.2, 1.0, 3.0)


@dataclass(frozen=True)
class Upload:
    """What a client sends: a complete file or the URL of one, and optionally a transcript.

    The file is at the path that `incoming_path` gave. A transcript replaces speech recognition.
    """

    filename: str = ""
    path: Path | None = None
    url: str | None = None
    transcript: tuple[TextSpan, ...] | None = None
    transcription_url: str | None = None


@dataclass(frozen=True)
class Progress:
    """Progress of an unfinished task: 0-100 percent each, and the seconds that remain."""

    upload_percentage: int
    percentage: int
    remain_seconds: int


class _Closing(Exception):
    """The engine is stopping: the current task is left as it is, and resumes at the next start."""


@dataclass
class _Job:
    uploaded: float = 1.0
    duration_s: float = 0.0
    share: float = 0.0
    crashes: int = 0  # of the process that decodes


class Indexer:
    """Runs the tasks of one data folder in the background."""

    def __init__(
        self,
        catalog: Catalog,
        models: Models,
        folder: DataFolder,
        workers: int,
        *,
        fetch_private: bool = False,
        max_video_bytes: int = API_MAX_VIDEO_BYTES,
    ) -> None:
        self.max_video_bytes = max_video_bytes
        self._catalog = catalog
        self._models = models
        self._fetch_private = fetch_private
        self._folder = folder
        self._decoders = Decoders()
        self._workers = workers
        self._fetching = ThreadPoolExecutor(FETCHERS, thread_name_prefix="fetching")
        self._validation = ThreadPoolExecutor(VALIDATORS, thread_name_prefix="validating")
        self._indexing = ThreadPoolExecutor(workers, thread_name_prefix="indexing")
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        self._closing = False
        self._worked_s = 0.0
        self._indexed_s = 0.0

    def submit(self, index_id: str, upload: Upload) -> Task:
        """Accept an upload and start its task; raises PlatformError if it is refused."""
        video_url = check_url(upload.url, "video_url") if upload.url else None
        transcription_url = upload.transcription_url
        task = Task(
            id=new_id(),
            index_id=index_id,
            status="validating",
            filename=upload.filename or file_name(video_url or ""),
            size=upload.path.stat().st_size if upload.path else 0,
            video_url=video_url,
            transcript=_rows(upload.transcript),
            transcription_url=check_url(transcription_url, "transcription_url")
            if transcription_url
            else None,
        )
        work_path = self._folder.work_path(task.id)
        try:
            if upload.path:
                upload.path.rename(work_path)
            with self._catalog.transaction() as session:
                self._admit(session, index_id)
                session.add(task)
        except BaseException:
            work_path.unlink(missing_ok=True)
            raise
        self._start(task)
        return task

    def _admit(self, session: Session, index_id: str) -> None:
        """Refuse an unknown index, and one with outdated evidence.

        An index without videos takes the models and the format version in use.
        """
        index = session.get(Index, index_id)
        if index is None:
            raise not_found(index_id, "indexes")
        if index.outdated_kinds(self._models.names(), index.options):
            if not is_empty(session, index_id):
                raise self._outdated(index)
            index.models, index.evidence_format = self._models.names(), FORMAT_VERSION

    def _outdated(self, index: Index) -> PlatformError:
        kinds = index.outdated_kinds(self._models.names(), index.options)
        return outdated_evidence("index_engine_cannot_be_changed", index.name, kinds)

    def resume(self, *, separate_catalog: bool = False) -> None:
        """Make rows and files agree, and restart the tasks that a crash interrupted.

        The engine's files without a row are removed. So are the rows of videos without evidence, so
        that clients can upload these videos again. A task during which the engine itself died twice
        fails. Raises CatalogError if a catalogue that is stored separately
        seems to belong to another data folder.
        """
        with self._catalog.transaction() as session:
            unfinished = list(
                session.scalars(
                    select(Task).where(Task.status.not_in(FINAL_STATUSES)).order_by(Task.created_at)
                )
            )
            for task in unfinished:
                task.interruptions = (task.interruptions or 0) + (task.status == "indexing")
                task.status = "validating"
                if task.interruptions >= MAX_INTERRUPTIONS:
                    task.status, task.error_code = "failed", "video_file_broken"
                    task.error_message = KILLS_THE_ENGINE
            unfinished = [task for task in unfinished if task.status == "validating"]
            videos = self._drop_videos_without_evidence(session, separate_catalog)
        known = {self._folder.work_path(task.id) for task in unfinished}
        known |= {self._folder.evidence_path(video.id) for video in videos}
        self._folder.remove_all_but(known)
        for task in unfinished:
            self._start(task)

    def _drop_videos_without_evidence(
        self, session: Session, separate_catalog: bool
    ) -> list[Video]:
        """Delete the rows of videos that cannot be scored; returns the others."""
        videos = session.scalars(select(Video)).all()
        complete = [video for video in videos if is_complete(self._folder.evidence_path(video.id))]
        lost = sorted(set(videos) - set(complete), key=lambda video: video.filename)
        if lost and not complete and separate_catalog:
            raise CatalogError(
                f"None of the {len(lost)} videos of the catalogue (DATABASE_URL) has its evidence "
                f"in {self._folder.evidence}: set ENGINE_DATA_DIR to the folder that belongs to "
                "it, or DATABASE_URL to another database."
            )
        if lost:
            names = ", ".join(repr(video.filename) for video in lost[:MAX_NAMED])
            more = f" and {len(lost) - MAX_NAMED} more" if len(lost) > MAX_NAMED else ""
            log.warning(
                "Evidence is missing or damaged, so these videos have to be uploaded again: %s%s",
                names,
                more,
            )
        for video in lost:
            session.delete(video)
        return complete

    def progress(self, task_id: str) -> Progress:
        """Progress of an unfinished task, estimated from its job and those before it."""
        with self._lock:
            pace = self._worked_s / self._indexed_s if self._indexed_s else INITIAL_PACE
            job = self._jobs.get(task_id, _Job())
            ahead_s = 0.0
            for other_id, other in self._jobs.items():
                if other_id == task_id:
                    break
                ahead_s += other.duration_s * (1 - other.share)
        wait_s = 0.0 if job.share else ahead_s / self._workers
        remain_s = pace * (wait_s + job.duration_s * (1 - job.share))
        return Progress(int(100 * job.uploaded), int(100 * job.share), round(remain_s))

    def forget(self, video_id: str) -> None:
        """Remove the evidence of a video that has been deleted."""
        self._folder.evidence_path(video_id).unlink(missing_ok=True)

    def close(self) -> None:
        """Stop soon; unfinished tasks resume at the next start."""
        self._closing = True
        self._decoders.close()
        self._fetching.shutdown(cancel_futures=True)
        self._validation.shutdown(cancel_futures=True)
        self._indexing.shutdown(cancel_futures=True)

    def _start(self, task: Task) -> None:
        fetches = bool(task.video_url or task.transcription_url)
        with self._lock:
            self._jobs[task.id] = _Job(uploaded=0.0 if task.video_url else 1.0)
        first = (self._fetching, self._fetch) if fetches else (self._validation, self._validate)
        with suppress(_Closing):
            self._submit(*first, task.id)

    def _submit(self, pool: ThreadPoolExecutor, step: Callable[[str], None], task_id: str) -> None:
        """Submit a task's next step to a pool; raises _Closing if the engine is stopping."""
        try:
            pool.submit(self._run, task_id, step)
        except RuntimeError:
            raise _Closing from None

    def _run(self, task_id: str, step: Callable[[str], None]) -> None:
        """Run one step; every error ends the task with a reason, so that none is stuck."""
        try:
            step(task_id)
        except (_Closing, DecoderClosed):
            self._update(task_id, status="validating")  # a crash of the engine leaves "indexing"
            log.info("Task %s resumes at the next start", task_id)
        except DecoderCrashed as error:
            self._retry_or_fail(task_id, error)
        except media.MediaError as error:
            self._fail(task_id, error.code, str(error))
        except PlatformError as error:
            if not self._closing:  # a fetch that the stop interrupts is resumed
                self._fail(task_id, error.code, error.message)
        except ModelError as error:  # the engine is at fault, and not the video
            log.error("Task %s failed: %s", task_id, error)
            self._fail(task_id, "internal_server_error", str(error))
        except (OSError, SQLAlchemyError) as error:
            log.error("Task %s failed: %s", task_id, error)
            self._fail(task_id, "internal_server_error", self._storage_failure(error))
        except Exception:
            log.exception("Task %s failed", task_id)
            self._fail(task_id, "video_file_broken", "The engine failed on it: see its log")

    def _retry_or_fail(self, task_id: str, error: DecoderCrashed) -> None:
        """Retry after a first crash, which may be a coincidence, but not after a second one."""
        job = self._jobs.get(task_id)
        if job is None or job.crashes:
            return self._fail(task_id, error.code, str(error))
        log.warning("Task %s: its video %s; trying again", task_id, error)
        job.crashes += 1
        with suppress(_Closing):
            self._submit(self._validation, self._validate, task_id)

    def _storage_failure(self, error: Exception) -> str:
        free = f"{self._folder.free_bytes() / 1024**2:.0f} MiB are free in {self._folder.evidence}"
        if is_disk_full(error):
            return f"The disk is full: {free}. Make room and upload the video again."
        return f"The engine cannot store the evidence ({error}); {free}."

    def _fetch(self, task_id: str) -> None:
        task = self._update(task_id)
        if not task:
            return self._drop(task_id)
        if task.transcription_url:
            spans = self._fetch_transcript(task_id, task.transcription_url)
            self._update(task_id, transcript=_rows(spans))
        job = self._jobs[task_id]
        if task.video_url:

            def note(share: float) -> None:
                self._stop_if_closing()
                job.uploaded = min(share, 1.0)

            path = self._folder.work_path(task_id)
            limits = FetchLimits(self.max_video_bytes, MAX_FETCH_SECONDS, self._fetch_private)
            fetch(task.video_url, path, limits, "video_url", note)
            self._update(task_id, size=path.stat().st_size)
        job.uploaded = 1.0
        self._submit(self._validation, self._validate, task_id)

    def _fetch_transcript(self, task_id: str, url: str) -> tuple[TextSpan, ...]:
        path = self._folder.work_path(task_id).with_suffix(".part")
        limits = FetchLimits(MAX_SUBTITLE_BYTES, MAX_FETCH_SECONDS, self._fetch_private)
        try:
            fetch(url, path, limits, "transcription_url")
            return read_subtitles(path.read_bytes(), "transcription_url")
        finally:
            path.unlink(missing_ok=True)

    def _validate(self, task_id: str) -> None:
        info = self._decoders.probe(self._folder.work_path(task_id))
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
        remains = timedelta(seconds=self.progress(task_id).remain_seconds)
        self._update(task_id, estimated_time=now() + remains)
        self._submit(self._indexing, partial(self._index, info=info), task_id)

    def _index(self, task_id: str, info: media.MediaInfo) -> None:
        task = self._update(task_id, status="indexing")
        if not task:
            return self._drop(task_id)
        begun = time.monotonic()
        report = media.DecodeReport()
        evidence = self._extract(task, info, report)
        write_evidence(self._folder.evidence_path(task.video_id), evidence)
        damage = report.damage(info)
        if damage:
            log.info("%s: %s", task.filename, damage)
        self._finish(task_id, self._video(task, info, evidence.duration_s, damage))
        with self._lock:
            self._worked_s += time.monotonic() - begun
            self._indexed_s += info.duration_s

    def _extract(self, task: Task, info: media.MediaInfo, report: media.DecodeReport) -> Evidence:
        index = self._index_of(task)
        job = self._jobs[task.id]

        def note(share: float) -> None:
            self._stop_if_closing()
            job.share = share

        return build_evidence(
            self._folder.work_path(task.id),
            info,
            self._models,
            note,
            kinds={EVIDENCE_OF[option] for option in index.options},
            transcript=_spans(task.transcript, info.duration_s),
            report=report,
            decode=partial(self._decoders.decode, duration_s=info.duration_s),
        )

    def _video(self, task: Task, info: media.MediaInfo, duration_s: float, damage: str) -> Video:
        return Video(
            id=task.video_id,
            index_id=task.index_id,
            filename=task.filename,
            duration=duration_s,
            fps=info.fps,
            width=info.width,
            height=info.height,
            size=task.size,
            damage=damage or None,
            fingerprint=media.fingerprint(self._folder.work_path(task.id)),
        )

    def _stop_if_closing(self) -> None:
        if self._closing:
            raise _Closing

    def _index_of(self, task: Task) -> Index:
        """The task's index; refuses one whose evidence has become outdated by a restart."""
        with self._catalog.transaction() as session:
            index = session.get(Index, task.index_id)
        if index is None:
            raise not_found(task.index_id, "indexes")
        if index.outdated_kinds(self._models.names(), index.options):
            raise self._outdated(index)
        return index

    def _finish(self, task_id: str, video: Video) -> None:
        with self._catalog.transaction() as session:
            task = session.get(Task, task_id)
            if task:
                task.status = "ready"
                session.add(video)
        if not task:
            self.forget(video.id)
        self._drop(task_id)

    def _fail(self, task_id: str, code: str, message: str) -> None:
        """End a task with its reason; never raises.

        Its upload is removed first: on a full disk, that frees the space for writing the reason.
        """
        with suppress(OSError):
            self._folder.work_path(task_id).unlink(missing_ok=True)
        for pause_s in (*PAUSES_BEFORE_RETRY_S, None):
            try:
                self._update(task_id, status="failed", error_code=code, error_message=message)
                break
            except SQLAlchemyError as error:
                log.error("Task %s failed (%s), and cannot be updated: %s", task_id, message, error)
                if pause_s is None or self._closing:
                    break
                time.sleep(pause_s)
        self._drop(task_id)

    def _update(self, task_id: str, **values: object) -> Task | None:
        """Change a task's row; None if it has been deleted meanwhile."""
        with self._catalog.transaction() as session:
            task = session.get(Task, task_id)
            if task:
                for name, value in values.items():
                    setattr(task, name, value)
        return task

    def _drop(self, task_id: str) -> None:
        """Remove the upload and the progress of a task that has ended."""
        with suppress(OSError):  # leftovers are removed at the next start
            self._folder.work_path(task_id).unlink(missing_ok=True)
        with self._lock:
            self._jobs.pop(task_id, None)


def _rows(spans: tuple[TextSpan, ...] | None) -> list[tuple[float, float, str]] | None:
    """A transcript in the form that the catalogue stores."""
    return None if spans is None else [(span.start, span.end, span.text) for span in spans]


def _spans(
    rows: list[tuple[float, float, str]] | None, duration_s: float
) -> tuple[TextSpan, ...] | None:
    """A stored transcript, cut off at the end of the video."""
    if rows is None:
        return None
    return tuple(
        TextSpan(start, min(end, duration_s), text)
        for start, end, text in rows
        if start < duration_s
    )
