"""Videos to assets of v1.3: in one form up to 200 MB, above that in chunks that survive a break.

An upload in chunks is a session: the platform cuts the file, signs an address for each chunk, and
is told which ones have arrived, with their ETags. The session's id is noted in a small file, so
that a run which was stopped goes on with the chunks that are missing. Sessions live for 24 hours.

The shapes of sessions are those of the vendor's published Python SDK 1.3 and of its reference
pages; no call was made. Unverified: whether a form's "filename" keeps the folders in a name, and
which megabyte the limits mean (the smaller one is taken).
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.files import write_whole
from transport.errors import ApiConnectionError, ApiError, BadAnswer, BadRequest, NotFound
from transport.http import Fetch, Json, Transport
from transport.multipart import OnProgress, checked_name, send_form

MOST_IN_A_FORM = 200 * 10**6
MOST_IN_CHUNKS = 10 * 10**9
MOST_ADDRESSES = 50  # that the platform signs in one call
REPORT_EVERY = 10  # chunks; a break costs at most so many
SESSIONS = ("assets", "multipart-uploads")


class FilePart(io.RawIOBase):
    """A stretch of a file as a stream of its own; `read_more` gets the bytes read so far."""

    def __init__(self, path: Path, start: int, size: int, read_more: Callable[[int], None]) -> None:
        self._file = path.open("rb")
        self._file.seek(start)
        self._size = size
        self._left = size
        self._read_more = read_more

    def __len__(self) -> int:
        return self._size

    def tell(self) -> int:
        """How much has been read; with the length, what requests works Content-Length out of."""
        return self._size - self._left

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, nothing at the end of the stretch."""
        content = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(content)
        self._read_more(self.tell())
        return content

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()


