"""Evidence files: what is written is read back, completely or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.evidence import (
    Evidence,
    EvidenceDamaged,
    EvidenceOutdated,
    TextSpan,
    is_complete,
    read_evidence,
    write_evidence,
)


def evidence() -> Evidence:
    return Evidence(
        duration_s=3.21,
        frame_times=np.array([0, 1, 2], dtype=np.float32),
        frame_vectors=np.arange(12, dtype=np.float16).reshape(3, 4),
        scene_starts=np.array([0], dtype=np.float32),
        transcript=(TextSpan(0.5, 1.25, "hello \N{GREEK SMALL LETTER ALPHA}"),),
        screen_text=(),
        thumbnail_times=np.array([0, 2], dtype=np.float32),
        thumbnails=(b"first", b""),
        models={"visual": "test/1"},
    )


def assert_same(one: Evidence, other: Evidence) -> None:
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(other, name))
            assert value.dtype == getattr(other, name).dtype
        else:
            assert value == getattr(other, name), name


@pytest.mark.parametrize(
    "made",
    [
        evidence(),
        replace(evidence(), thumbnails=(), thumbnail_times=np.zeros(0, np.float32)),
    ],
)
def test_round_trip(tmp_path: Path, made: Evidence) -> None:
    write_evidence(tmp_path / "v.safetensors", made)
    assert_same(made, read_evidence(tmp_path / "v.safetensors"))
    assert [path.name for path in tmp_path.iterdir()] == ["v.safetensors"]


def test_frames_and_thumbnails_may_stay_on_disk(tmp_path: Path) -> None:
    made = evidence()
    write_evidence(tmp_path / "v.safetensors", made)
    read = read_evidence(tmp_path / "v.safetensors", with_frames=False)
    assert not read.frame_vectors.size
    assert read.thumbnails == ()
    assert read.transcript == made.transcript
    np.testing.assert_array_equal(read.frame_times, made.frame_times)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    save_file({"a": np.zeros(1)}, path, {"format": "99"})
    with pytest.raises(EvidenceOutdated, match="index its video again"):
        read_evidence(path)


@pytest.mark.parametrize("damage", [b"", b"garbage that is no tensor", b"\xff" * 100, "cut"])
def test_a_damaged_file_is_reported(tmp_path: Path, damage: bytes | str) -> None:
    path = tmp_path / "v.safetensors"
    assert not is_complete(path)
    write_evidence(path, evidence())
    assert is_complete(path)
    path.write_bytes(path.read_bytes()[:-9] if isinstance(damage, str) else damage)
    assert not is_complete(path)
    with pytest.raises(EvidenceDamaged, match=r"v\.safetensors cannot be read"):
        read_evidence(path)


@pytest.mark.parametrize("metadata", [{"format": "2"}, {"format": "2", "duration_s": "long"}])
def test_a_file_without_what_belongs_there_is_damaged(
    tmp_path: Path, metadata: dict[str, str]
) -> None:
    path = tmp_path / "v.safetensors"
    save_file({"frame_times": np.zeros(1)}, path, metadata)
    with pytest.raises(EvidenceDamaged, match="cannot be read"):
        read_evidence(path)
