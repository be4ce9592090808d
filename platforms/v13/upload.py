"""Uploads videos as assets of v1.3: in one form up to 200 MB, in chunks above that.

An upload in chunks is a session: the platform divides the file, gives a presigned URL for each
chunk, and is told which chunks have arrived, with their ETags. The session is noted in a small
file, so that an interrupted run goes on with the missing chunks. Sessions last for 24 hours.

The shapes of sessions are those of the vendor's published Python SDK 1.3 and of its reference
pages; no call was made. Unverified: whether a form's "filename" keeps the folders in a name, and
which megabyte the limits mean (the smaller one is assumed).
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from core.files import write_whole
from transport import fields
from transport.errors import ApiConnectionError, ApiError, BadRequest, BadResponse, NotFound
from transport.http import Fetch, Json, Transport
from transport.multipart import OnProgress, checked_name, send_form

MAX_FORM_BYTES = 200 * 10**6
MAX_BYTES = 10 * 10**9  # in chunks
MAX_PRESIGNED_URLS = 50  # in one call
REPORT_EVERY = 10  # chunks; an interruption loses at most so many
SESSIONS = ("assets", "multipart-uploads")


class FilePart(io.RawIOBase):
    """A part of a file as a stream of its own; `on_read` gets the number of bytes read so far."""

    def __init__(self, path: Path, start: int, size: int, on_read: Callable[[int], None]) -> None:
        self._file = path.open("rb")
        self._file.seek(start)
        self._size = size
        self._left = size
        self._on_read = on_read

    def __len__(self) -> int:
        return self._size

    def tell(self) -> int:
        """How much has been read; requests derives Content-Length from it and the length."""
        return self._size - self._left

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, none at the end of the part."""
        content = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(content)
        self._on_read(self.tell())
        return content

    def close(self) -> None:
        """Close the file as well."""
        self._file.close()
        super().close()


