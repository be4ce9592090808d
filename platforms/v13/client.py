"""The client of a platform that speaks the Twelve Labs API v1.3, with TwelveLabsClient's calls.

v1.3 has no classify calls, so a classification is derived here. The segments that its analysis
finds (`platforms.v13.segments`), or the ranks of its search (`platforms.v13.search`), become clips,
which `core.classification` judges like those of every other platform; `scores` says which it was.
Both are paid for, so the clips of the last request are kept: a request that differs only in its
thresholds, or is repeated to include clips, costs nothing.

The task of an upload is the indexed asset, or with `upload="tasks"` the task of the older call,
which v1.3 has announced to withdraw.

Unverified, because no call was made: that an indexed asset and its video have the same id (if they
do not, the file's name and size identify it), and that `/indexes/{id}/videos` lists videos uploaded
by either call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import urlsplit

from core.classification import ClassScore, Thresholds, classify, normalized_scores
from core.types import HEARD, ClassifyRequest, Index, Task, TimedText, Video
from platforms.costs import Estimate
from platforms.errors import NotSupported
from platforms.v13.search import MODEL_OPTIONS, ClipsByClass, Search
from platforms.v13.segments import Segmentation
from platforms.v13.upload import OpenSessions, Uploader
from transport import fields
from transport.errors import ApiError, ApiSetupError, NotFound
from transport.http import LONGEST_PAGE, Json, call_of
from transport.multipart import OnProgress
from twelvelabs_client import TwelveLabsClient, timed_text_in

VERSION = "v1.3"
INDEX_MODEL = "marengo3.0"
MAX_TASK_BYTES = 2 * 10**9


class ClipFinder(Protocol):
    """Makes clips from one of the calls of v1.3."""

    @property
    def scores(self) -> str:
        """How scores are made, in words."""

    def models_of(self, models: Sequence[Json]) -> dict[str, str]:
        """The model that judges each kind of evidence, in an index made with these models."""

    def find_clips(
        self,
        index_id: str,
        videos: Sequence[Video],
        request: ClassifyRequest,
    ) -> tuple[dict[str, ClipsByClass], dict[str, str]]:
        """Clips by video id and class, and by video id the reason why a video has none."""

    def estimate(
        self, videos: Sequence[Video], request: ClassifyRequest, new_minutes: float
    ) -> Estimate:
        """What `find_clips` will cost for these videos and so many minutes of new ones."""


class TwelveLabsV13Client(TwelveLabsClient):
    """The calls of TwelveLabsClient on v1.3.

    `classify_by` is "segmentation" or "search", `upload` is "assets" or "tasks". Uploads in chunks
    that are interrupted are noted in `sessions_file`. `poll_s` is the interval at which work of the
    platform is polled, and `sleep` waits for it. Before a classification costs anything, `agree` is
    called with the estimate; it raises to prevent the classification.
    """

    _metadata = "system_metadata"

    def __init__(
        self,
        api_url: str,
        api_key: str = "",
        *,
        classify_by: str = "segmentation",
        upload: str = "assets",
        sessions_file: Path | None = None,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 60.0,
        max_retries: int = 5,
        poll_s: float = 5.0,
        agree: Callable[[Estimate], None] = lambda estimate: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(
            api_url,
            api_key,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            max_retries=max_retries,
            sleep=sleep,
        )
        self._by_assets = upload == "assets"
        self._uploader = Uploader(
            self._http, OpenSessions(sessions_file), poll_s=poll_s, sleep=sleep
        )
        self._finder: ClipFinder = (
            Search(self._http)
            if classify_by == "search"
            else Segmentation(self._http, poll_s=poll_s, sleep=sleep)
        )
        self._index_of: dict[str, str] = {}  # of tasks
        self._agree = agree
        self._finding = threading.Lock()
        self._found_for: tuple[str, frozenset[str], ClassifyRequest] | None = None
        self._clips: dict[str, ClipsByClass] = {}

    @property
    def scores(self) -> str:
        """How the scores of the last classification are made, in words."""
        return self._finder.scores

    def estimate(
        self,
        index_id: str,
        request: ClassifyRequest,
        *,
        new_minutes: float,
        only: Container[str] | None = None,
    ) -> Estimate:
        """What a classification will cost, with so many minutes of video still to be indexed.

        Analyses that an earlier run has paid for are not counted. `only` as in `classify_index`.
        """
        return self._finder.estimate(self._held(index_id, only), request, new_minutes)

    def _held(self, index_id: str, only: Container[str] | None) -> list[Video]:
        return [video for video in self.videos(index_id) if only is None or video.video_id in only]

    # Indexes

    def find_index(self, name: str) -> Index | None:
        """The index of exactly that name; None if there is none.

        Raises NotSupported if it is to be classified by search and has no model for that.
        """
        found = super().find_index(name)
        if found and not found.models:
            raise NotSupported(
                "this index has no Marengo model and cannot be searched: name another one with"
                " --index, or set V13_CLASSIFY=segmentation"
            )
        return found

    def _version_of(self, base_url: str) -> str:
        if urlsplit(base_url).path.rpartition("/")[2] == VERSION:
            return VERSION
        raise ApiSetupError(f"API_URL={base_url!r} must end with /{VERSION} for this client")

    def _engine_fields(self, options: Sequence[str]) -> Json:
        needs = dict.fromkeys(MODEL_OPTIONS[option] for option in options)
        return {"models": [{"model_name": INDEX_MODEL, "model_options": list(needs)}]}

    def _index(self, body: Json) -> Index:
        models = self._finder.models_of(fields.tables(body, "models"))
        found = super()._index(body)
        return replace(found, options=frozenset(models), models=models, is_engine=False)

    # Tasks

    def upload_video(
        self,
        index_id: str,
        path: Path,
        filename: str | None = None,
        *,
        on_progress: OnProgress | None = None,
        language: str = "en",
    ) -> str:
        """Upload a file, wait until the platform has processed it, and return its indexing task.

        As in TwelveLabsClient; v1.3 detects the language itself. If the account already has an
        asset of that name and size, it is indexed without another upload.
        """
        name = path.name if filename is None else filename
        if self._by_assets:
            return self._index_asset(index_id, self._uploader.asset(path, name, on_progress), name)
        if path.stat().st_size > MAX_TASK_BYTES:
            raise ApiError(f"{name} is larger than the 2 GB of V13_UPLOAD=tasks: use assets")
        return super().upload_video(index_id, path, filename, on_progress=on_progress)

    def _upload_fields(self, index_id: str, language: str) -> dict[str, str]:
        return {"index_id": index_id, "enable_video_stream": "false"}

    def _index_asset(self, index_id: str, asset_id: str, name: str) -> str:
        path = ("indexes", index_id, "indexed-assets")
        body = {"asset_id": asset_id, "enable_video_stream": False}
        seen = {task.task_id for task in self.tasks(index_id, filename=name)}

        def send() -> str:
            return str(self._http.json(self._http.fetch("POST", *path, json=body), "_id")["_id"])

        def look() -> str | None:
            for task in self._http.items(self._http.fetch, path, {"filename": name}):
                if task["_id"] not in seen and task.get("asset_id", asset_id) == asset_id:
                    return str(task["_id"])
            return None

        task_id = self._http.send_once(send, look)
        self._index_of[task_id] = index_id
        return task_id

    def tasks(self, index_id: str, **filters: Any) -> Iterator[Task]:
        """All tasks of an index that match the filters (filename, created_at, ...)."""
        if not self._by_assets:
            return super().tasks(index_id, **filters)
        path = ("indexes", index_id, "indexed-assets")
        found = self._http.items(self._http.call, path, filters)
        return (self._placed(task, index_id) for task in found)

    def task(self, task_id: str) -> Task:
        """One task; if its index is not known, all indexes are searched for it."""
        if not self._by_assets:
            return super().task(task_id)
        known = self._index_of.get(task_id)
        for index_id in [known] if known else [index.index_id for index in self.indexes()]:
            path = ("indexes", index_id, "indexed-assets", task_id)
            with suppress(NotFound):
                body = self._http.json(self._http.call("GET", *path), "_id", "status")
                return self._placed(body, index_id)
        raise NotFound(404, "resource_not_exist", f"no index holds the indexed asset {task_id}")

    def delete_task(self, task_id: str) -> None:
        """Delete a task that is ready or has failed; an indexed asset is deleted with its video."""
        if not self._by_assets:
            return super().delete_task(task_id)
        index_id = self.task(task_id).index_id
        self._http.call("DELETE", "indexes", index_id, "indexed-assets", task_id)
        return None

    def _placed(self, body: Json, index_id: str) -> Task:
        self._index_of[body["_id"]] = index_id
        return replace(self._task(body), index_id=index_id)

    def _task(self, body: Json) -> Task:
        task = super()._task(body)
        if self._by_assets and not task.video_id:
            return replace(task, video_id=task.task_id)
        return task

    # Videos

    def update_video(
        self,
        index_id: str,
        video_id: str,
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Set a video's own metadata; v1.3 has no call that sets a title."""
        if title is not None:
            raise NotSupported("v1.3 cannot give a video a title")
        body = {"user_metadata": dict(metadata or {})}
        self._http.call("PATCH", "indexes", index_id, "videos", video_id, json=body)

    def transcript(self, index_id: str, video_id: str) -> list[TimedText]:
        """What is said in a video, in order."""
        path = ("indexes", index_id, "videos", video_id)
        response = self._http.call("GET", *path, params={"transcription": "true"})
        return timed_text_in(self._http.json(response), "transcription", HEARD, call_of(response))

    def ocr_text(self, index_id: str, video_id: str) -> list[TimedText]:
        """Nothing: v1.3 does not give the text in a video."""
        return []

    def thumbnail(self, index_id: str, video_id: str, time_s: float) -> bytes:
        """Raises NotSupported: v1.3 has no call for the frame at a time."""
        raise NotSupported("v1.3 gives no thumbnails of a video")

    # Classification

    def classify_videos(
        self,
        video_ids: Sequence[str],
        request: ClassifyRequest,
        *,
        include_clips: bool = False,
        show_detailed_score: bool = False,
        page_limit: int = LONGEST_PAGE,
    ) -> list[Json]:
        """Classify these videos; as in TwelveLabsClient, derived from what v1.3 gives.

        v1.3 does not tell a video's index, so the indexes are searched until it is found.
        """
        missing = set(video_ids)
        data: list[Json] = []
        for index in self.indexes():
            there = {video.video_id for video in self.videos(index.index_id)} & missing
            if there:
                data += self.classify_index(
                    index.index_id,
                    request,
                    include_clips=include_clips,
                    show_detailed_score=show_detailed_score,
                    only=there,
                )
                missing -= there
            if not missing:
                return data
        raise ApiError(f"no index of this account holds the videos {', '.join(sorted(missing))}")

    def classify_index(
        self,
        index_id: str,
        request: ClassifyRequest,
        *,
        include_clips: bool = False,
        show_detailed_score: bool = False,
        page_limit: int = LONGEST_PAGE,
        only: Container[str] | None = None,
    ) -> list[Json]:
        """Classify the videos of an index whose ids are in `only`; no other is paid for.

        As in TwelveLabsClient, derived from what v1.3 gives. Videos that could not be classified
        are in `unclassified` with their reason.
        """
        videos = {video.video_id: video for video in self._held(index_id, only)}
        judged = {
            video_id: classify(clips, videos[video_id].duration_s, request.thresholds)
            for video_id, clips in self._clips_of(index_id, request, videos).items()
        }
        data = [
            {"video_id": video_id, "classes": _as_json(scores, include_clips, show_detailed_score)}
            for video_id, scores in judged.items()
            if scores
        ]
        return sorted(data, key=lambda video: -video["classes"][0]["score"])

    def _clips_of(
        self, index_id: str, request: ClassifyRequest, videos: Mapping[str, Video]
    ) -> dict[str, ClipsByClass]:
        """The clips of these videos, by video id; found anew only if the request has changed.

        Other thresholds are no change: they only choose among the clips.
        """
        key = (index_id, frozenset(videos), replace(request, thresholds=Thresholds()))
        with self._finding:  # two threads with the same request must not pay twice
            if key != self._found_for:
                held = list(videos.values())
                self._agree(self._finder.estimate(held, request, 0.0))
                self._clips, failed = self._finder.find_clips(index_id, held, request)
                self.unclassified = MappingProxyType(failed)
                self._found_for = key
            return self._clips

    def classify_page(self, token: str) -> Json:
        """Raises NotSupported: a classification derived here has no pages."""
        raise NotSupported("v1.3 has no pages of a classification")


def _as_json(
    scores: Sequence[ClassScore], include_clips: bool, show_detailed_score: bool
) -> list[Json]:
    """The classes of one video as v1.2 gives them."""
    shares = normalized_scores([found.score for found in scores])
    classes = []
    for found, share in zip(scores, shares, strict=True):
        entry: Json = {
            "name": found.name,
            "score": found.score,
            "duration_ratio": found.duration_ratio,
        }
        if include_clips:
            entry["clips"] = [clip.as_json() for clip in found.clips]
        if show_detailed_score:
            entry["detailed_scores"] = {
                "max_score": found.max_score,
                "avg_score": found.avg_score,
                "normalized_score": share,
            }
        classes.append(entry)
    return classes
