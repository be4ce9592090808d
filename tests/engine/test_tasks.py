"""The task state machine: restarts, deletions and failures in the middle of the work."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pytest
from sqlalchemy.exc import OperationalError

from core.classification import Thresholds
from engine.catalog.queries import PageRequest
from engine.catalog.tables import Catalog, CatalogError, Index, Task, new_id, sqlite_url
from engine.errors import PlatformError
from engine.evidence import FORMAT_VERSION
from engine.indexing import tasks as indexing
from engine.indexing.data_folder import DataFolder, DataFolderError
from engine.indexing.tasks import Indexer, Upload
from engine.media.decoder import DecoderCrashed, Decoders
from engine.models.protocols import Models
from engine.models.store import ModelError
from engine.retrieval.classify import ClassQuery
from engine.server import EngineError, EngineOptions, running_engine
from engine.service import EngineSpec, Service
from tests.support.fakes import NumberEncoder, quick_models
from tests.support.media import write_video
from tests.support.paths import ROOT
from twelvelabs_client import TwelveLabsClient


def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


class HeldEncoder(NumberEncoder):
    """Waits in the middle of a video until it is let go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def encode_frames(self, frames: Any) -> npt.NDArray[Any]:
        self.reached.set()
        assert self.let_go.wait(60)
        return super().encode_frames(frames)


def held_models() -> tuple[Models, HeldEncoder]:
    encoder = HeldEncoder()
    quick = quick_models()
    return Models(encoder, quick.speech, quick.reader, quick.text), encoder


def submit(
    service: Service, index_id: str, tmp_path: Path, name: str = "a.mp4", seconds: float = 2
) -> Task:
    incoming = service.incoming_path()
    write_video(incoming, seconds=seconds, fps=10, container_format="mp4")
    return service.create_task(index_id, Upload(name, incoming))


def new_index(service: Service) -> str:
    return service.create_index("films", [EngineSpec("marengo2.6", ("visual",))]).id


def ended(service: Service, task_id: str) -> bool:
    return service.task(task_id).status in ("ready", "failed")


def test_what_a_stop_interrupts_goes_on_at_the_next_start(tmp_path: Path) -> None:
    models, encoder = held_models()
    with Service(tmp_path, models, workers=1) as service:
        index_id = new_index(service)
        tasks = [submit(service, index_id, tmp_path, f"{number}.mp4") for number in range(3)]
        stop_in_the_middle(service, encoder)
    with Service(tmp_path, quick_models(), workers=2) as service:
        until(lambda: all(ended(service, task.id) for task in tasks))
        assert [service.task(task.id).status for task in tasks] == ["ready"] * 3
        assert service.videos(index_id, PageRequest()).total == 3
    assert not list((tmp_path / "uploads").iterdir())


def test_files_that_no_row_names_are_removed_at_the_start(tmp_path: Path) -> None:
    unknown = new_id()
    own = [
        *(f"uploads/{unknown}.part", f"uploads/{unknown}.video", f"evidence/{unknown}.safetensors"),
        f"evidence/.{unknown}.safetensors.0123abcd.part",
    ]
    for name in own:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"rubbish")
    with Service(tmp_path, quick_models(), workers=1):
        assert not list((tmp_path / "uploads").iterdir())
        assert not list((tmp_path / "evidence").iterdir())


