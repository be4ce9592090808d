"""Clients that upload, poll, classify, search and delete at once: nothing is lost, nothing fails.

    python bench/concurrency.py --clients 8 --seconds 60

Each client has an index of its own and one that all share, and checks every response.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import requests

from core.command_line import make_parser
from engine.api import ApiOptions
from engine.server import served
from engine.service import Service
from tests.support.fakes import quick_models
from tests.support.media import write_video

Json = dict[str, Any]

TIMEOUT_S = 60
OPTIONS = ["visual", "conversation"]
CLASSES = [{"name": "Early", "prompts": ["early"]}]
LEFTOVERS = {".video", ".part", ".safetensors"}
ANYTHING = {"min_video_score": 0, "min_clip_score": 0, "min_duration_ratio": 0}


class Fault(Exception):
    """The engine gave a wrong response."""


@dataclass
class Tally:
    """The calls of all clients, and the longest time to a response."""

    calls: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, took_s: float) -> None:
        """Count one call."""
        with self.lock:
            self.calls[what] += 1
            self.slowest_s = max(self.slowest_s, took_s)


class Client:
    """A client; every response but the expected one raises Fault."""

    def __init__(self, url: str, tally: Tally) -> None:
        self._url = url
        self._tally = tally
        self._session = requests.Session()

    def call(self, what: str, method: str, path: str, expected: int, **sent: Any) -> Any:
        """Send a request; returns its JSON response, if there is one."""
        begun = time.monotonic()
        response = self._session.request(method, self._url + path, timeout=TIMEOUT_S, **sent)
        self._tally.note(what, time.monotonic() - begun)
        if response.status_code != expected:
            raise Fault(f"{what}: {response.status_code} {response.text[:200]}")
        return response.json() if response.content else None

    def upload(self, index_id: str, video: bytes, name: str) -> Any:
        """Upload a video and wait until it is ready."""
        files = {"video_file": (name, video)}
        form = {"index_id": index_id}
        task = self.call("upload", "POST", "/tasks", 201, data=form, files=files)
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            state = self.call("poll", "GET", f"/tasks/{task['_id']}", 200)
            if state["status"] == "ready":
                return state
            if state["status"] == "failed":
                raise Fault(f"{name} failed: {state['error']}")
            time.sleep(0.02)
        raise Fault(f"{name} is still {state['status']}")

    def round(self, number: int, shared_id: str, video: bytes) -> None:
        """Upload to a new index and to the shared one, query both, and clean up."""
        name = f"{threading.get_ident()}-{number}"
        engines = [{"engine_name": "marengo2.6", "engine_options": OPTIONS}]
        body: Json = {"index_name": name, "engines": engines}
        own_id = self.call("create", "POST", "/indexes", 201, json=body)["_id"]
        own = self.upload(own_id, video, f"{name}.mp4")
        shared = self.upload(shared_id, video, f"{name}.mp4")
        self._query(own_id, own["video_id"])
        choice: Json = {"classes": CLASSES, "options": OPTIONS, "threshold": ANYTHING}
        body = {**choice, "index_id": shared_id, "page_limit": 50}
        self.call("classify all", "POST", "/classify/bulk", 200, json=body)
        path = f"/indexes/{shared_id}/videos/{shared['video_id']}"
        self.call("delete video", "DELETE", path, 204)
        self.call("delete task", "DELETE", f"/tasks/{shared['_id']}", 204)
        self.call("gone", "GET", path, 404)
        self.call("delete index", "DELETE", f"/indexes/{own_id}", 204)

    def _query(self, index_id: str, video_id: str) -> None:
        """Query an index with one video in every way; each has to find the video."""
        choice: Json = {"classes": CLASSES, "options": ["visual"], "threshold": ANYTHING}
        body = {**choice, "index_id": index_id}
        found = self.call("classify index", "POST", "/classify/bulk", 200, json=body)
        chosen = {**choice, "video_ids": [video_id]}
        same = self.call("classify video", "POST", "/classify", 200, json=chosen)
        query = {"index_id": index_id, "query": "early", "search_options": ["visual"]}
        matches = self.call("search", "POST", "/search", 200, json=query)
        ids = {each["video_id"] for each in found["data"] + same["data"] + matches["data"]}
        if ids != {video_id} or found["data"] != same["data"]:
            raise Fault(f"{ids} was found, not {video_id}")


def run(clients: int, seconds: float, folder: Path) -> Tally:
    """Run this many clients for this many seconds; raises Fault."""
    video = write_video(folder / "a.mp4", seconds=4, fps=30, gop=15).read_bytes()
    tally = Tally()
    with (
        Service(folder / "data", quick_models(), workers=2) as service,
        served(service, ApiOptions()) as url,
    ):
        api = f"{url}/v1.2"
        engines = [{"engine_name": "marengo2.6", "engine_options": OPTIONS}]
        body = {"index_name": "shared", "engines": engines}
        shared_id = Client(api, tally).call("create", "POST", "/indexes", 201, json=body)["_id"]
        until = time.monotonic() + seconds

        def work(_: int) -> None:
            client, number = Client(api, tally), 0
            while time.monotonic() < until:
                client.round(number, shared_id, video)
                number += 1

        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(work, range(clients)))
        left = Client(api, tally).call("list", "GET", "/tasks", 200)["page_info"]["total_results"]
    leftovers = [path for path in (folder / "data").rglob("*") if path.suffix in LEFTOVERS]
    if left or leftovers:
        raise Fault(f"{left} tasks and {len(leftovers)} files are left")
    return tally


def main() -> int:
    """Print the calls; returns 1 if the engine failed."""
    parser = make_parser(__doc__, {})
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            tally = run(given.clients, given.seconds, Path(folder))
        except Fault as fault:
            print(f"fault: {fault}", file=sys.stderr)
            return 1
    print("| call | times |\n| --- | --- |")
    for what, times in sorted(tally.calls.items()):
        print(f"| {what} | {times} |")
    total = sum(tally.calls.values())
    print(f"\n{given.clients} clients, {given.seconds:g} s, {total} calls, no fault;")
    print(f"the slowest response took {tally.slowest_s:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
