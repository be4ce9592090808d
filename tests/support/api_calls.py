"""Calls of the engine's API that several test modules make."""

from __future__ import annotations

import io
import time
from typing import Any

from flask.testing import FlaskClient

Json = dict[str, Any]

# Classes of the videos that tests.support.media writes, as the quick models see them.
EARLY = {"name": "Early", "prompts": ["early"]}
LATE = {"name": "Late", "prompts": ["late"]}
ANYTHING = {"min_video_score": 0, "min_clip_score": 1, "min_duration_ratio": 0}
ALL_OPTIONS = ["visual", "conversation", "text_in_video", "logo"]


def create_index(
    client: FlaskClient,
    version: str = "v1.2",
    name: str = "films",
    options: list[str] | None = None,
    addons: list[str] | None = None,
) -> str:
    body: Json = {"index_name": name, "addons": addons}
    if version == "v1.1":
        body |= {"engine_id": "marengo2.5", "index_options": options or ALL_OPTIONS}
    else:
        body["engines"] = [{"engine_name": "marengo2.6", "engine_options": options or ALL_OPTIONS}]
    response = client.post(f"/{version}/indexes", json=body)
    assert response.status_code == 201
    return str(response.json["_id"])


def upload(
    client: FlaskClient, index_id: str, data: bytes, name: str = "a.mp4", **more: Any
) -> str:
    form = {"index_id": index_id, "language": "en", "video_file": (io.BytesIO(data), name), **more}
    response = client.post("/v1.2/tasks", data=form)
    assert response.status_code == 201
    return str(response.json["_id"])


def wait_for(client: FlaskClient, task_id: str) -> Json:
    """The task once it has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        task: Json = client.get(f"/v1.2/tasks/{task_id}").json
        if task["status"] in ("ready", "failed"):
            return task
        assert set(task["process"]) == {"upload_percentage", "percentage", "remain_seconds"}
        time.sleep(0.05)
    raise AssertionError(f"still {task['status']}")
