"""What the platform can do, without HTTP: indexes, uploads, videos, classification.

Every refusal is a PlatformError with one of the API's codes; the HTTP layer only translates.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from classification import ClassScore, Clip, Thresholds, classify
from engine import scoring
from engine.catalog import FINAL_STATUSES, Catalog, Index, Task, Video, new_id, sqlite_url
from engine.evidence import Evidence, read_evidence
from engine.indexing import Indexer, Progress
from engine.models import Models

OPTIONS = ("visual", "conversation", "text_in_video")

Row = TypeVar("Row", Index, Task, Video)
Columns = Mapping[str, InstrumentedAttribute[Any]]

INDEX_FIELDS: Columns = {
    "_id": Index.id,
    "index_name": Index.name,
    "created_at": Index.created_at,
    "updated_at": Index.updated_at,
}
TASK_FIELDS: Columns = {
    "_id": Task.id,
    "index_id": Task.index_id,
    "status": Task.status,
    "filename": Task.filename,
    "duration": Task.duration,
    "width": Task.width,
    "height": Task.height,
    "created_at": Task.created_at,
    "updated_at": Task.updated_at,
}
VIDEO_FIELDS: Columns = {
    "_id": Video.id,
    "filename": Video.filename,
    "duration": Video.duration,
    "fps": Video.fps,
    "width": Video.width,
    "height": Video.height,
    "size": Video.size,
    "created_at": Video.created_at,
    "updated_at": Video.updated_at,
    "indexed_at": Video.indexed_at,
}


class PlatformError(Exception):
    """A request that is refused: `code` is the API's, the message says what to repair."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Condition:
    """One filter of a list; `operator` is eq, gte or lte."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True)
class PageRequest:
    """Which part of a list is wanted, and in which order."""

    page: int = 1
    limit: int = 10
    sort_by: str = "created_at"
    descending: bool = True
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of a list; `total` counts the rows of all pages."""

    rows: tuple[Row, ...]
    request: PageRequest
    total: int

    @property
    def pages(self) -> int:
        return max(-(-self.total // self.request.limit), 1)


@dataclass(frozen=True)
class Usage:
    """What an index holds: number of videos and their seconds in all."""

    video_count: int
    total_duration: float


@dataclass(frozen=True)
class ClassQuery:
    """One class to look for, with the options in force for it."""

    name: str
    prompts: tuple[str, ...]
    options: tuple[str, ...]
    conversation_option: str = "semantic"


@dataclass(frozen=True)
class VideoClasses:
    """The classes that apply to one video, best first; never empty."""

    video_id: str
    classes: tuple[ClassScore, ...]


class Service:
    """The platform on one data folder. Close it, or use it as a context manager."""

    def __init__(
        self, data_dir: Path, models: Models, *, workers: int, database_url: str = ""
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self._models = models
        self._catalog = Catalog(database_url or sqlite_url(data_dir / "catalog.sqlite3"))
        self._indexer = Indexer(self._catalog, models, data_dir, workers)
        self._indexer.resume()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the work in the background; unfinished tasks go on at the next start."""
        self._indexer.close()
        self._catalog.close()

    # Indexes

    def create_index(
        self, name: str, engine_name: str, options: Sequence[str], addons: Sequence[str]
    ) -> Index:
        """Make an empty index; refuses a name that is taken."""
        index = Index(
            id=new_id(),
            name=name,
            engine_name=engine_name,
            options=list(options),
            addons=list(addons),
            models=self._models.names(),
        )
        try:
            with self._catalog.transaction() as session:
                session.add(index)
        except IntegrityError:
            raise PlatformError(
                "index_name_already_exists",
                f"An index named {name!r} exists already: use it, or choose another name.",
            ) from None
        return index

    def indexes(self, request: PageRequest) -> Page[Index]:
        """One page of the indexes."""
        return self._page(select(Index), INDEX_FIELDS, request)

    def index(self, index_id: str) -> Index:
        """One index."""
        with self._catalog.transaction() as session:
            return _get(session, Index, index_id)

    def usage(self, index_ids: Iterable[str]) -> dict[str, Usage]:
        """How much each of these indexes holds."""
        query = (
            select(Video.index_id, func.count(), func.coalesce(func.sum(Video.duration), 0.0))
            .where(Video.index_id.in_(list(index_ids)))
            .group_by(Video.index_id)
        )
        held: dict[str, Usage] = defaultdict(lambda: Usage(0, 0.0))
        with self._catalog.transaction() as session:
            held |= {
                index_id: Usage(count, total) for index_id, count, total in session.execute(query)
            }
        return held

    def rename_index(self, index_id: str, name: str) -> None:
        """Give an index another name; refuses a name that is taken."""
        try:
            with self._catalog.transaction() as session:
                _get(session, Index, index_id).name = name
        except IntegrityError:
            raise PlatformError(
                "index_name_already_exists", f"An index named {name!r} exists already."
            ) from None

    def delete_index(self, index_id: str) -> None:
        """Delete an index with its videos, tasks and evidence."""
        with self._catalog.transaction() as session:
            index = _get(session, Index, index_id)
            videos = list(session.scalars(select(Video.id).where(Video.index_id == index_id)))
            session.execute(delete(Video).where(Video.index_id == index_id))
            session.execute(delete(Task).where(Task.index_id == index_id))
            session.delete(index)
        for video_id in videos:
            self._indexer.forget(video_id)

    # Uploads

    def incoming_path(self) -> Path:
        """Where the bytes of an upload go while they arrive."""
        return self._indexer.incoming_path()

    def create_task(self, index_id: str, incoming: Path, filename: str) -> Task:
        """Take over a complete upload and index it in the background."""
        self.index(index_id)
        return self._indexer.submit(index_id, incoming, filename)

    def tasks(self, request: PageRequest) -> Page[Task]:
        """One page of the tasks of all indexes."""
        return self._page(select(Task), TASK_FIELDS, request)

    def task(self, task_id: str) -> Task:
        """One task."""
        with self._catalog.transaction() as session:
            return _get(session, Task, task_id)

    def progress(self, task: Task) -> Progress | None:
        """How far a task is; None when it has ended."""
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
        """Delete a task that has ended, and whose video, if any, was deleted before."""
        with self._catalog.transaction() as session:
            task = _get(session, Task, task_id)
            if task.status not in FINAL_STATUSES:
                raise PlatformError(
                    "task_cannot_be_deleted", f"Task {task_id} is {task.status}: wait for its end."
                )
            if session.get(Video, task.video_id):
                raise PlatformError(
                    "task_cannot_be_deleted",
                    f"Task {task_id} has made video {task.video_id}: delete the video first.",
                )
            session.delete(task)

    # Videos

    def videos(self, index_id: str, request: PageRequest) -> Page[Video]:
        """One page of the videos of an index."""
        self.index(index_id)
        query = select(Video).where(Video.index_id == index_id)
        return self._page(query, VIDEO_FIELDS, request)

    def video(self, index_id: str, video_id: str) -> Video:
        """One video of an index."""
        with self._catalog.transaction() as session:
            return _get_video(session, index_id, video_id)

    def delete_video(self, index_id: str, video_id: str) -> None:
        """Delete a video and its evidence."""
        with self._catalog.transaction() as session:
            session.delete(_get_video(session, index_id, video_id))
        self._indexer.forget(video_id)

    # Classification

    def classify_index(
        self, index_id: str, queries: Sequence[ClassQuery], thresholds: Thresholds
    ) -> list[VideoClasses]:
        """Classify every video of an index; those without a class are left out."""
        with self._catalog.transaction() as session:
            index = _get(session, Index, index_id)
            _require_options(index, queries)
            videos = list(session.scalars(select(Video.id).where(Video.index_id == index_id)))
        return self._classify(videos, queries, thresholds)

    def classify_videos(
        self, video_ids: Sequence[str], queries: Sequence[ClassQuery], thresholds: Thresholds
    ) -> list[VideoClasses]:
        """Classify these videos; those without a class are left out."""
        with self._catalog.transaction() as session:
            for video_id in video_ids:
                video = _get(session, Video, video_id)
                _require_options(_get(session, Index, video.index_id), queries)
        return self._classify(list(dict.fromkeys(video_ids)), queries, thresholds)

    def _classify(
        self, video_ids: Sequence[str], queries: Sequence[ClassQuery], thresholds: Thresholds
    ) -> list[VideoClasses]:
        results = []
        for video_id in video_ids:
            evidence = read_evidence(self._indexer.evidence_path(video_id))
            clips = self._clips(evidence, queries)
            classes = classify(clips, evidence.duration_s, thresholds)
            if classes:
                results.append(VideoClasses(video_id, tuple(classes)))
        return sorted(results, key=lambda result: -result.classes[0].score)

    def _clips(self, evidence: Evidence, queries: Sequence[ClassQuery]) -> dict[str, list[Clip]]:
        """The clips of every class; a prompt that several classes share is scored once."""
        asked: dict[tuple[str, str], list[ClassQuery]] = defaultdict(list)
        for query in queries:
            for option in query.options:
                asked[option, query.conversation_option].append(query)
        clips: dict[str, list[Clip]] = {query.name: [] for query in queries}
        for (option, conversation_option), alike in asked.items():
            prompts = list(dict.fromkeys(prompt for query in alike for prompt in query.prompts))
            found = scoring.find_clips(evidence, prompts, option, self._models, conversation_option)
            for query in alike:
                clips[query.name] += (clip for prompt in query.prompts for clip in found[prompt])
        return clips

    def _page(self, query: Select[tuple[Row]], fields: Columns, request: PageRequest) -> Page[Row]:
        """One page of a query; raises PlatformError for a field that the list does not have."""
        query = query.where(*(_criterion(fields, condition) for condition in request.conditions))
        order = _column(fields, request.sort_by)
        ordered = query.order_by(order.desc() if request.descending else order.asc(), fields["_id"])
        with self._catalog.transaction() as session:
            total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
            offset = (request.page - 1) * request.limit
            rows = tuple(session.scalars(ordered.offset(offset).limit(request.limit)))
        return Page(rows, request, total)


def _column(fields: Columns, name: str) -> InstrumentedAttribute[Any]:
    if name not in fields:
        known = ", ".join(sorted(fields))
        raise PlatformError("parameter_unknown", f"{name} is not a field of this list: {known}.")
    return fields[name]


def _criterion(fields: Columns, condition: Condition) -> ColumnElement[bool]:
    compare = {"gte": operator.ge, "lte": operator.le, "eq": operator.eq}[condition.operator]
    criterion: ColumnElement[bool] = compare(_column(fields, condition.field), condition.value)
    return criterion


def _get(session: Session, table: type[Row], row_id: str) -> Row:
    row = session.get(table, row_id)
    if row is None:
        raise PlatformError(
            "resource_not_exist",
            f"Resource with id {row_id} does not exist in {table.__tablename__}.",
        )
    return row


def _get_video(session: Session, index_id: str, video_id: str) -> Video:
    video = _get(session, Video, video_id)
    if video.index_id != index_id:
        raise PlatformError(
            "resource_not_exist", f"Resource with id {video_id} does not exist in videos."
        )
    return video


def _require_options(index: Index, queries: Sequence[ClassQuery]) -> None:
    for query in queries:
        for option in query.options:
            if option not in index.options:
                raise PlatformError(
                    "search_option_not_supported",
                    f"Index {index.id} has no {option}; it has {', '.join(index.options)}.",
                )
