"""Fetching models: huggingface_hub's own session and calls against a small hub on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import numpy as np
import pytest

import engine.models.fetch as fetch_module
from engine.models.__main__ import main
from engine.models.choice import ModelChoice, chosen_models
from engine.models.fetch import (
    FetchError,
    HubUnreachable,
    LicenceRefused,
    Source,
    check_licence,
    fetch,
    look_up,
)
from engine.models.store import fetched, read_record
from tests.support.paths import FIXTURES, ROOT

REPOSITORY = "Xenova/clip-vit-base-patch32"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A hub with a few repositories, that records requests and can break off.

    `breaks` says how many bytes to send of each of the next responses with a file.
    """

    url: str = ""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    commit: str = COMMIT
    breaks: list[int] = field(default_factory=list)
    knows_ranges: bool = True
    damaged: bool = False
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def info(self, repository: str) -> dict[str, Any]:
        siblings = []
        for name, content in self.files.get(repository, {}).items():
            sibling: dict[str, Any] = {"rfilename": name, "size": len(content)}
            header = b"blob %d\0" % len(content)
            sibling["blobId"] = hashlib.sha1(header + content).hexdigest()
            if name.endswith((".onnx", ".bin")):
                digest = hashlib.sha256(content).hexdigest()
                sibling["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
            siblings.append(sibling)
        card = self.cards.get(repository, {})
        return {"id": repository, "sha": self.commit, "siblings": siblings, "cardData": card}


class Handler(BaseHTTPRequestHandler):
    """Responds as the hub does: a model's description, and files behind a redirect."""

    hub: Hub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((path, self.headers.get("Range")))
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._describe("/".join(parts[2:4]), parts[-1])
        elif parts[2] == "resolve":
            self._answer(302, b"", Location=f"/cdn/{'/'.join(parts[:2])}/{'/'.join(parts[4:])}")
        else:
            self._send_file(self.hub.files["/".join(parts[1:3])]["/".join(parts[3:])])

    def _describe(self, repository: str, revision: str) -> None:
        if repository not in {*self.hub.files, *self.hub.cards}:
            self._answer(404, b"{}", **{"X-Error-Code": "RepoNotFound"})
        elif revision == "missing":
            self._answer(404, b"{}", **{"X-Error-Code": "RevisionNotFound"})
        elif revision == "broken":
            self._answer(500, b"{}")
        else:
            self._answer(200, json.dumps(self.hub.info(repository)).encode())

    def _send_file(self, content: bytes) -> None:
        if self.hub.damaged:
            content = bytes(len(content))
        span = self.headers.get("Range")
        start = 0
        if span and self.hub.knows_ranges:
            start = int(span.removeprefix("bytes=").removesuffix("-"))
        body = content[start:]
        sent = self.hub.breaks.pop(0) if self.hub.breaks else len(body)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])
        self.close_connection = True

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing on the test's output."""