@dataclass(frozen=True)
class UploadSession:
    """An upload in chunks; each chunk is sent with `upload_headers`."""

    upload_id: str
    asset_id: str
    chunk_size: int
    total_chunks: int
    upload_headers: Mapping[str, str]

    @classmethod
    def of(cls, record: object) -> UploadSession | None:
        """The session in a JSON object; None for anything else."""
        known = record if isinstance(record, dict) else {}
        upload_id, asset_id = fields.text(known, "upload_id"), fields.text(known, "asset_id")
        chunk_size = fields.whole_number(known, "chunk_size")
        total_chunks = fields.whole_number(known, "total_chunks")
        if not (upload_id and asset_id and chunk_size and total_chunks):
            return None
        headers = fields.table(known, "upload_headers")
        return cls(upload_id, asset_id, chunk_size, total_chunks, headers)

    def covers(self, size: int) -> bool:
        """Whether its chunks are those of a file of this size."""
        return -(-size // self.chunk_size) == self.total_chunks


class OpenSessions:
    """The upload sessions that have not ended, in a JSON file; None keeps them for this run only.

    A session belongs to a file of one name, size and modification time: any other has another key.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._sessions: dict[str, UploadSession] = {}
        if path:
            with suppress(OSError, ValueError, AttributeError):
                noted = json.loads(path.read_text(encoding="utf-8"))
                sessions = {key: UploadSession.of(record) for key, record in noted.items()}
                self._sessions = {key: found for key, found in sessions.items() if found}

    @staticmethod
    def key(base_url: str, path: Path, name: str) -> str:
        """What distinguishes an upload from all others."""
        found = path.stat()
        return f"{base_url} {found.st_size} {found.st_mtime_ns} {name}"

    def get(self, key: str) -> UploadSession | None:
        """The session noted under a key."""
        with self._lock:
            return self._sessions.get(key)

    def note(self, key: str, session: UploadSession | None) -> None:
        """Note a session, or with None that it has ended."""
        with self._lock:
            if session is None:
                self._sessions.pop(key, None)
            else:
                self._sessions[key] = session
            if self._path and not self._sessions:
                self._path.unlink(missing_ok=True)
            elif self._path:
                kept = {key: asdict(session) for key, session in self._sessions.items()}
                write_whole(self._path, json.dumps(kept, indent=1).encode())


@dataclass
class Uploader:
    """Makes assets of files; `sleep` waits between polls of an asset that is being processed."""

    http: Transport
    sessions: OpenSessions
    poll_s: float = 2.0
    patience_s: float = 1800.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def asset(self, path: Path, name: str, on_progress: OnProgress | None = None) -> str:
        """The id of a ready asset made of the file: one of its name and size, or a new one.

        `on_progress` is called at every poll of an asset that is being processed as well, so that
        what it raises ends the wait. Raises OSError for the file, otherwise ApiError, also if the
        platform cannot use the file.
        """
        checked_name(name)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ApiError(f"{name} has {size / 10**9:.1f} GB; v1.3 accepts up to 10 GB: cut it")
        progress = _Progress(on_progress, size)
        there = list(self._assets(name, self.http.call))
        usable = (asset for asset in there if asset.get("status") != "failed")
        asset_id = next((asset["_id"] for asset in usable if asset.get("size") == size), None)
        if asset_id is None and size <= MAX_FORM_BYTES:
            asset_id = self._in_a_form(path, name, {asset["_id"] for asset in there}, progress)
        elif asset_id is None:
            asset_id = self._in_chunks(path, name, size, progress)
        self._await_asset(asset_id, name, progress)
        return str(asset_id)

    def _assets(self, name: str, fetch: Fetch) -> Iterator[Json]:
        """The assets of exactly that name; the platform also gives those whose name contains it."""
        for asset in self.http.items(fetch, ("assets",), {"filename": name}):
            if asset.get("filename") == name:
                yield asset

    def _in_a_form(self, path: Path, name: str, seen: set[str], progress: _Progress) -> str:
        form = {"method": "direct", "filename": name}

        def send() -> str:
            return send_form(self.http, "assets", form, "file", path, name, progress.report)

        def look() -> str | None:
            for asset in self._assets(name, self.http.fetch):
                # A failed one may be the incomplete file of a broken try: it does not count.
                if asset["_id"] not in seen and asset.get("status") != "failed":
                    return str(asset["_id"])
            return None

        return self.http.send_once(send, look)

    def _await_asset(self, asset_id: str, name: str, progress: _Progress) -> None:
        begun = self.clock()
        while True:
            progress.repeat()
            asset = self.http.json(self.http.call("GET", "assets", asset_id), "status")
            if asset["status"] == "ready":
                return
            if asset["status"] == "failed":
                reason = fields.reason(asset) or "no reason given"
                raise ApiError(f"{name}: the platform cannot use it: {reason}")
            if self.clock() - begun >= self.patience_s:
                raise ApiError(
                    f"{name}: still {asset['status']} after {self.patience_s:g} s: run again, the"
                    " upload is not lost"
                )
            self.sleep(self.poll_s)

    def _in_chunks(self, path: Path, name: str, size: int, progress: _Progress) -> str:
        key = self.sessions.key(self.http.base_url, path, name)
        session, missing, urls = self._session(key, name, size)
        chunks = _Chunks(self.http, session, urls, path, size, progress)
        chunks.send(missing)
        self._await_session(session, name, progress)
        self.sessions.note(key, None)
        return session.asset_id

    def _session(
        self, key: str, name: str, size: int
    ) -> tuple[UploadSession, list[int], dict[int, str]]:
        """The file's session, the chunks it lacks and their presigned URLs, as far as given.

        It is the session of an interrupted upload, if there is one that has not expired.
        """
        session = self.sessions.get(key)
        if session:
            missing = self._missing(session)
            if missing is not None:
                return session, missing, {}
        content = {"filename": name, "type": "video", "total_size": size}
        body = self.http.json(self.http.call("POST", *SESSIONS, json=content))
        session = UploadSession.of(body)
        if session is None:
            raise BadResponse("POST assets/multipart-uploads: the session lacks ids or chunk sizes")
        if not session.covers(size):
            raise BadResponse("POST assets/multipart-uploads: the chunks do not cover the file")
        # Presigned URLs last for an hour only, and are as good as a key: they are not noted.
        self.sessions.note(key, session)
        return session, list(range(1, session.total_chunks + 1)), _presigned_urls(body)

    def _missing(self, session: UploadSession) -> list[int] | None:
        """The chunks that a session still lacks; None if it cannot be continued."""
        done: set[int | None] = set()
        page, pages = 1, 1
        while page <= pages:
            query = {"page": page, "page_limit": 50}
            try:
                response = self.http.call("GET", *SESSIONS, session.upload_id, params=query)
            except (BadRequest, NotFound):
                return None
            body = self.http.json(response, "status")
            if body["status"] not in ("active", "completed"):
                return None
            if body["status"] == "completed":
                return []
            chunks = fields.tables(body, "uploaded_chunks")
            completed = (chunk for chunk in chunks if chunk.get("status") == "completed")
            done |= {fields.whole_number(chunk, "index") for chunk in completed}
            pages = fields.whole_number(fields.table(body, "page_info"), "total_page") or 1
            page += 1
        return [number for number in range(1, session.total_chunks + 1) if number not in done]

    def _await_session(self, session: UploadSession, name: str, progress: _Progress) -> None:
        begun = self.clock()
        while True:
            progress.repeat()
            response = self.http.call("GET", *SESSIONS, session.upload_id)
            status = self.http.json(response, "status")["status"]
            if status == "completed":
                return
            if status != "active" or self.clock() - begun >= self.patience_s:
                raise ApiError(f"{name}: the upload session ended as {status}: run again")
            self.sleep(self.poll_s)


class _Progress:
    """The progress of an upload, so that it can be reported again."""

    def __init__(self, on_progress: OnProgress | None, size: int) -> None:
        self._on_progress = on_progress
        self._last = (size, size)  # of a file that need not be sent

    def report(self, sent: int, total: int) -> None:
        self._last = (sent, total)
        self.repeat()

    def repeat(self) -> None:
        if self._on_progress:
            self._on_progress(*self._last)


class _Chunks:
    """Sends the chunks of one session in order, and reports every few that they have arrived."""

    def __init__(
        self,
        http: Transport,
        session: UploadSession,
        urls: dict[int, str],
        path: Path,
        size: int,
        progress: _Progress,
    ) -> None:
        self._http = http
        self._session = session
        self._urls = urls
        self._path = path
        self._size = size
        self._progress = progress
        self._sent = 0

    def send(self, numbers: Sequence[int]) -> None:
        """Send these chunks; those that have arrived are reported even if a later one fails."""
        self._sent = self._size - sum(map(self._length, numbers))
        arrived: list[Json] = []
        try:
            for place, number in enumerate(numbers):
                arrived.append(self._put(number, numbers[place:]))
                if len(arrived) == REPORT_EVERY:
                    self._report(arrived)
        except BaseException:
            with suppress(ApiError):
                self._report(arrived)
            raise
        self._report(arrived)

    def _length(self, number: int) -> int:
        size = self._session.chunk_size
        return min(size, self._size - (number - 1) * size)

    def _put(self, number: int, left: Sequence[int]) -> Json:
        """Send one chunk; after a failure to another URL, because each can be used only once."""
        length = self._length(number)

        def attempt() -> str:
            if number not in self._urls:
                self._presign(number, left)
            start = (number - 1) * self._session.chunk_size
            with FilePart(self._path, start, length, self._report_progress) as part:
                response = self._http.put_presigned(
                    self._urls.pop(number), part, self._session.upload_headers
                )
            etag = response.headers.get("ETag", "").strip('"')
            if not etag:
                raise ApiConnectionError(f"chunk {number} of {self._path.name} got no ETag")
            return etag

        proof = self._http.retry(attempt)
        self._sent += length
        return {
            "chunk_index": number,
            "proof": proof,
            "proof_type": "etag",
            "chunk_size": length,
        }

    def _report_progress(self, of_chunk: int) -> None:
        self._progress.report(self._sent + of_chunk, self._size)

    def _presign(self, number: int, left: Sequence[int]) -> None:
        """Get URLs for this chunk and those that follow it without a gap."""
        count = 1
        while count < min(MAX_PRESIGNED_URLS, len(left)) and left[count] == number + count:
            count += 1
        body = {"start": number, "count": count}
        path = (*SESSIONS, self._session.upload_id, "presigned-urls")
        # One try: `retry` repeats the whole attempt.
        self._urls |= _presigned_urls(self._http.json(self._http.fetch("POST", *path, json=body)))
        if number not in self._urls:
            raise BadResponse(f"POST {'/'.join(path)}: no URL for chunk {number}")

    def _report(self, arrived: list[Json]) -> None:
        if arrived:
            # May be repeated: the platform ignores what it has been told before.
            body = {"completed_chunks": list(arrived)}
            self._http.json(self._http.call("POST", *SESSIONS, self._session.upload_id, json=body))
            arrived.clear()


def _presigned_urls(body: Json) -> dict[int, str]:
    """The presigned URLs in a response, by chunk."""
    return {
        signed["chunk_index"]: signed["url"]
        for signed in fields.tables(body, "upload_urls")
        if isinstance(signed.get("chunk_index"), int) and isinstance(signed.get("url"), str)
    }
