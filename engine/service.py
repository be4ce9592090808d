"""What the platform can do, without HTTP: indexes, uploads, videos, classification, search.

Every refused request raises a PlatformError with one of the API's codes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Select, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from engine.catalog.queries import (
    INDEXES,
    TASKS,
    VIDEOS,
    Listing,
    Page,
    PageRequest,
    Row,
    read_page,
)
from engine.catalog.tables import (
    FINAL_STATUSES,
    Catalog,
    Index,
    Task,
    Video,
    is_empty,
    new_id,
    now,
    sqlite_url,
)
from engine.errors import PlatformError, not_found
from engine.evidence import FORMAT_VERSION, Evidence, TextSpan
from engine.indexing.data_folder import DataFolder
from engine.indexing.download import FetchLimits, fetch
from engine.indexing.tasks import API_MAX_VIDEO_BYTES, Indexer, Progress, Upload
from engine.models.protocols import Models
from engine.retrieval.classify import Classifier
from engine.retrieval.evidence_reader import EvidenceReader
from engine.retrieval.search import Image, Searcher, read_image

THUMBNAIL = "thumbnail"
# Bytes and seconds for an image to search by: the client waits while it is fetched.
IMAGE_LIMITS = (32 * 1024**2, 30.0)


@dataclass(frozen=True)
class EngineSpec:
    """One engine of an index, by the hosted platform's name for it, with its options."""

    name: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Usage:
    """The number of videos in an index, and their total duration in seconds."""

    video_count: int
    total_duration: float