@contextmanager
def serving(hub: Hub) -> Iterator[None]:
    handler = type("HubHandler", (Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield
        server.shutdown()
        thread.join()


def clip_files() -> dict[str, bytes]:
    folder = FIXTURES / "clip"
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return {**files, "README.md": b"# a card", "flax_model.msgpack": b"not needed"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub(files={REPOSITORY: clip_files()}, cards={REPOSITORY: {"license": "mit"}})
    monkeypatch.setattr(fetch_module, "TRIES", 2)
    with serving(made):
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", made.url)
        monkeypatch.setattr(
            huggingface_hub.constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            made.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        yield made
        huggingface_hub.close_session()


def found(hub: Hub, repository: str = REPOSITORY, **options: Any) -> Source:
    return look_up(repository, "main", endpoint=hub.url, **options)


def downloads(hub: Hub) -> list[tuple[str, str | None]]:
    return [(path, span) for path, span in hub.requests if path.startswith("/cdn/")]


# --- what is fetched


def test_a_fetched_encoder_is_whole_and_works(hub, tmp_path):
    source = found(hub)
    folder = fetch(source, tmp_path)
    assert folder == tmp_path / "Xenova--clip-vit-base-patch32"
    record = read_record(folder)
    assert (record.repository, record.revision, record.commit) == (REPOSITORY, "main", COMMIT)
    assert record.licence == "mit"
    names = {
        "config.json",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "README.md",
        "onnx/vision_model_quantized.onnx",
        "onnx/text_model_quantized.onnx",
    }
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == {*names, "fetched.json"}
    assert record.files == {
        name: hashlib.sha256(hub.files[REPOSITORY][name]).hexdigest() for name in names
    }
    assert source.size == sum(len(hub.files[REPOSITORY][name]) for name in names)
    visual = chosen_models(ModelChoice(visual="auto", models_dir=tmp_path), threads=1).visual
    assert visual.name.startswith(REPOSITORY)
    assert visual.encode_frames([np.zeros((30, 40, 3), np.uint8)]).shape == (1, 12)


def test_full_precision_takes_the_place_of_int8(hub, tmp_path):
    fetch(found(hub), tmp_path)
    folder = fetch(found(hub, full=True), tmp_path)
    graphs = sorted(path.name for path in (folder / "onnx").iterdir())
    assert graphs == ["text_model.onnx", "vision_model.onnx"]
    assert len(fetched(tmp_path)) == 1


def test_int8_is_preferred_only_where_both_towers_have_it(hub):
    del hub.files[REPOSITORY]["onnx/text_model_quantized.onnx"]
    names = {file.name for file in found(hub).files}
    assert {"onnx/vision_model.onnx", "onnx/text_model.onnx"} <= names
    assert "onnx/vision_model_quantized.onnx" not in names


def test_a_graph_s_external_weights_come_with_it(hub):
    hub.files[REPOSITORY]["onnx/vision_model.onnx_data"] = b"weights"
    names = {file.name for file in found(hub, full=True).files}
    assert "onnx/vision_model.onnx_data" in names


def test_a_whisper_model_is_fetched_by_the_same_command(hub, tmp_path):
    files = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")
    hub.files["Systran/faster-whisper-base"] = {name: name.encode() for name in files}
    hub.cards["Systran/faster-whisper-base"] = {"license": "mit"}
    folder = fetch(found(hub, "Systran/faster-whisper-base"), tmp_path)
    assert set(files) <= {path.name for path in folder.iterdir()}


def test_what_is_there_already_is_not_fetched_again(hub, tmp_path):
    fetch(found(hub), tmp_path)
    before = read_record(tmp_path / "Xenova--clip-vit-base-patch32")
    hub.requests.clear()
    folder = fetch(found(hub), tmp_path)
    assert downloads(hub) == []
    assert read_record(folder).fetched_at > before.fetched_at


@pytest.mark.parametrize("damage", ["other bytes", "gone"])
def test_a_file_that_was_damaged_is_fetched_again_and_no_other(hub, tmp_path, damage, caplog):
    folder = fetch(found(hub), tmp_path)
    graph = folder / "onnx" / "text_model_quantized.onnx"
    whole = graph.read_bytes()
    if damage == "gone":
        graph.unlink()
    else:
        graph.write_bytes(whole[:-4] + b"rust")
    hub.requests.clear()
    assert fetch(found(hub), tmp_path) == folder
    assert downloads(hub) == [(f"/cdn/{REPOSITORY}/onnx/text_model_quantized.onnx", None)]
    assert graph.read_bytes() == whole
    assert (f"{graph} has changed since it was fetched" in caplog.text) == (damage == "other bytes")
    assert read_record(folder).files.keys() == {file.name for file in found(hub).files}


def test_a_damaged_record_is_fetched_anew(hub, tmp_path):
    folder = fetch(found(hub), tmp_path)
    (folder / "fetched.json").write_text("{")
    assert fetch(found(hub), tmp_path) == folder
    assert read_record(folder).commit == COMMIT


def test_what_earlier_fetches_left_is_removed(hub, tmp_path):
    partial = tmp_path / ".partial"
    other = partial / "Xenova--clip-vit-base-patch32-large-0123456789ab"
    hub.breaks = [10, 0, 0]
    with pytest.raises(HubUnreachable):
        fetch(found(hub), tmp_path)
    (held,) = (path for path in partial.iterdir() if path.is_dir())
    other.mkdir()
    other.with_name(f"{other.name}.lock").touch()
    hub.files[REPOSITORY]["config.json"] += b" "
    folder = fetch(found(hub), tmp_path)
    assert folder.is_dir()
    assert not held.exists()
    assert sorted(path.name for path in partial.iterdir()) == [other.name, f"{other.name}.lock"]


def test_another_commit_takes_the_place_of_the_one_before(hub, tmp_path):
    folder = fetch(found(hub), tmp_path)
    (folder / "left-over.txt").write_text("old")
    hub.commit = "f" * 40
    hub.files[REPOSITORY]["tokenizer_config.json"] = b"{}"
    assert fetch(found(hub), tmp_path) == folder
    assert read_record(folder).commit == "f" * 40
    assert (folder / "tokenizer_config.json").read_bytes() == b"{}"
    assert not (folder / "left-over.txt").exists()


# --- broken connections


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub, tmp_path):
    hub.breaks = [10, 20, 0]  # of the first file, config.json
    folder = fetch(found(hub), tmp_path)
    first = [span for path, span in downloads(hub) if path.endswith("/config.json")]
    assert first == [None, "bytes=10-", "bytes=30-", "bytes=30-"]
    assert (folder / "config.json").read_bytes() == hub.files[REPOSITORY]["config.json"]


def test_a_fetch_that_failed_goes_on_in_the_next_run(hub, tmp_path):
    graph = "onnx/vision_model_quantized.onnx"
    held = 5000
    hub.breaks = [10**9] * 3 + [held, 0, 0]
    with pytest.raises(HubUnreachable, match=rf"vision_model_quantized.* stopped at {held} of"):
        fetch(found(hub), tmp_path)
    assert fetched(tmp_path) == []
    hub.requests.clear()
    folder = fetch(found(hub), tmp_path)
    again = downloads(hub)
    assert again[0] == (f"/cdn/{REPOSITORY}/{graph}", f"bytes={held}-")
    assert not any(path.endswith("/config.json") for path, _ in again)
    assert (folder / graph).read_bytes() == hub.files[REPOSITORY][graph]


def test_a_hub_without_ranges_sends_the_file_anew(hub, tmp_path):
    hub.knows_ranges = False
    hub.breaks = [10]
    folder = fetch(found(hub), tmp_path)
    assert (folder / "config.json").read_bytes() == hub.files[REPOSITORY]["config.json"]


def test_a_damaged_file_is_removed_and_named(hub, tmp_path):
    hub.damaged = True
    source = found(hub)
    with pytest.raises(FetchError, match=r"config\.json .* arrived damaged"):
        fetch(source, tmp_path)
    hub.damaged = False
    fetch(source, tmp_path)


def test_a_failed_update_leaves_the_model_before_it(hub, tmp_path):
    folder = fetch(found(hub), tmp_path)
    hub.commit = "f" * 40
    hub.files[REPOSITORY]["config.json"] += b" "
    hub.damaged = True
    with pytest.raises(FetchError):
        fetch(found(hub), tmp_path)
    assert read_record(folder).commit == COMMIT
    assert ModelChoice(visual="auto", models_dir=tmp_path)
    assert fetched(tmp_path)[0][0] == folder


def test_a_fetch_gives_up_in_time_and_keeps_what_came(hub, tmp_path):
    with pytest.raises(HubUnreachable, match="could not be fetched in time"):
        fetch(found(hub), tmp_path, limit_s=-1)
    assert list((tmp_path / ".partial").rglob("*.part"))
    fetch(found(hub), tmp_path)


def test_a_full_disk_is_reported_before_the_download(hub, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FetchError, match=r"MB more and .* free: make room"):
        fetch(found(hub), tmp_path)
    assert downloads(hub) == []


def test_two_fetches_of_one_model_do_not_mix(hub, tmp_path):
    source = found(hub)
    started, go_on = threading.Event(), threading.Event()

    class Waiting(fetch_module._Download):
        def run(self) -> None:
            started.set()
            assert go_on.wait(20)
            super().run()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch_module, "_Download", Waiting)
        first = threading.Thread(target=fetch, args=(source, tmp_path))
        first.start()
        assert started.wait(20)
    with pytest.raises(FetchError, match="being fetched by another program"):
        fetch(source, tmp_path)
    go_on.set()
    first.join()
    assert len(fetched(tmp_path)) == 1


# --- what the hub may respond


@pytest.mark.parametrize(
    ("repository", "revision", "message"),
    [
        ("no/such", "main", "no repository no/such"),
        ("not a name", "main", "no repository not a name"),
        (REPOSITORY, "missing", "has no revision missing"),
        (REPOSITORY, "broken", "cannot be reached: Server error '500"),
        ("only/card", "main", "has no model for this engine"),
    ],
)
def test_an_unusable_repository_is_reported(hub, repository, revision, message):
    hub.cards["only/card"] = {"license": "mit"}
    with pytest.raises(FetchError, match=message):
        look_up(repository, revision, endpoint=hub.url)


def test_an_unreachable_hub_is_reported():
    with pytest.raises(HubUnreachable, match="The hub cannot be reached"):
        look_up(REPOSITORY, "main", endpoint="http://127.0.0.1:9", timeout_s=2)


def test_offline_mode_is_kept(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachable, match="The hub cannot be reached"):
        found(hub)
    assert hub.requests == []


def test_nothing_about_this_machine_is_sent(hub):
    found(hub)
    assert [path for path, _ in hub.requests] == [f"/api/models/{REPOSITORY}/revision/main"]


# --- licences


@pytest.mark.parametrize(
    ("card", "licence", "allowed"),
    [
        ({"license": "apache-2.0"}, "apache-2.0", True),
        ({"license": "MIT"}, "mit", True),
        ({"license": "cc-by-nc-4.0"}, "cc-by-nc-4.0", False),
        ({"license": "apple-amlr"}, "apple-amlr", False),
        ({"license": "other", "license_name": "apple-amlr"}, "apple-amlr", False),
        ({"license": "other"}, "other", False),
        ({}, "none named", False),
        ({"base_model": "openai/clip-vit-base-patch32"}, "mit", True),
        ({"base_model": "org/gone"}, "none named", False),
        ({"base_model": ["org/base"]}, "apache-2.0", True),
        ({"base_model": "org/closed"}, "cc-by-nc-4.0", False),
    ],
)
def test_licences_are_read_from_the_card_or_the_base_model(hub, card, licence, allowed):
    hub.files["org/encoder"] = clip_files()
    hub.cards |= {
        "org/encoder": card,
        "org/base": {"license": "apache-2.0"},
        "org/closed": {"license": "cc-by-nc-4.0"},
    }
    source = found(hub, "org/encoder")
    assert source.licence == licence
    if allowed:
        check_licence(source)
    else:
        with pytest.raises(LicenceRefused, match=f"licence {licence}, which .*--accept-licence"):
            check_licence(source)


# --- the command


@pytest.fixture
def here(hub, tmp_path, monkeypatch) -> Path:
    """A folder to run the command in, where the settings are the defaults."""
    monkeypatch.chdir(tmp_path)
    for name in ("VISUAL_MODEL", "VISUAL_MODEL_REVISION", "MODELS_DIR", "SPEECH_MODEL", "API_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_command_fetches_and_shows(here, capsys):
    assert main(["show"]) == 0
    before = capsys.readouterr().out
    assert "efficientnet" in before
    assert "python -m engine.models fetch" in before
    assert main(["fetch"]) == 0
    said = capsys.readouterr().out
    assert f"Commit {COMMIT}, licence mit, 0 MB" in said
    assert "Fetched into models/Xenova--clip-vit-base-patch32" in said
    assert main(["show"]) == 0
    after = capsys.readouterr().out
    assert f"Picture:          {REPOSITORY}" in after
    assert f"{REPOSITORY} at {COMMIT}, mit" in after


def test_command_refuses_a_licence_until_it_is_accepted(hub, here, capsys):
    hub.cards[REPOSITORY] = {"license": "cc-by-nc-4.0"}
    assert main(["fetch"]) == 1
    assert "licence cc-by-nc-4.0, which forbids use in products" in capsys.readouterr().err
    assert downloads(hub) == []
    assert main(["fetch", "--accept-licence", "--to", "elsewhere"]) == 0
    assert len(fetched(here / "elsewhere")) == 1


@pytest.mark.parametrize("trouble", ["licence", "break", "offline"])
def test_an_optional_fetch_never_fails(hub, here, capsys, monkeypatch, trouble):
    if trouble == "licence":
        hub.cards[REPOSITORY] = {"license": "apple-amlr"}
    elif trouble == "break":
        hub.breaks = [0, 0]
    else:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert main(["fetch", "--optional"]) == 0
    assert "Going on without it: " in capsys.readouterr().out
    assert fetched(here / "models") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VISUAL_MODEL", "imagenet"),
        ("VISUAL_MODEL", str(FIXTURES / "siglip")),
        ("API_URL", "https://platform.example/v1.2"),
    ],
)
def test_an_optional_fetch_asks_nobody_if_it_is_not_needed(hub, here, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert main(["fetch", "--optional"]) == 0
    assert hub.requests == []


def test_an_optional_fetch_is_content_with_any_fetched_encoder(hub, here):
    assert main(["fetch", "--optional"]) == 0
    hub.requests.clear()
    assert main(["fetch", "--optional"]) == 0
    assert hub.requests == []


def test_settings_name_repository_and_revision(hub, here, monkeypatch, capsys):
    hub.files["org/other"] = clip_files()
    hub.cards["org/other"] = {"license": "mit"}
    monkeypatch.setenv("VISUAL_MODEL", "org/other")
    monkeypatch.setenv("VISUAL_MODEL_REVISION", "v2")
    assert main(["show"]) == 2
    assert "fetch --repository org/other --revision v2" in capsys.readouterr().err
    assert main(["fetch"]) == 0
    assert ("/api/models/org/other/revision/v2", None) in hub.requests
    assert main(["show"]) == 0
    assert main(["fetch", "--repository", REPOSITORY]) == 0
    assert (f"/api/models/{REPOSITORY}/revision/main", None) in hub.requests


def test_the_usual_encoder_s_licence_is_known_without_a_card(hub):
    hub.cards[REPOSITORY] = {}
    assert found(hub).licence == "mit"


def test_a_wrong_setting_is_reported(here, monkeypatch, capsys):
    monkeypatch.setenv("PORT", "many")
    assert main(["show"]) == 2
    assert "PORT" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_fetch_goes_on_in_the_next_process(hub, tmp_path):
    """The command as somebody runs it, against the hub that HF_ENDPOINT names."""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "engine.models", "fetch", "--to", str(tmp_path / "models")]
    hub.breaks = [10**9] * 3 + [3000] + [0] * 4
    broken = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert broken.returncode == 1
    assert "stopped at 3000 of" in broken.stderr
    hub.breaks.clear()
    hub.requests.clear()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert downloads(hub)[0][1] == "bytes=3000-"
    assert len(fetched(tmp_path / "models")) == 1