class OpenSessions:
    """The upload sessions that have not ended, in a JSON file; None keeps them for this run only.

    A session belongs to a file of one name, size and time of change: another file has another key.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._sessions: dict[str, Json] = {}
        if path:
            with suppress(OSError, ValueError):
                kept = json.loads(path.read_text(encoding="utf-8"))
                if isinstance(kept, dict):
                    self._sessions = {key: found for key, found in kept.items() if _whole(found)}

    @staticmethod
    def key(base_url: str, path: Path, name: str) -> str:
        """What tells one upload from another."""
        found = path.stat()
        return f"{base_url} {found.st_size} {found.st_mtime_ns} {name}"

    def get(self, key: str) -> Json | None:
        """The session noted under a key."""
        with self._lock:
            return self._sessions.get(key)

    def note(self, key: str, session: Json | None) -> None:
        """Note a session, or with None that it has ended."""
        with self._lock:
            if session is None:
                self._sessions.pop(key, None)
            else:
                self._sessions[key] = session
            if self._path and not self._sessions:
                self._path.unlink(missing_ok=True)
            elif self._path:
                write_whole(self._path, json.dumps(self._sessions, indent=1).encode())


def _whole(session: object) -> bool:
    return isinstance(session, dict) and all(
        isinstance(session.get(name), kind)
        for name, kind in (
            ("upload_id", str),
            ("asset_id", str),
            ("chunk_size", int),
            ("total_chunks", int),
        )
    )


@dataclass
class Uploader:
    """Makes assets of files; `sleep` waits between looks at an asset that is being processed."""

    http: Transport
    sessions: OpenSessions
    poll_s: float = 2.0
    patience_s: float = 1800.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def asset(self, path: Path, name: str, on_progress: OnProgress | None = None) -> str:
        """The id of a ready asset with the file's bytes: one of its name and size, else a new one.

        `on_progress` is called at every look at an asset that is being processed as well, so that
        what it raises ends the wait. Raises OSError for the file, else ApiError, also where the
        platform cannot use it.
        """
        checked_name(name)
        size = path.stat().st_size
        if size > MOST_IN_CHUNKS:
            raise ApiError(f"{name} has {size / 10**9:.1f} GB; v1.3 takes up to 10 GB: cut it")
        progress = _Progress(on_progress, size)
        there = list(self._assets(name, self.http.call))
        usable = (asset for asset in there if asset.get("status") != "failed")
        asset_id = next((asset["_id"] for asset in usable if asset.get("size") == size), None)
        if asset_id is None and size <= MOST_IN_A_FORM:
            asset_id = self._in_a_form(path, name, {asset["_id"] for asset in there}, progress)
        elif asset_id is None:
            asset_id = self._in_chunks(path, name, size, progress)
        self._await_asset(asset_id, name, progress)
        return str(asset_id)

    def _assets(self, name: str, fetch: Fetch) -> Iterator[Json]:
        """Assets of exactly that name: the platform's own filter also gives those that hold it."""
        for asset in self.http.items(fetch, ("assets",), {"filename": name}):
            if asset.get("filename") == name:
                yield asset

    def _in_a_form(self, path: Path, name: str, seen: set[str], progress: _Progress) -> str:
        fields = {"method": "direct", "filename": name}

        def send() -> str:
            return send_form(self.http, "assets", fields, "file", path, name, progress.report)

        def look() -> str | None:
            for asset in self._assets(name, self.http.fetch):
                # A failed one may be the half file of the broken try: it does not count.
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
                error = asset.get("error")
                reason = error.get("message") if isinstance(error, dict) else error
                raise ApiError(f"{name}: the platform cannot use it: {reason or 'no reason given'}")
            if self.clock() - begun >= self.patience_s:
                raise ApiError(
                    f"{name}: still {asset['status']} after {self.patience_s:g} s: run again, the"
                    " upload is not lost"
                )
            self.sleep(self.poll_s)

    def _in_chunks(self, path: Path, name: str, size: int, progress: _Progress) -> str:
        key = self.sessions.key(self.http.base_url, path, name)
        session, missing = self._session(key, name, size)
        chunks = _Chunks(self.http, session, path, size, progress)
        chunks.send(missing)
        self._await_session(session["upload_id"], name, progress)
        self.sessions.note(key, None)
        return str(session["asset_id"])

    def _session(self, key: str, name: str, size: int) -> tuple[Json, list[int]]:
        """The file's session, one that was broken off if it lives, and the chunks it lacks."""
        session = self.sessions.get(key)
        if session:
            missing = self._missing(session)
            if missing is not None:
                return session, missing
        body = {"filename": name, "type": "video", "total_size": size}
        answer = self.http.json(self.http.call("POST", *SESSIONS, json=body))
        if not _whole(answer) or answer["chunk_size"] < 1:
            raise BadAnswer("POST assets/multipart-uploads: the session lacks ids or chunk sizes")
        if -(-size // answer["chunk_size"]) != answer["total_chunks"]:
            raise BadAnswer("POST assets/multipart-uploads: the chunks do not cover the file")
        kept = ("upload_id", "asset_id", "chunk_size", "total_chunks", "upload_headers")
        # Addresses are signed for an hour only and as good as a key: they are not kept.
        self.sessions.note(key, {field: answer.get(field) for field in kept})
        return answer, list(range(1, answer["total_chunks"] + 1))

    def _missing(self, session: Json) -> list[int] | None:
        """The chunks that a session still lacks; None where it cannot be gone on with."""
        done: set[int] = set()
        page, pages = 1, 1
        while page <= pages:
            query = {"page": page, "page_limit": 50}
            try:
                response = self.http.call("GET", *SESSIONS, session["upload_id"], params=query)
            except (BadRequest, NotFound):
                return None
            answer = self.http.json(response, "status")
            if answer["status"] not in ("active", "completed"):
                return None
            if answer["status"] == "completed":
                return []
            chunks = answer.get("uploaded_chunks") or ()
            done |= {chunk.get("index") for chunk in chunks if chunk.get("status") == "completed"}
            pages = (answer.get("page_info") or {}).get("total_page") or 1
            page += 1
        return [number for number in range(1, session["total_chunks"] + 1) if number not in done]

    def _await_session(self, upload_id: str, name: str, progress: _Progress) -> None:
        begun = self.clock()
        while True:
            progress.repeat()
            response = self.http.call("GET", *SESSIONS, upload_id)
            status = self.http.json(response, "status")["status"]
            if status == "completed":
                return
            if status != "active" or self.clock() - begun >= self.patience_s:
                raise ApiError(f"{name}: the upload session ended as {status}: run again")
            self.sleep(self.poll_s)


class _Progress:
    """What has been reported of an upload, so that it can be said again."""

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
    """Sends the chunks of one session in order and reports them by the dozen."""

    def __init__(
        self,
        http: Transport,
        session: Json,
        path: Path,
        size: int,
        progress: _Progress,
    ) -> None:
        self._http = http
        self._upload_id = session["upload_id"]
        self._headers: Mapping[str, str] = session.get("upload_headers") or {}
        self._chunk_size = session["chunk_size"]
        self._path = path
        self._size = size
        self._progress = progress
        self._addresses = _addresses(session)
        self._sent = 0

    def send(self, numbers: Sequence[int]) -> None:
        """Send these chunks; those that have arrived are reported even where a later one breaks."""
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
        return int(min(self._chunk_size, self._size - (number - 1) * self._chunk_size))

    def _put(self, number: int, left: Sequence[int]) -> Json:
        """Send one chunk, after a failure to a fresh address: each one is good for one use."""
        length = self._length(number)

        def attempt() -> str:
            if number not in self._addresses:
                self._sign(number, left)
            start = (number - 1) * self._chunk_size
            with FilePart(self._path, start, length, self._moved) as part:
                response = self._http.put_elsewhere(
                    self._addresses.pop(number), part, self._headers
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

    def _moved(self, of_chunk: int) -> None:
        self._progress.report(self._sent + of_chunk, self._size)

    def _sign(self, number: int, left: Sequence[int]) -> None:
        """Get addresses for this chunk and those that follow it without a gap."""
        count = 1
        while count < min(MOST_ADDRESSES, len(left)) and left[count] == number + count:
            count += 1
        body = {"start": number, "count": count}
        path = (*SESSIONS, self._upload_id, "presigned-urls")
        # One try: `retry` goes round the whole attempt.
        self._addresses |= _addresses(self._http.json(self._http.fetch("POST", *path, json=body)))
        if number not in self._addresses:
            raise BadAnswer(f"POST {'/'.join(path)}: signs no address for chunk {number}")

    def _report(self, arrived: list[Json]) -> None:
        if arrived:
            # May be repeated: the platform leaves out what it has been told before.
            body = {"completed_chunks": list(arrived)}
            self._http.json(self._http.call("POST", *SESSIONS, self._upload_id, json=body))
            arrived.clear()


def _addresses(answer: Json) -> dict[int, str]:
    return {
        signed["chunk_index"]: signed["url"]
        for signed in answer.get("upload_urls") or ()
        if isinstance(signed, dict) and isinstance(signed.get("url"), str)
    }