class Service:
    """The platform on one data folder. Close it, or use it as a context manager."""

    def __init__(
        self,
        data_dir: Path,
        models: Models,
        *,
        workers: int,
        database_url: str = "",
        fetch_private: bool = False,
        max_video_bytes: int = API_MAX_VIDEO_BYTES,
    ) -> None:
        self._folder = DataFolder(data_dir)
        self._models = models
        self._fetch_private = fetch_private
        self._catalog = Catalog(database_url or sqlite_url(data_dir / "catalog.sqlite3"))
        self._indexer = Indexer(
            self._catalog,
            models,
            self._folder,
            workers,
            fetch_private=fetch_private,
            max_video_bytes=max_video_bytes,
        )
        self._reader = EvidenceReader(models, self._folder.evidence_path, self._file_name)
        self.classifier = Classifier(self._catalog, self._reader)
        self.searcher = Searcher(self._catalog, self._reader)
        self._indexer.resume(separate_catalog=bool(database_url))

    @property
    def max_video_bytes(self) -> int:
        """The largest size of an upload in bytes."""
        return self._indexer.max_video_bytes

    def free_bytes(self) -> int:
        """Bytes that are free for uploads on the disk."""
        return self._folder.free_bytes()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the work in the background; unfinished tasks resume at the next start."""
        self._indexer.close()
        self._catalog.close()

    # Indexes

    def create_index(
        self, name: str, engines: Sequence[EngineSpec], addons: Sequence[str] = ()
    ) -> Index:
        """Create an empty index; raises PlatformError if the name is taken."""
        index = Index(
            id=new_id(),
            name=name,
            engine_name=engines[0].name,
            engines=[
                {"engine_name": each.name, "engine_options": list(each.options)} for each in engines
            ],
            options=list(dict.fromkeys(option for each in engines for option in each.options)),
            addons=list(addons),
            models=self._models.names(),
            evidence_format=FORMAT_VERSION,
        )
        try:
            with self._catalog.transaction() as session:
                session.add(index)
        except IntegrityError:
            raise PlatformError(
                "index_name_already_exists",
                f"An index named {name!r} already exists: use it, or choose another name.",
            ) from None
        return index

    def indexes(self, request: PageRequest) -> Page[Index]:
        """One page of the indexes."""
        return self._page(select(Index), INDEXES, request)

    def index(self, index_id: str) -> Index:
        """One index."""
        with self._catalog.transaction() as session:
            return _get(session, Index, index_id)

    def outdated(self, index: Index) -> list[str]:
        """Kinds of an index's evidence that cannot be scored by the models in use.

        An index without videos has none: it takes the models in use with its first video.
        """
        kinds = index.outdated_kinds(self._models.names(), index.options)
        if kinds:
            with self._catalog.transaction() as session:
                return [] if is_empty(session, index.id) else kinds
        return kinds

    @property
    def scores(self) -> str:
        """How scores are computed, where they were not calibrated on videos; else empty."""
        return self._models.visual.scores

    def usage(self, index_ids: Iterable[str]) -> dict[str, Usage]:
        """The usage of each of these indexes, by id."""
        query = (
            select(Video.index_id, func.count(), func.coalesce(func.sum(Video.duration), 0.0))
            .where(Video.index_id.in_(list(index_ids)))
            .group_by(Video.index_id)
        )
        usage: dict[str, Usage] = defaultdict(lambda: Usage(0, 0.0))
        with self._catalog.transaction() as session:
            for index_id, count, total in session.execute(query):
                usage[index_id] = Usage(count, total)
        return usage

    def rename_index(self, index_id: str, name: str) -> None:
        """Rename an index; raises PlatformError if the name is taken."""
        try:
            with self._catalog.transaction() as session:
                _get(session, Index, index_id).name = name
        except IntegrityError:
            raise PlatformError(
                "index_name_already_exists", f"An index named {name!r} already exists."
            ) from None

    def delete_index(self, index_id: str) -> None:
        """Delete an index with its videos, tasks and evidence."""
        with self._catalog.transaction() as session:
            index = _get(session, Index, index_id)
            videos = list(session.scalars(select(Video.id).where(Video.index_id == index_id)))
            session.delete(index)  # and with it, by cascade, its videos and tasks
        for video_id in videos:
            self._indexer.forget(video_id)

    # Uploads

    def incoming_path(self) -> Path:
        """A path for the bytes of an upload while they arrive."""
        return self._folder.incoming_path()

    def create_task(self, index_id: str, upload: Upload) -> Task:
        """Accept an upload and index it in the background."""
        return self._indexer.submit(index_id, upload)

    def tasks(self, request: PageRequest) -> Page[Task]:
        """One page of the tasks of all indexes."""
        return self._page(select(Task), TASKS, request)

    def task(self, task_id: str) -> Task:
        """One task."""
        with self._catalog.transaction() as session:
            return _get(session, Task, task_id)

    def progress(self, task: Task) -> Progress | None:
        """The progress of a task; None when it has ended."""
        return None if task.status in FINAL_STATUSES else self._indexer.progress(task.id)

    def task_counts(self, index_id: str) -> dict[str, int]:
        """Number of tasks of an index by status."""
        query = (
            select(Task.status, func.count()).where(Task.index_id == index_id).group_by(Task.status)
        )
        with self._catalog.transaction() as session:
            _get(session, Index, index_id)
            return dict(session.execute(query).tuples().all())

    def delete_task(self, task_id: str) -> None:
        """Delete a task that has ended and has no video, or whose video has been deleted."""
        with self._catalog.transaction() as session:
            task = _get(session, Task, task_id)
            if task.status not in FINAL_STATUSES:
                raise PlatformError(
                    "task_cannot_be_deleted",
                    f"Task {task_id} is {task.status}: wait until it ends.",
                )
            if session.get(Video, task.video_id):
                raise PlatformError(
                    "task_cannot_be_deleted",
                    f"Task {task_id} made video {task.video_id}: delete the video first.",
                )
            session.delete(task)

    # Videos

    def videos(self, index_id: str, request: PageRequest) -> Page[Video]:
        """One page of the videos of an index."""
        self.index(index_id)
        query = select(Video).where(Video.index_id == index_id)
        return self._page(query, VIDEOS, request)

    def video(self, index_id: str, video_id: str) -> Video:
        """One video of an index."""
        with self._catalog.transaction() as session:
            return _get_video(session, index_id, video_id)

    def update_video(
        self, index_id: str, video_id: str, title: str | None, metadata: Mapping[str, Any]
    ) -> None:
        """Set a video's title and custom fields; a value of None removes the field."""
        with self._catalog.transaction() as session:
            video = _get_video(session, index_id, video_id)
            if title is not None:
                video.title = title
            fields = {**video.custom_metadata, **metadata}
            video.custom_metadata = {
                name: value for name, value in fields.items() if value is not None
            }
            video.updated_at = now()

    def delete_video(self, index_id: str, video_id: str) -> None:
        """Delete a video and its evidence."""
        with self._catalog.transaction() as session:
            session.delete(_get_video(session, index_id, video_id))
        self._indexer.forget(video_id)

    def transcript(self, index_id: str, video_id: str) -> tuple[TextSpan, ...]:
        """The transcript of a video."""
        return self._evidence(self.video(index_id, video_id)).transcript

    def screen_text(self, index_id: str, video_id: str) -> tuple[TextSpan, ...]:
        """The texts on the screen of a video."""
        return self._evidence(self.video(index_id, video_id)).screen_text

    def thumbnail_time(self, index_id: str, video_id: str, time_s: float | None) -> float:
        """The time in a video that a thumbnail is requested for; the middle by default."""
        with self._catalog.transaction() as session:
            index = _get(session, Index, index_id)
            video = _get_video(session, index_id, video_id)
        if THUMBNAIL not in index.addons:
            raise PlatformError(
                "parameter_invalid", f"Index {index_id} was created without the thumbnail add-on."
            )
        if time_s is None:
            return video.duration / 2
        if not 0 <= time_s <= video.duration:
            raise PlatformError(
                "parameter_invalid",
                f"The time parameter is invalid. The video lasts {video.duration:g} s.",
            )
        return time_s

    def thumbnail(self, video_id: str, time_s: float) -> bytes:
        """The thumbnail nearest to a time, as a JPEG file."""
        evidence = self._reader.read(video_id)
        if evidence is None or not evidence.thumbnails:
            raise not_found(video_id, "videos")
        nearest = int(np.abs(evidence.thumbnail_times - time_s).argmin())
        return evidence.thumbnails[nearest]

    def fetch_image(self, url: str, field: str) -> Image:
        """Download an image to search by."""
        path = self.incoming_path()
        try:
            fetch(url, path, FetchLimits(*IMAGE_LIMITS, self._fetch_private), field)
            return read_image(path.read_bytes(), field)
        finally:
            path.unlink(missing_ok=True)

    def _file_name(self, video_id: str) -> str:
        with self._catalog.transaction() as session:
            video = session.get(Video, video_id)
        return video.filename if video else video_id

    def _evidence(self, video: Video) -> Evidence:
        evidence = self._reader.read(video.id)
        if evidence is None:
            raise not_found(video.id, "videos")
        return evidence

    def _page(self, query: Select[tuple[Row]], listing: Listing, request: PageRequest) -> Page[Row]:
        with self._catalog.transaction() as session:
            return read_page(session, query, listing, request)


def _get(session: Session, table: type[Row], row_id: str) -> Row:
    row = session.get(table, row_id)
    if row is None:
        raise not_found(row_id, table.__tablename__)
    return row


def _get_video(session: Session, index_id: str, video_id: str) -> Video:
    _get(session, Index, index_id)
    video = _get(session, Video, video_id)
    if video.index_id != index_id:
        raise not_found(video_id, "videos")
    return video