def test_a_claimed_folder_is_not_written_to_at_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that an engine starts on a full disk as well."""
    DataFolder(tmp_path)
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: pytest.fail("written again"))
    DataFolder(tmp_path)


FOREIGN = ("uploads/holiday.mp4", "uploads/sub/more.mp4", "evidence/notes.txt")


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_folder_of_somebody_else_is_refused_and_left_as_it_is(
    tmp_path: Path, foreign: str
) -> None:
    path = tmp_path / "films" / foreign
    path.parent.mkdir(parents=True)
    path.write_bytes(b"precious")
    with pytest.raises(DataFolderError, match=r"is not a folder of the engine: it holds .*films"):
        Service(tmp_path / "films", quick_models(), workers=1)
    assert [each for each in (tmp_path / "films").rglob("*") if each.is_file()] == [path]


def test_files_of_somebody_else_in_its_folder_are_never_removed(tmp_path: Path) -> None:
    with Service(tmp_path, quick_models(), workers=1):
        pass
    for name in FOREIGN:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"precious")
    for _ in range(2):
        with Service(tmp_path, quick_models(), workers=1) as service:
            index = service.create_index(new_id(), [EngineSpec("marengo2.6", ("visual",))])
            task = submit(service, index.id, tmp_path)
            until(partial(ended, service, task.id))
    assert all((tmp_path / name).read_bytes() == b"precious" for name in FOREIGN)


def interrupt(tmp_path: Path, task_id: str, times: int) -> None:
    """Leave a task as an engine leaves it that died in the middle of it, and so often before."""
    catalog = Catalog(sqlite_url(tmp_path / "catalog.sqlite3"))
    with catalog.transaction() as session:
        task = session.get_one(Task, task_id)
        task.status, task.interruptions = "indexing", times
    catalog.close()


def test_a_video_that_kills_the_engine_twice_is_not_tried_again(tmp_path: Path) -> None:
    models, encoder = held_models()
    with Service(tmp_path, models, workers=1) as service:
        index_id = new_index(service)
        deadly, good = (submit(service, index_id, tmp_path, name) for name in ("a.mp4", "b.mp4"))
        assert encoder.reached.wait(60)
        threading.Timer(0.1, encoder.let_go.set).start()
    interrupt(tmp_path, deadly.id, 1)
    with Service(tmp_path, quick_models(), workers=1) as service:
        until(lambda: ended(service, good.id))
        assert service.task(good.id).status == "ready"
        task = service.task(deadly.id)
        assert (task.status, task.error_message) == (
            "failed",
            "The engine ended twice while it was working on this video",
        )
        assert not list((tmp_path / "uploads").iterdir())


def stop_in_the_middle(service: Service, encoder: HeldEncoder) -> None:
    assert encoder.reached.wait(60)
    stopper = threading.Thread(target=service.close)
    stopper.start()
    time.sleep(0.1)
    encoder.let_go.set()
    stopper.join()


def test_only_deaths_of_the_engine_count_against_a_video(tmp_path: Path) -> None:
    models, encoder = held_models()
    with Service(tmp_path, models, workers=1) as service:
        task = submit(service, new_index(service), tmp_path, seconds=10)
        stop_in_the_middle(service, encoder)
    for _ in range(2):
        models, encoder = held_models()
        with Service(tmp_path, models, workers=1) as service:
            stop_in_the_middle(service, encoder)
    interrupt(tmp_path, task.id, 0)
    with Service(tmp_path, quick_models(), workers=1) as service:
        until(lambda: ended(service, task.id))
        assert service.task(task.id).status == "ready"


def test_a_crash_of_the_decoder_is_tried_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes = iter([True, False, True, True])
    probe = Decoders.probe

    def crash(decoders: Decoders, path: Path) -> Any:
        if next(crashes):
            raise DecoderCrashed("makes the decoder crash (SIGSEGV)")
        return probe(decoders, path)

    monkeypatch.setattr(Decoders, "probe", crash)
    with Service(tmp_path, quick_models(), workers=1) as service:
        index_id = new_index(service)
        first = submit(service, index_id, tmp_path)
        until(lambda: ended(service, first.id))
        assert service.task(first.id).status == "ready"
        second = submit(service, index_id, tmp_path)
        until(lambda: ended(service, second.id))
        task = service.task(second.id)
        assert (task.status, task.error_code) == ("failed", "video_file_broken")
        assert task.error_message == "makes the decoder crash (SIGSEGV)"


def test_a_full_disk_ends_the_task_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def write(path: Path, evidence: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(indexing, "write_evidence", write)
    with Service(tmp_path, quick_models(), workers=1) as service:
        index_id = new_index(service)
        task = submit(service, index_id, tmp_path)
        until(lambda: ended(service, task.id))
        failed = service.task(task.id)
        assert failed.status == "failed"
        words = r"The disk is full: \d+ MiB are free in .*evidence"
        assert re.match(words, failed.error_message or "")
        assert not list((tmp_path / "uploads").iterdir())
        monkeypatch.undo()
        again = submit(service, index_id, tmp_path)
        until(lambda: ended(service, again.id))
        assert service.task(again.id).status == "ready"
    caplog.clear()


def test_an_upload_that_the_catalogue_cannot_take_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Service(tmp_path, quick_models(), workers=1) as service:
        index_id = new_index(service)
        full = OperationalError("INSERT", None, Exception("database or disk is full"))

        def admit(*_: object) -> None:
            raise full

        monkeypatch.setattr(Indexer, "_admit", admit)
        with pytest.raises(OperationalError):
            submit(service, index_id, tmp_path)
        assert not list((tmp_path / "uploads").iterdir())


def test_a_failure_is_written_down_later_where_it_cannot_be_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refusals = iter([True, True, False])
    update = Indexer._update

    def refuse(indexer: Indexer, task_id: str, **values: object) -> Any:
        if values.get("status") == "failed" and next(refusals):
            raise OperationalError("UPDATE", None, Exception("database or disk is full"))
        return update(indexer, task_id, **values)

    monkeypatch.setattr(Indexer, "_update", refuse)
    monkeypatch.setattr(indexing, "PAUSES_BEFORE_RETRY_S", (0.01, 0.01, 0.01))
    with Service(tmp_path, quick_models(), workers=1) as service:
        incoming = service.incoming_path()
        incoming.write_bytes(b"Dear diary")
        task = service.create_task(new_index(service), Upload("a.mp4", incoming))
        until(lambda: ended(service, task.id))
        assert service.task(task.id).status == "failed"
    caplog.clear()


def indexed(tmp_path: Path, *names: str) -> tuple[str, dict[str, Path]]:
    """An index with videos of these names, and their evidence by name."""
    with Service(tmp_path, quick_models(), workers=1) as service:
        index_id = new_index(service)
        tasks = {name: submit(service, index_id, tmp_path, name) for name in names}
        until(lambda: all(ended(service, task.id) for task in tasks.values()))
    evidence = tmp_path / "evidence"
    return index_id, {name: evidence / f"{tasks[name].video_id}.safetensors" for name in names}


def test_videos_whose_evidence_is_gone_can_be_uploaded_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index_id, files = indexed(tmp_path, "gone.mp4", "cut.mp4", "whole.mp4")
    files["gone.mp4"].unlink()
    files["cut.mp4"].write_bytes(files["cut.mp4"].read_bytes()[:-1])
    with Service(tmp_path, quick_models(), workers=1) as service:
        left = service.videos(index_id, PageRequest()).rows
        assert [video.filename for video in left] == ["whole.mp4"]
        assert list((tmp_path / "evidence").iterdir()) == [files["whole.mp4"]]
        again = submit(service, index_id, tmp_path, "gone.mp4")
        until(lambda: ended(service, again.id))
        assert service.videos(index_id, PageRequest()).total == 2
    assert "have to be uploaded again: 'cut.mp4', 'gone.mp4'\n" in caplog.text


def test_a_separate_catalogue_is_not_emptied_for_a_wrong_folder(tmp_path: Path) -> None:
    index_id, files = indexed(tmp_path, "a.mp4", "b.mp4")
    url = sqlite_url(tmp_path / "catalog.sqlite3")
    with pytest.raises(CatalogError, match=r"None of the 2 videos .* set ENGINE_DATA_DIR"):
        Service(tmp_path / "other", quick_models(), workers=1, database_url=url)
    with Service(tmp_path, quick_models(), workers=1, database_url=url) as service:
        assert service.videos(index_id, PageRequest()).total == len(files)


def test_evidence_that_is_damaged_later_is_named_by_its_video(tmp_path: Path) -> None:
    index_id, files = indexed(tmp_path, "a.mp4", "b.mp4")
    with Service(tmp_path, quick_models(), workers=1) as service:
        files["b.mp4"].write_bytes(b"garbage")
        query = ClassQuery("Early", ("early",), ("visual",))
        with pytest.raises(PlatformError, match=r"The evidence of 'b\.mp4' .* cannot be read: del"):
            service.classifier.index(index_id, [query], Thresholds())
        video_id = files["b.mp4"].stem
        with pytest.raises(PlatformError, match=r"'b\.mp4' .* delete the video and index it again"):
            service.transcript(index_id, video_id)


def write_format(service: Service, index_id: str, evidence_format: str | None) -> Index:
    with service._catalog.transaction() as session:
        session.get_one(Index, index_id).evidence_format = evidence_format
    return service.index(index_id)


def test_evidence_of_another_format_is_outdated_as_that_of_other_models_is(tmp_path: Path) -> None:
    index_id, _ = indexed(tmp_path, "a.mp4")
    query = ClassQuery("Early", ("early",), ("visual",))
    with Service(tmp_path, quick_models(), workers=1) as service:
        assert service.index(index_id).evidence_format == FORMAT_VERSION
        assert service.outdated(write_format(service, index_id, None)) == []  # made before records
        assert service.outdated(write_format(service, index_id, "1")) == ["visual"]
        with pytest.raises(PlatformError, match="has another format version"):
            service.classifier.index(index_id, [query], Thresholds())
        with pytest.raises(PlatformError, match=r"another format version: .* in a new index"):
            submit(service, index_id, tmp_path, "b.mp4")


def test_an_index_without_videos_takes_models_and_format_in_use(tmp_path: Path) -> None:
    index_id, files = indexed(tmp_path, "a.mp4")
    quick = quick_models()
    with Service(tmp_path, quick, workers=1) as service:
        service.delete_video(index_id, files["a.mp4"].stem)
        index = write_format(service, index_id, "1")
        assert index.outdated_kinds(quick.names(), ["visual"]) == ["visual"]
        assert service.outdated(index) == []
        task = submit(service, index_id, tmp_path)
        assert service.index(index_id).evidence_format == FORMAT_VERSION
        until(lambda: ended(service, task.id))
        assert service.task(task.id).status == "ready"


def test_an_index_deleted_under_a_running_task_leaves_nothing(tmp_path: Path) -> None:
    models, encoder = held_models()
    with Service(tmp_path, models, workers=1) as service:
        index_id = new_index(service)
        submit(service, index_id, tmp_path)
        submit(service, index_id, tmp_path, "waiting.mp4")
        assert encoder.reached.wait(60)
        service.delete_index(index_id)
        encoder.let_go.set()
        until(lambda: not list((tmp_path / "uploads").iterdir()))
        assert not list((tmp_path / "evidence").iterdir())
        assert service.tasks(PageRequest()).total == 0


def test_a_model_that_breaks_fails_its_task_and_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(NumberEncoder):
        def encode_frames(self, frames: Any) -> npt.NDArray[Any]:
            if len(frames) < 3:
                raise RuntimeError("weights are gone")
            return super().encode_frames(frames)

    quick = quick_models()
    models = Models(Broken(), quick.speech, quick.reader, quick.text)
    with Service(tmp_path, models, workers=2) as service:
        index_id = new_index(service)
        bad = submit(service, index_id, tmp_path)
        incoming = service.incoming_path()
        write_video(incoming, seconds=4, fps=10, container_format="mp4")
        good = service.create_task(index_id, Upload("good.mp4", incoming))
        until(lambda: ended(service, bad.id) and ended(service, good.id))
        assert service.task(bad.id).status == "failed"
        assert service.task(bad.id).error_message
        assert service.task(good.id).status == "ready"
    assert "weights are gone" in caplog.text
    caplog.clear()


def test_a_model_that_cannot_be_used_is_not_blamed_on_the_video(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Damaged(NumberEncoder):
        def encode_frames(self, frames: Any) -> npt.NDArray[Any]:
            raise ModelError("models/a/vision_model.onnx is not a graph that can be run")

    quick = quick_models()
    models = Models(Damaged(), quick.speech, quick.reader, quick.text)
    with Service(tmp_path, models, workers=1) as service:
        task = submit(service, new_index(service), tmp_path)
        until(lambda: ended(service, task.id))
        task = service.task(task.id)
    assert (task.status, task.error_code) == ("failed", "internal_server_error")
    assert task.error_message == "models/a/vision_model.onnx is not a graph that can be run"
    caplog.clear()


def test_two_engines_never_share_a_folder(tmp_path: Path) -> None:
    options = EngineOptions(data_dir=tmp_path)
    with (
        running_engine(options),
        pytest.raises(EngineError, match=r"Another engine .* prompt lab .* ENGINE_DATA_DIR\.$"),
        running_engine(options),
    ):
        pass


@pytest.mark.parametrize("damage", ["garbage", "half", "middle"])
def test_a_damaged_catalogue_is_named_before_the_engine_starts(tmp_path: Path, damage: str) -> None:
    options = EngineOptions(data_dir=tmp_path)
    with running_engine(options):
        pass
    path = tmp_path / "catalog.sqlite3"
    whole = path.read_bytes()
    middle = whole[:8192] + b"x" * (len(whole) - 8192)
    path.write_bytes({"garbage": b"x" * 9000, "half": whole[:20000], "middle": middle}[damage])
    wanted = (
        rf"{path} cannot be used \(.*\): .* move {tmp_path} \(ENGINE_DATA_DIR\) away; all videos"
    )
    with pytest.raises(CatalogError, match=wanted), running_engine(options):
        pass


@pytest.mark.parametrize(
    "url", ["nonsense", "unheard-of://host/catalogue", "sqlite:////no/where/a"]
)
def test_an_unusable_database_is_reported(tmp_path: Path, url: str) -> None:
    options = EngineOptions(data_dir=tmp_path, database_url=url)
    with pytest.raises(CatalogError, match="be used"), running_engine(options):
        pass


# The HTTP server leaves closing the socket that it could not bind to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_address_that_is_taken_is_an_error_in_words(tmp_path: Path) -> None:
    with running_engine(EngineOptions(data_dir=tmp_path / "one")) as url:
        port = int(url.rpartition(":")[2])
        second = EngineOptions(data_dir=tmp_path / "two", port=port)
        with pytest.raises(EngineError, match=f"127.0.0.1:{port}"), running_engine(second):
            pass


def start_engine(data_dir: Path) -> tuple[subprocess.Popen[str], str]:
    """A real engine in a process of its own, and its URL."""
    command = [sys.executable, "-m", "engine", "--port", "0", "--data-dir", str(data_dir)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
    assert found
    return process, found.group() + "/v1.2"


@pytest.mark.slow
def test_a_killed_engine_goes_on_where_it_was(tmp_path: Path) -> None:
    videos = [
        write_video(tmp_path / f"{number}.mp4", seconds=5, fps=10, size=(320, 192))
        for number in range(3)
    ]
    process, url = start_engine(tmp_path / "data")
    try:
        with TwelveLabsClient(url) as client:
            index_id = client.create_index("films", ["visual", "conversation"])
            tasks = [client.upload_video(index_id, path) for path in videos]
            until(lambda: any(client.task(task).status == "indexing" for task in tasks))
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    process, url = start_engine(tmp_path / "data")
    try:
        with TwelveLabsClient(url) as client:
            until(lambda: all(client.task(task).status == "ready" for task in tasks), 120)
            assert len(list(client.videos(index_id))) == 3
            assert {client.task(task).video_id for task in tasks} == {
                video.video_id for video in client.videos(index_id)
            }
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
    assert not list((tmp_path / "data" / "uploads").iterdir())
    assert len(list((tmp_path / "data" / "evidence").iterdir())) == 3


def test_a_url_that_a_stop_interrupts_is_fetched_at_the_next_start(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", seconds=2, fps=10).read_bytes()
    asked, calls = threading.Event(), []

    class Host(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            asked.set()
            self.send_response(200)
            self.send_header("Content-Length", str(len(video)))
            self.end_headers()
            for at in range(0, len(video), 100):
                if len(calls) == 1:
                    time.sleep(0.05)  # a slow host, until the engine hangs up
                try:
                    self.wfile.write(video[at : at + 100])
                except OSError:
                    return

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Host) as host:
        threading.Thread(target=host.serve_forever).start()
        upload = Upload(url=f"http://127.0.0.1:{host.server_address[1]}/a.mp4")
        data = tmp_path / "data"
        with Service(data, quick_models(), workers=1, fetch_private=True) as service:
            task = service.create_task(new_index(service), upload)
            assert asked.wait(30)
            until(lambda: service.progress(service.task(task.id)).upload_percentage > 0)
        with Service(data, quick_models(), workers=1, fetch_private=True) as service:
            until(lambda: ended(service, task.id))
            assert service.task(task.id).status == "ready"
        host.shutdown()
    assert calls == ["/a.mp4", "/a.mp4"]
