"""A small platform that speaks v1.3 as far as the client does, on a real socket.

It keeps what it is sent, indexes at once (each look at a thing moves it one step on), and finds
"early" in the first half of every video and "late" in the second. `faults` are met in their order:
(method, part of the path, what happens), where that is a status, "cut" (before anything is read),
"accept, then cut", "half a response", "say nothing" or "wait" (respond after a tenth of a second).
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from engine.media import MediaError, probe
from platforms.v13.client import TwelveLabsV13Client

KEY = "tlk_A-secret-0123456789"
Json = dict[str, Any]
Segments = list[Json]


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str = "No.") -> None:
        super().__init__(status, code)
        self.status = status
        self.body = {"code": code, "message": message}


def in_halves(definition: Json, duration_s: float) -> Segments:
    """The segments of a class: by the words of its description."""
    half = duration_s / 2
    text = definition["description"].partition(" Judge by ")[0]
    spans = {"early": (0.0, half), "late": (half, duration_s)}
    prompts = next((f["enum"] for f in definition["fields"] if f["name"] == "prompt"), [])
    found = []
    for word, (start, end) in spans.items():
        if word in text:
            metadata: Json = {"confidence": 90, "evidence": "visual"}
            metadata["prompt"] = next((prompt for prompt in prompts if word in prompt), "")
            found.append({"start_time": start, "end_time": end, "metadata": metadata})
    return found


class V13Platform:
    """What the platform holds, and its responses; `server` is its socket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.faults: list[tuple[str, str, str | int]] = []
        self.calls: list[tuple[str, str, Any]] = []
        self.indexes: dict[str, Json] = {}
        self.assets: dict[str, Json] = {}
        self.indexed: dict[str, Json] = {}
        self.sessions: dict[str, Json] = {}
        self.analyses: dict[str, Json] = {}
        self.chunk_size, self.first_urls = 1000, 2
        self.is_video = True  # False takes any bytes for ten seconds of video
        self.segments: Callable[[Json, float], Segments] = in_halves
        self.rankings: dict[str, list[tuple[str, float, float]]] = {}
        self.scored: dict[int, float] = {}
        self.most_definitions = 10**6  # more in one analysis are cut off
        self.longest_window_s = 10**6.0  # likewise
        self.refusal: tuple[int, str] | None = None  # of every analysis
        self.tokens: dict[str, tuple[list[Json], Json]] = {}
        self.signatures: set[str] = set()
        self._made = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1.3"

    def new_id(self) -> str:
        self._made += 1
        return f"{self._made:024x}"

    def sent(self, method: str, part: str) -> list[Any]:
        """The bodies of the calls to paths that contain `part`."""
        return [body for kind, path, body in self.calls if kind == method and part in path]

    # Routes

    def respond(self, method: str, path: str, query: Json, body: Any) -> tuple[int, Any]:
        for kind, pattern, route in ROUTES:
            if kind == method and (match := re.fullmatch(pattern, path)):
                return getattr(self, route)(query, body, *match.groups())
        raise Refused(404, "resource_not_exist", f"no route {method} {path}")

    def one(self, things: dict[str, Json], key: str) -> Json:
        if key not in things:
            raise Refused(404, "resource_not_exist", f"Resource with id {key} does not exist")
        return things[key]

    def page(self, things: list[Json], query: Json) -> tuple[int, Json]:
        limit, page = int(query.get("page_limit", 10)), int(query.get("page", 1))
        assert limit <= 50
        info = {
            "page": page,
            "limit_per_page": limit,
            "total_page": -(-len(things) // limit),
            "total_results": len(things),
        }
        return 200, {"data": things[(page - 1) * limit : page * limit], "page_info": info}

    def create_index(self, query: Json, body: Json) -> tuple[int, Json]:
        if any(index["index_name"] == body["index_name"] for index in self.indexes.values()):
            raise Refused(409, "index_name_already_exists")
        index = {"_id": self.new_id(), "video_count": 0, "expires_at": None, **body}
        self.indexes[index["_id"]] = index
        return 201, {"_id": index["_id"]}

    def list_indexes(self, query: Json, body: Any) -> tuple[int, Json]:
        name = query.get("index_name")
        found = [each for each in self.indexes.values() if name in (None, each["index_name"])]
        return self.page(found[::-1], query)

    def get_index(self, query: Json, body: Any, index_id: str) -> tuple[int, Json]:
        return 200, self.one(self.indexes, index_id)

    def rename_index(self, query: Json, body: Json, index_id: str) -> tuple[int, Any]:
        self.one(self.indexes, index_id).update(body)
        return 200, {}

    def delete_index(self, query: Json, body: Any, index_id: str) -> tuple[int, Any]:
        self.one(self.indexes, index_id)
        del self.indexes[index_id]
        return 200, {}

    # Assets

    def make_asset(self, filename: str, content: bytes, method: str) -> Json:
        asset = {
            "_id": self.new_id(),
            "method": method,
            "status": "processing",
            "filename": filename,
            "file_type": "video/mp4",
            "created_at": "2026-08-01T10:00:00Z",
        }
        self.assets[asset["_id"]] = asset
        duration, error = 10.0, None
        if self.is_video:
            file = self.folder / f"{asset['_id']}.mp4"
            file.write_bytes(content)
            try:
                duration = probe(file).duration_s
            except MediaError as broken:
                error = {"message": f"not a video: {broken.code}"}
        asset["_"] = {"size": len(content), "duration": duration, "error": error}
        return asset

    def create_asset(self, query: Json, body: Any) -> tuple[int, Json]:
        fields, files = body
        assert fields["method"] == "direct"
        asset = self.make_asset(fields["filename"], files["file"][1], "direct")
        return 201, shown(asset)

    def list_assets(self, query: Json, body: Any) -> tuple[int, Json]:
        part = query.get("filename", "").lower()
        found = [shown(each) for each in self.assets.values() if part in each["filename"].lower()]
        return self.page(found[::-1], query)

    def get_asset(self, query: Json, body: Any, asset_id: str) -> tuple[int, Json]:
        asset = self.one(self.assets, asset_id)
        response = shown(asset)
        known = asset["_"]
        if asset["status"] == "processing":
            asset["status"] = "failed" if known["error"] else "ready"
            asset |= {"size": known["size"], "duration": known["duration"]}
            asset |= {"error": known["error"]} if known["error"] else {}
        return 200, response

    # Uploads in chunks

    def create_session(self, query: Json, body: Json) -> tuple[int, Json]:
        assert body["type"] == "video"
        session = {
            "upload_id": self.new_id(),
            "asset_id": self.new_id(),
            "chunk_size": self.chunk_size,
            "total_chunks": -(-body["total_size"] // self.chunk_size),
            "upload_headers": {"x-storage-class": "standard"},
            "expires_at": "2026-08-02T10:00:00Z",
        }
        self.sessions[session["upload_id"]] = {
            **session,
            **body,
            "status": "active",
            "chunks": {},
            "done": set(),
        }
        count = min(self.first_urls, session["total_chunks"])
        return 201, session | {"upload_urls": self.signed(session["upload_id"], 1, count)}

    def signed(self, upload_id: str, start: int, count: int) -> list[Json]:
        urls = []
        for number in range(start, start + count):
            signature = f"signature-{self.new_id()}"
            self.signatures.add(signature)
            url = f"{self.url.removesuffix('/v1.3')}/storage/{upload_id}/{number}?{signature}=1"
            urls.append({"chunk_index": number, "url": url})
        return urls

    def sign(self, query: Json, body: Json, upload_id: str) -> tuple[int, Json]:
        session = self.one(self.sessions, upload_id)
        assert 1 <= body["count"] <= 50
        assert body["start"] + body["count"] - 1 <= session["total_chunks"]
        return 200, {"upload_urls": self.signed(upload_id, body["start"], body["count"])}

    def store(self, query: Json, body: bytes, upload_id: str, number: str) -> tuple[int, Any]:
        (signature,) = query
        if signature not in self.signatures:
            raise Refused(403, "AccessDenied", f"{signature} was used or has expired")
        self.signatures.remove(signature)
        session, place = self.sessions[upload_id], int(number)
        left = session["total_size"] - (place - 1) * session["chunk_size"]
        assert len(body) == min(session["chunk_size"], left)
        session["chunks"][place] = body
        return 200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}

    def report(self, query: Json, body: Json, upload_id: str) -> tuple[int, Json]:
        session = self.one(self.sessions, upload_id)
        for chunk in body["completed_chunks"]:
            content = session["chunks"][chunk["chunk_index"]]
            assert chunk["proof"] == hashlib.md5(content).hexdigest()
            assert (chunk["proof_type"], chunk["chunk_size"]) == ("etag", len(content))
            session["done"].add(chunk["chunk_index"])
        if len(session["done"]) == session["total_chunks"] and session["status"] == "active":
            session["status"] = "completed"
            content = b"".join(session["chunks"][key] for key in sorted(session["chunks"]))
            asset = self.make_asset(session["filename"], content, "multipart")
            del self.assets[asset["_id"]]
            asset["_id"] = session["asset_id"]
            self.assets[asset["_id"]] = asset
        return 200, {"asset_id": session["asset_id"], "total_completed": len(session["done"])}

    def get_session(self, query: Json, body: Any, upload_id: str) -> tuple[int, Json]:
        session = self.one(self.sessions, upload_id)
        chunks = [
            {"index": number, "status": "completed" if number in session["done"] else "pending"}
            for number in range(1, session["total_chunks"] + 1)
        ]
        status, response = self.page(chunks, query)
        info = response["page_info"]
        return status, {
            "upload_id": upload_id,
            "status": session["status"],
            "uploaded_chunks": response["data"],
            "page_info": info,
        }

    # Indexed assets, tasks, videos

    def index_asset(self, query: Json, body: Json, index_id: str) -> tuple[int, Json]:
        self.one(self.indexes, index_id)
        asset = self.one(self.assets, body["asset_id"])
        if asset["status"] != "ready":
            raise Refused(400, "parameter_invalid", "the asset is not ready")
        indexed = {
            "_id": self.new_id(),
            "asset_id": asset["_id"],
            "index_id": index_id,
            "status": "pending",
            "created_at": "2026-08-01T10:00:00Z",
            "system_metadata": {
                "filename": asset["filename"],
                "duration": asset["duration"],
                "fps": 30.0,
                "width": 160,
                "height": 96,
                "size": asset["size"],
            },
        }
        self.indexed[indexed["_id"]] = indexed
        return 202, {"_id": indexed["_id"], "asset_id": asset["_id"]}

    def in_index(self, index_id: str, query: Json) -> list[Json]:
        self.one(self.indexes, index_id)
        name = query.get("filename")
        return [
            each
            for each in reversed(self.indexed.values())
            if each["index_id"] == index_id and name in (None, each["system_metadata"]["filename"])
        ]

    def step(self, indexed: Json) -> Json:
        seen = {key: value for key, value in indexed.items() if key != "index_id"}
        steps = {"pending": "indexing", "indexing": "ready"}
        indexed["status"] = steps.get(indexed["status"], indexed["status"])
        return seen

    def list_indexed(self, query: Json, body: Any, index_id: str) -> tuple[int, Json]:
        return self.page([self.step(each) for each in self.in_index(index_id, query)], query)

    def get_indexed(self, query: Json, body: Any, index_id: str, key: str) -> tuple[int, Json]:
        found = self.one(self.indexed, key)
        if found["index_id"] != index_id:
            raise Refused(404, "resource_not_exist")
        return 200, self.step(found)

    def create_task(self, query: Json, body: Any) -> tuple[int, Json]:
        fields, files = body
        assert fields["enable_video_stream"] == "false"
        filename, content = files["video_file"]
        asset = self.make_asset(filename, content, "direct")
        for _ in range(2):
            self.get_asset({}, None, asset["_id"])
        if asset["status"] == "failed":
            raise Refused(400, "video_file_broken", asset["error"]["message"])
        _, made = self.index_asset({}, {"asset_id": asset["_id"]}, fields["index_id"])
        return 200, {"_id": f"task-{made['_id']}", "video_id": made["_id"]}

    def as_task(self, indexed: Json) -> Json:
        seen = self.step(indexed)
        return {**seen, "_id": f"task-{seen['_id']}", "video_id": seen["_id"]}

    def list_tasks(self, query: Json, body: Any) -> tuple[int, Json]:
        found = self.in_index(query["index_id"], query)
        return self.page([self.as_task(each) for each in found], query)

    def get_task(self, query: Json, body: Any, key: str) -> tuple[int, Json]:
        return 200, self.as_task(self.one(self.indexed, key))

    def list_videos(self, query: Json, body: Any, index_id: str) -> tuple[int, Json]:
        ready = [each for each in self.in_index(index_id, query) if each["status"] == "ready"]
        return self.page(ready, query)

    def get_video(self, query: Json, body: Any, index_id: str, key: str) -> tuple[int, Json]:
        hidden = {} if query.get("transcription") == "true" else {"transcription": None}
        return 200, {**self.one(self.indexed, key), **hidden}

    def patch_video(self, query: Json, body: Json, index_id: str, key: str) -> tuple[int, Any]:
        self.one(self.indexed, key).update(body)
        return 200, {}

    def delete_video(self, query: Json, body: Any, index_id: str, key: str) -> tuple[int, Any]:
        self.one(self.indexed, key)
        del self.indexed[key]
        return 200, {}

    # Analyses and search

    def create_analysis(self, query: Json, body: Json) -> tuple[int, Json]:
        if self.refusal:
            raise Refused(*self.refusal)
        assert body["model_name"] == "pegasus1.5"
        definitions = body["response_format"]["segment_definitions"]
        assert 1 <= len(definitions) <= 20
        assert re.fullmatch(r"[\w-]{1,64}", body["custom_id"])
        asset = self.one(self.assets, body["video"]["asset_id"])
        window = (body.get("start_time", 0.0), body.get("end_time", asset["duration"]))
        is_cut = (
            len(definitions) > self.most_definitions
            or window[1] - window[0] > self.longest_window_s
        )
        found = {
            each["id"]: [
                {
                    **part,
                    "start_time": max(part["start_time"], window[0]),
                    "end_time": min(part["end_time"], window[1]),
                }
                for part in self.segments(each, asset["duration"])
                if part["start_time"] < window[1] and part["end_time"] > window[0]
            ]
            for each in definitions
        }
        text = json.dumps(found)
        task = {
            "task_id": self.new_id(),
            "custom_id": body["custom_id"],
            "video_source": {"type": "asset_id", "asset_id": asset["_id"]},
            "status": "queued",
            "result": {
                "data": text[: len(text) // 2] if is_cut else text,
                "finish_reason": "length" if is_cut else "stop",
            },
        }
        self.analyses[task["task_id"]] = task
        return 202, {"task_id": task["task_id"], "status": "queued"}

    def list_analyses(self, query: Json, body: Any) -> tuple[int, Json]:
        found = [
            each
            for each in reversed(self.analyses.values())
            if each["video_source"]["asset_id"] == query["asset_id"]
        ]
        return self.page(found, query)

    def get_analysis(self, query: Json, body: Any, key: str) -> tuple[int, Json]:
        task = self.one(self.analyses, key)
        hidden = {} if task["status"] in ("ready", "failed") else {"result": None}
        seen = {**task, **hidden}
        steps = {"queued": "processing", "processing": "ready"}
        task["status"] = steps.get(task["status"], task["status"])
        return 200, seen

    def search(self, query: Json, body: Any) -> tuple[int, Json]:
        fields, _ = body
        ids = json.loads(fields["filter"])["id"]
        ranked = [each for each in self.rankings[fields["query_text"]] if each[0] in ids]
        hits: list[Json] = []
        for rank, (video_id, start, end) in enumerate(ranked, 1):
            hit = {"video_id": video_id, "start": start, "end": end, "rank": rank}
            hits.append(hit | ({"score": self.scored[rank]} if self.scored else {}))
        return 200, self.search_page(hits, int(fields["page_limit"]))

    def search_page(self, hits: list[Json], limit: int) -> Json:
        info: Json = {"limit_per_page": limit, "total_results": len(hits)}
        if hits[limit:]:
            info["next_page_token"] = token = f"{self.new_id()}-1"
            self.tokens[token] = (hits[limit:], {"limit": limit})
        return {"search_pool": {}, "data": hits[:limit], "page_info": info}

    def next_search_page(self, query: Json, body: Any, token: str) -> tuple[int, Json]:
        if token not in self.tokens:
            raise Refused(400, "search_page_token_expired")
        hits, how = self.tokens.pop(token)
        return 200, self.search_page(hits, how["limit"])


ROUTES = (
    ("POST", "/indexes", "create_index"),
    ("GET", "/indexes", "list_indexes"),
    ("GET", "/indexes/([^/]+)", "get_index"),
    ("PUT", "/indexes/([^/]+)", "rename_index"),
    ("DELETE", "/indexes/([^/]+)", "delete_index"),
    ("POST", "/assets", "create_asset"),
    ("GET", "/assets", "list_assets"),
    ("POST", "/assets/multipart-uploads", "create_session"),
    ("POST", "/assets/multipart-uploads/([^/]+)/presigned-urls", "sign"),
    ("POST", "/assets/multipart-uploads/([^/]+)", "report"),
    ("GET", "/assets/multipart-uploads/([^/]+)", "get_session"),
    ("GET", "/assets/([^/]+)", "get_asset"),
    ("PUT", "/storage/([^/]+)/([0-9]+)", "store"),
    ("POST", "/indexes/([^/]+)/indexed-assets", "index_asset"),
    ("GET", "/indexes/([^/]+)/indexed-assets", "list_indexed"),
    ("GET", "/indexes/([^/]+)/indexed-assets/([^/]+)", "get_indexed"),
    ("DELETE", "/indexes/([^/]+)/(?:indexed-assets|videos)/([^/]+)", "delete_video"),
    ("GET", "/indexes/([^/]+)/videos", "list_videos"),
    ("GET", "/indexes/([^/]+)/videos/([^/]+)", "get_video"),
    ("PATCH", "/indexes/([^/]+)/videos/([^/]+)", "patch_video"),
    ("POST", "/tasks", "create_task"),
    ("GET", "/tasks", "list_tasks"),
    ("GET", "/tasks/task-([^/]+)", "get_task"),
    ("POST", "/analyze/tasks", "create_analysis"),
    ("GET", "/analyze/tasks", "list_analyses"),
    ("GET", "/analyze/tasks/([^/]+)", "get_analysis"),
    ("POST", "/search", "search"),
    ("GET", "/search/([^/]+)", "next_search_page"),
)


def shown(asset: Json) -> Json:
    return {key: value for key, value in asset.items() if key != "_"}


def _handler(platform: V13Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10
        wbufsize = -1  # a response in one packet: between two, the other side's ACK is 40 ms late

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            is_storage = parts.path.startswith("/storage/")
            path = parts.path if is_storage else parts.path.removeprefix("/v1.3")
            fault = self.next_fault(path)
            if fault == "cut":
                self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 100))
                return self.reset()
            body = self.body()
            if is_storage:
                assert "x-api-key" not in self.headers, "storage must not get the key"
                assert self.headers["x-storage-class"] == "standard"
            elif self.headers.get("x-api-key") != KEY:
                return self.send(401, {"code": "api_key_invalid", "message": "Expired."})
            if isinstance(fault, int):
                return self.send(fault, None)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            with platform.lock:
                platform.calls.append((self.command, path, body))
                try:
                    status, response = platform.respond(self.command, path, query, body)
                except Refused as refused:
                    return self.send(refused.status, refused.body)
            if fault == "accept, then cut":
                return self.reset()
            if fault == "say nothing":
                self.rfile.read(1)  # until the client hangs up
                self.close_connection = True
                return None
            if fault == "wait":
                time.sleep(0.1)
            if is_storage:
                return self.send(status, None, response)
            return self.send(status, response, is_half=fault == "half a response")

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def next_fault(self, path: str) -> str | int | None:
            with platform.lock:
                if platform.faults:
                    method, part, what = platform.faults[0]
                    if method == self.command and part in path:
                        del platform.faults[0]
                        return what
            return None

        def body(self) -> Any:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kind, options = parse_options_header(self.headers.get("Content-Type", ""))
            if kind == "application/json":
                return json.loads(content)
            if kind == "multipart/form-data":
                _, form, files = FormDataParser(lambda **_: io.BytesIO()).parse(
                    io.BytesIO(content), kind, len(content), options
                )
                sent = {name: (file.filename, file.read()) for name, file in files.items()}
                return {name: form[name] for name in form}, sent
            return content

        def reset(self) -> None:
            """Cut the connection at once, whatever is in transit."""
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True

        def send(
            self, status: int, response: Any, headers: Json | None = None, is_half: bool = False
        ) -> None:
            content = b"" if response is None else json.dumps(response).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if content:
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if is_half else content)
            self.close_connection = self.close_connection or is_half

    return Handler


@contextmanager
def running_platform(folder: Path) -> Iterator[V13Platform]:
    """The platform, which responds during the `with` block."""
    platform = V13Platform(folder)
    thread = threading.Thread(target=platform.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield platform
    finally:
        platform.server.shutdown()
        thread.join()
        platform.server.server_close()


@contextmanager
def clients_of(
    platform: V13Platform, waits: list[float]
) -> Iterator[Callable[..., TwelveLabsV13Client]]:
    """Makes clients that note their waits and do not really wait; closes them at the end."""
    with ExitStack() as made:

        def connect(key: str = KEY, **choices: Any) -> TwelveLabsV13Client:
            given = {"sleep": waits.append, "max_retries": 3, **choices}
            return made.enter_context(TwelveLabsV13Client(platform.url, key, **given))

        yield connect
