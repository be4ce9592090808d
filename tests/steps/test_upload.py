"""Concurrent uploads: one that fails stops no other, an unreachable platform stops them all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from steps import upload
from steps.folder import STILL_CHANGING
from steps.job import Job
from tests.support.jobs import job_on
from twelvelabs_client import ApiConnectionError, BadRequest


def upload_job(folder: Path, client: object, count: int) -> Job:
    for number in range(count):
        (folder / f"{number}.mp4").write_bytes(b"x")
    return job_on(client, folder)


def test_one_bad_upload_stops_no_other(tmp_path: Path) -> None:
    class Client:
        def index(self, index_id: str) -> dict[str, str]:
            return {"_id": index_id}

        def upload_video(self, index_id: str, path: Path, name: str, on_progress: object) -> str:
            if name == "1.mp4":
                raise BadRequest(400, "video_file_broken", "The file is broken")
            if name == "2.mp4":
                raise ApiConnectionError("no answer")
            if name == "3.mp4":
                raise PermissionError(13, "Permission denied", str(path))
            if name == "4.mp4":
                path.write_bytes(b"more of it")
            return f"task of {name}"

    job = upload_job(tmp_path, Client(), 6)
    tasks = upload.upload_videos(job, job.videos)
    assert tasks == {"task of 0.mp4": "0.mp4", "task of 5.mp4": "5.mp4"}
    reasons = {entry.video_name: entry.reason for entry in job.failed}
    assert reasons.keys() == {"1.mp4", "2.mp4", "3.mp4", "4.mp4"}
    assert "The file is broken" in reasons["1.mp4"]
    assert "Permission denied" in reasons["3.mp4"]
    assert reasons["4.mp4"] == STILL_CHANGING


def test_uploads_end_with_the_platform(tmp_path: Path) -> None:
    class Client:
        def index(self, index_id: str) -> dict[str, str]:
            raise ApiConnectionError("nobody there")

        def upload_video(self, *_: object, **__: object) -> str:
            raise ApiConnectionError("no answer")

    job = upload_job(tmp_path, Client(), 50)
    with pytest.raises(ApiConnectionError, match="nobody there"):
        upload.upload_videos(job, job.videos)


def test_ctrl_c_cancels_uploads_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    first = threading.Event()

    class Client:
        def upload_video(
            self, index_id: str, path: Path, name: str, on_progress: Callable[[int, int], None]
        ) -> str:
            begun.append(name)
            first.set()
            for sent in range(10_000):  # a minute and more, if nobody stops it
                on_progress(sent, 10_000)
                time.sleep(0.01)
            return "task"

    def interrupted(_: object) -> Iterator[object]:
        assert first.wait(10)
        raise KeyboardInterrupt

    monkeypatch.setattr(upload, "as_completed", interrupted)
    job = upload_job(tmp_path, Client(), 20)
    with pytest.raises(KeyboardInterrupt):
        upload.upload_videos(job, job.videos)
    assert len(begun) <= 2
