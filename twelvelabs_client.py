"""The client of a platform that speaks the Twelve Labs API v1.1 or v1.2: one method per call.

    with TwelveLabsClient("https://api.twelvelabs.io/v1.2", api_key) as client:
        index_id = client.create_index("demo", ["visual", "conversation"])
        task_id = client.upload_video(index_id, Path("clip.mp4"))

Ids are strings, and indexes, tasks, videos and texts are records of `core.types`. Only a
classification is the API's own JSON: it is written to the results folder as it is, and checked when
it is read from there. Failures are the errors drawn at the top of `transport.errors`, all of them
ApiError; they can be imported from here:

    ApiError > ApiSetupError, BadResponse
    ApiError > ApiConnectionError > ApiTimeout
    ApiError > ApiStatusError > BadRequest, AuthError, NotFound, Conflict, RateLimited, ServerError
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from core.types import FAILED, HEARD, READ, ClassifyRequest, Index, Task, TimedText, Video
from transport import fields
from transport.errors import (
    ApiConnectionError,
    ApiError,
    ApiSetupError,
    ApiStatusError,
    ApiTimeout,
    AuthError,
    BadRequest,
    BadResponse,
    Conflict,
    NotFound,
    RateLimited,
    ServerError,
)
from transport.http import (
    LONGEST_PAGE,
    Fetch,
    Json,
    PageTokenExpired,
    Transport,
    all_pages,
    call_of,
    new_entries,
)
from transport.multipart import OnProgress, checked_name, send_form

__all__ = [
    "ApiConnectionError",
    "ApiError",
    "ApiSetupError",
    "ApiStatusError",
    "ApiTimeout",
    "AuthError",
    "BadRequest",
    "BadResponse",
    "Conflict",
    "NotFound",
    "RateLimited",
    "ServerError",
    "TwelveLabsClient",
]

# The engine that each version's documentation creates its indexes with.
ENGINES = {"v1.1": "marengo2.5", "v1.2": "marengo2.6"}


Client = TypeVar("Client", bound="TwelveLabsClient")


class TwelveLabsClient:
    """The calls of v1.1 and v1.2; the version is the last part of `api_url`.

    `unclassified` has the reason for each video that the last classification left out, by id.

    May be shared by the threads of a pool: each gets its own connections, and `close` (or the end
    of the `with` block) closes them all; call it when the threads have finished. Raises
    ApiSetupError for a URL or key that cannot be used. `sleep` waits between tries.
    """

    unclassified: Mapping[str, str] = MappingProxyType({})
    _metadata = "metadata"  # where this version describes the file of a video or task

    def __init__(
        self,
        api_url: str,
        api_key: str = "",
        *,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 60.0,
        max_retries: int = 5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = Transport(
            api_url,
            api_key,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            max_retries=max_retries,
            sleep=sleep,
        )
        self.version = self._version_of(self._http.base_url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._http.base_url!r})"

    def __enter__(self: Client) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of all threads; a later call opens new ones."""
        self._http.close()

    # Indexes

    def create_index(
        self, name: str, options: Sequence[str], addons: Sequence[str] = ("thumbnail",)
    ) -> str:
        """Create an index and return its id; raises Conflict if the name is taken.

        If the response was lost, an index of that name that exists afterwards is the one created.
        """
        body = {"index_name": name, "addons": list(addons), **self._engine_fields(options)}

        def send() -> str:
            return self._made("indexes", json=body)

        def look() -> str | None:
            found = self._index_named(name, self._http.fetch)
            return found.index_id if found else None

        return self._http.send_once(send, look)

    def indexes(self, **filters: Any) -> Iterator[Index]:
        """All indexes that match the filters (index_name, created_at, sort_by, ...)."""
        return map(self._index, self._http.items(self._http.call, ("indexes",), filters))

    def find_index(self, name: str) -> Index | None:
        """The index of exactly that name; None if there is none."""
        return self._index_named(name, self._http.call)

    def index(self, index_id: str) -> Index:
        """One index."""
        return self._index(self._http.json(self._http.call("GET", "indexes", index_id), "_id"))

    def rename_index(self, index_id: str, name: str) -> None:
        """Give an index another name."""
        self._http.call("PUT", "indexes", index_id, json={"index_name": name})

    def delete_index(self, index_id: str) -> None:
        """Delete an index with all its videos."""
        self._http.call("DELETE", "indexes", index_id)

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
        """Upload a file and return the id of its indexing task; memory does not grow with the file.

        `filename` is the name that the platform gets (default: the file's own). `on_progress` gets
        (bytes sent, bytes in all) and starts again at 0 when the upload does. An upload whose
        response was lost is looked for among the index's tasks before it is sent again. Raises
        OSError if the file cannot be opened, otherwise ApiError.
        """
        name = checked_name(path.name if filename is None else filename)
        search = {"index_id": index_id, "filename": name}
        seen = {task.task_id for task in self.tasks(**search)}

        def send() -> str:
            form = self._upload_fields(index_id, language)
            return send_form(self._http, "tasks", form, "video_file", path, name, on_progress)

        def look() -> str | None:
            tasks = self._http.items(self._http.fetch, ("tasks",), search)
            ids = (task.task_id for task in map(self._task, tasks) if is_this_upload(task))
            return next(ids, None)

        def is_this_upload(task: Task) -> bool:
            of_this_name = task.filename in ("", name)
            # A failed one may be the incomplete file of a broken try: it does not count.
            return of_this_name and task.task_id not in seen and task.status != FAILED

        return self._http.send_once(send, look)

    def tasks(self, index_id: str, **filters: Any) -> Iterator[Task]:
        """All tasks of an index that match the filters (filename, created_at, ...)."""
        query = {"index_id": index_id, **filters}
        return map(self._task, self._http.items(self._http.call, ("tasks",), query))

    def task(self, task_id: str) -> Task:
        """One task."""
        return self._task(
            self._http.json(self._http.call("GET", "tasks", task_id), "_id", "status")
        )

    def delete_task(self, task_id: str) -> None:
        """Delete a task that is ready (after its video) or has failed; else raises Conflict."""
        self._http.call("DELETE", "tasks", task_id)

    # Videos

    def videos(self, index_id: str, **filters: Any) -> Iterator[Video]:
        """All videos of an index that match the filters (filename, duration, ...)."""
        path = ("indexes", index_id, "videos")
        return map(self._video, self._http.items(self._http.call, path, filters))

    def video(self, index_id: str, video_id: str) -> Video:
        """One video."""
        response = self._http.call("GET", "indexes", index_id, "videos", video_id)
        return self._video(self._http.json(response, "_id"))

    def update_video(
        self,
        index_id: str,
        video_id: str,
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Set a video's title, its own metadata, or both."""
        given = {"video_title": title, "metadata": dict(metadata) if metadata is not None else None}
        body = {field: value for field, value in given.items() if value is not None}
        self._http.call("PUT", "indexes", index_id, "videos", video_id, json=body)

    def delete_video(self, index_id: str, video_id: str) -> None:
        """Delete a video."""
        self._http.call("DELETE", "indexes", index_id, "videos", video_id)

    def transcript(self, index_id: str, video_id: str) -> list[TimedText]:
        """What is said in a video, in order."""
        return self._timed_text(index_id, video_id, "transcription", HEARD)

    def ocr_text(self, index_id: str, video_id: str) -> list[TimedText]:
        """What can be read in the picture of a video, in order."""
        return self._timed_text(index_id, video_id, "text-in-video", READ)

    def thumbnail(self, index_id: str, video_id: str, time_s: float) -> bytes:
        """The frame nearest to a time, as an image file, usually a JPEG."""
        path = ("indexes", index_id, "videos", video_id, "thumbnail")
        body = self._http.json(self._http.call("GET", *path, params={"time": time_s}), "thumbnail")
        return self._http.get_presigned(str(body["thumbnail"]))

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
        """Classify these videos: `data` of all pages, without videos that no class applies to."""
        return self._classified(
            ("classify",),
            request,
            video_ids=list(video_ids),
            include_clips=include_clips,
            show_detailed_score=show_detailed_score,
            page_limit=page_limit,
        )

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
        """Classify every video of an index; the rest as in `classify_videos`.

        `only` are the ids of the videos whose results are needed, None for all. If classifying
        costs money, no other video is classified.
        """
        data = self._classified(
            ("classify", "bulk"),
            request,
            index_id=index_id,
            include_clips=include_clips,
            show_detailed_score=show_detailed_score,
            page_limit=page_limit,
        )
        return [video for video in data if only is None or video["video_id"] in only]

    def classify_page(self, token: str) -> Json:
        """One further page of a classification; page tokens expire after about five minutes."""
        return self._http.json(self._http.call("GET", "classify", token))

    def _classified(
        self, path: tuple[str, ...], request: ClassifyRequest, **choices: Any
    ) -> list[Json]:
        body = {
            "classes": [each.as_json() for each in request.classes],
            "options": list(request.options),
            "conversation_option": request.conversation_option,
            "threshold": asdict(request.thresholds),
            **choices,
        }
        return all_pages(lambda: self._pages(path, body))

    def _pages(self, path: tuple[str, ...], body: Json) -> list[Json]:
        response = self._http.call("POST", *path, json=body)
        call, page = call_of(response), self._http.json(response)
        videos: list[Json] = []
        seen: set[str] = set()
        tokens: set[str] = set()
        while True:
            fresh = new_entries(page, "video_id", seen, call)
            videos += fresh
            token = fields.text(fields.table(page, "page_info"), "next_page_token")
            if not token:
                return videos
            if token in tokens or (page["data"] and not fresh):
                raise BadResponse(f"{call}: the platform repeats a page that it has given before")
            tokens.add(token)
            try:
                page = self.classify_page(token)
            except (BadRequest, NotFound) as error:
                raise PageTokenExpired(error) from None

    # What differs between versions

    def _version_of(self, base_url: str) -> str:
        version = urlsplit(base_url).path.rpartition("/")[2]
        if version in ENGINES:
            return version
        wrong = "must end with /v1.1, /v1.2 or /v1.3, for example https://api.twelvelabs.io/v1.3"
        if version == "v1.3":
            wrong = "speaks v1.3, which is for TwelveLabsV13Client"
        raise ApiSetupError(f"API_URL={base_url!r} {wrong}")

    def _engine_fields(self, options: Sequence[str]) -> Json:
        engine = ENGINES[self.version]
        if self.version == "v1.1":
            return {"engine_id": engine, "index_options": list(options)}
        return {"engines": [{"engine_name": engine, "engine_options": list(options)}]}

    def _upload_fields(self, index_id: str, language: str) -> dict[str, str]:
        return {"index_id": index_id, "language": language}

    def _index(self, body: Json) -> Index:
        models = fields.table(body, "models")  # only the engine names them
        engines = fields.tables(body, "engines")
        return Index(
            index_id=body["_id"],
            name=fields.text(body, "index_name"),
            options=frozenset(fields.texts(body, "index_options")).union(
                *(fields.texts(engine, "engine_options") for engine in engines)
            ),
            models={option: fields.text(models, option) for option in models},
            outdated=tuple(fields.texts(body, "outdated")),
            scores=fields.text(body, "scores"),
            video_count=fields.whole_number(body, "video_count") or 0,
            is_engine=isinstance(body.get("models"), dict),
        )

    def _task(self, body: Json) -> Task:
        process, status = fields.table(body, "process"), fields.text(body, "status")
        return Task(
            task_id=body["_id"],
            status=status,
            index_id=fields.text(body, "index_id"),
            video_id=fields.text(body, "video_id"),
            filename=fields.text(fields.table(body, self._metadata), "filename"),
            percentage=fields.number(process, "percentage"),
            upload_percentage=fields.number(process, "upload_percentage"),
            remaining_s=fields.number(process, "remain_seconds"),
            error=fields.reason(body) if status == FAILED else "",
        )

    def _video(self, body: Json) -> Video:
        known = fields.table(body, self._metadata)
        return Video(
            video_id=body["_id"],
            filename=fields.text(known, "filename"),
            size=fields.whole_number(known, "size"),
            duration_s=fields.number(known, "duration") or 0.0,
            fps=fields.number(known, "fps") or 0.0,
            damage=fields.text(known, "damage"),
            fingerprint=fields.text(known, "fingerprint"),
            asset_id=fields.text(body, "asset_id"),
            created_at=fields.moment(body, "created_at"),
        )

    def _timed_text(self, index_id: str, video_id: str, what: str, option: str) -> list[TimedText]:
        response = self._http.call("GET", "indexes", index_id, "videos", video_id, what)
        return timed_text_in(self._http.json(response), "data", option, call_of(response))

    def _made(self, collection: str, **content: Any) -> str:
        """One try to create an index or a task; its id."""
        body = self._http.json(self._http.fetch("POST", collection, **content), "_id")
        return str(body["_id"])

    def _index_named(self, name: str, fetch: Fetch) -> Index | None:
        for body in self._http.items(fetch, ("indexes",), {"index_name": name}):
            # v1.1 may still list an index that has been deleted.
            if body.get("index_name") == name and not body.get("deleted"):
                return self._index(body)
        return None


def timed_text_in(body: Json, key: str, option: str, call: str) -> list[TimedText]:
    """The timed text under a key of a response, null for none; or BadResponse."""
    entries = body.get(key)
    if not isinstance(entries, list | None):
        raise BadResponse(f"{call}: the response has no list {key!r}")
    found = []
    for entry in entries or ():
        known = entry if isinstance(entry, dict) else {}
        start, end = fields.number(known, "start"), fields.number(known, "end")
        value = known.get("value")
        if start is None or end is None or not isinstance(value, str):
            raise BadResponse(f"{call}: an entry of {key!r} has no 'start', 'end' or 'value'")
        found.append(TimedText(start, end, option, value))
    return found
