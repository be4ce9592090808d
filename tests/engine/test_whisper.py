"""Whisper behind the speech protocol; most tests replace the optional package by a fake."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import moonshine_voice
import numpy as np
import pytest

from engine.evidence import TextSpan
from engine.models.choice import ModelChoice, chosen_models
from engine.models.store import ModelError, fetched
from engine.models.whisper import WhisperRecogniser
from engine.server import EngineOptions, running_engine
from tests.support.paths import ROOT

MODELS = ROOT / "models"


class FakeWhisper:
    """Takes the place of faster_whisper.WhisperModel and notes how it is called."""

    made: list[tuple[str, dict[str, Any]]]
    heard: list[SimpleNamespace]

    def __init__(self, folder: str, **options: Any) -> None:
        self.made.append((folder, options))
        if Path(folder, "model.bin").read_bytes() == b"damaged":
            raise RuntimeError("File model.bin is incomplete")

    def transcribe(self, samples: np.ndarray, **options: Any) -> tuple[Any, None]:
        assert samples.dtype == np.float32
        assert options["vad_filter"]
        return iter(self.heard), None


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> type[FakeWhisper]:
    FakeWhisper.made, FakeWhisper.heard = [], []
    module = ModuleType("faster_whisper")
    module.__spec__ = SimpleNamespace(name="faster_whisper")  # type: ignore[assignment]
    module.WhisperModel = FakeWhisper  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faster_whisper", module)
    return FakeWhisper


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "whisper-tiny"
    made.mkdir()
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (made / name).write_bytes(b"{}")
    return made


def test_segments_become_lines(package, folder):
    package.heard = [
        SimpleNamespace(start=0.5, end=2.0, text=" Hello there. "),
        SimpleNamespace(start=2.0, end=2.5, text="  "),
        SimpleNamespace(start=3.0, end=3.0, text="you"),
        SimpleNamespace(start=4.0, end=6.5, text="Guten Tag."),
    ]
    recogniser = WhisperRecogniser(folder, threads=3)
    assert package.made == []
    lines = recogniser.transcribe(np.zeros(16_000, np.float32))
    assert lines == [TextSpan(0.5, 2.0, "Hello there."), TextSpan(4.0, 6.5, "Guten Tag.")]
    recogniser.transcribe(np.zeros(16_000, np.float32))
    ((path, options),) = package.made
    assert path == str(folder)
    assert (options["cpu_threads"], options["local_files_only"]) == (3, True)


def test_setting_chooses_a_folder_and_the_name_tells_weights_apart(package, folder):
    choice = ModelChoice(speech=f"whisper:{folder}")
    name = chosen_models(choice, threads=1).names()["conversation"]
    assert name.startswith("whisper-tiny ")
    (folder / "model.bin").write_bytes(b"others")
    assert chosen_models(choice, threads=1).names()["conversation"] != name


def test_a_missing_package_is_named_before_a_model(monkeypatch, folder, tmp_path):
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(ModelError, match=r"pip install faster-whisper==\d"):
        WhisperRecogniser(folder, threads=1)
    choice = ModelChoice(speech="whisper:base", models_dir=tmp_path)
    with pytest.raises(ModelError, match=r"pip install faster-whisper==\d"):
        chosen_models(choice, threads=1)


@pytest.mark.parametrize(
    ("speech", "message"),
    [
        ("whisper:base", "fetch --repository Systran/faster-whisper-base$"),
        ("whisper:huge", "SPEECH_MODEL=whisper:huge is not known"),
        ("whisper:./nothing", "SPEECH_MODEL=whisper:./nothing is not known"),
    ],
)
def test_a_missing_model_is_named_with_the_command_to_fetch_it(package, tmp_path, speech, message):
    with pytest.raises(ModelError, match=message):
        chosen_models(ModelChoice(speech=speech, models_dir=tmp_path), threads=1)


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
def test_a_folder_that_is_no_model_is_named(package, folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"whisper-tiny is not a Whisper model .* has no {name}"):
        WhisperRecogniser(folder, threads=1)


def test_weights_that_cannot_be_loaded_are_named(package, folder):
    (folder / "model.bin").write_bytes(b"damaged")
    recogniser = WhisperRecogniser(folder, threads=1)
    with pytest.raises(ModelError, match=r"whisper-tiny cannot be loaded .* incomplete"):
        recogniser.transcribe(np.zeros(16_000, np.float32))


def test_the_engine_does_not_start_with_damaged_weights(package, folder, tmp_path):
    (folder / "model.bin").write_bytes(b"damaged")
    choice = ModelChoice(speech=f"whisper:{folder}")
    options = EngineOptions(tmp_path / "data", models=choice)
    wanted = f"SPEECH_MODEL=whisper:{folder} cannot be used: .* set SPEECH_MODEL to another model"
    with pytest.raises(ModelError, match=wanted), running_engine(options):
        pass


def test_real_weights_hear_real_speech():
    pytest.importorskip("faster_whisper", reason="the optional package is not installed")
    models = [folder for folder, _ in fetched(MODELS) if (folder / "model.bin").is_file()]
    if not models:
        pytest.skip("no Whisper model has been fetched")
    path = Path(moonshine_voice.__file__).parent / "assets" / "two_cities.wav"
    samples = np.asarray(moonshine_voice.load_wav_file(path)[0], dtype=np.float32)[::3]
    recogniser = WhisperRecogniser(models[0], threads=2)
    lines = recogniser.transcribe(samples)
    text = " ".join(line.text for line in lines).lower()
    assert "best of times" in text
    assert "worst of times" in text
    assert all(0 <= line.start < line.end <= len(samples) / 16_000 for line in lines)
    assert recogniser.transcribe(np.zeros(32_000, np.float32)) == []
