"""Files are replaced whole or not at all, and nothing is left of a write that failed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from core.files import (
    LEFTOVER,
    LEFTOVER_AFTER_S,
    move_into_place,
    remove_leftovers,
    replacing,
    replacing_together,
    write_together,
    write_whole,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_into_a_folder_that_was_not_there(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "a.bin", b"one")
    write_whole(tmp_path / "new" / "a.bin", b"two")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"two"
    assert names(tmp_path / "new") == ["a.bin"]


def test_the_old_content_is_there_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with replacing(path) as beside:
        beside.write_bytes(b"new")
        assert (path.read_bytes(), beside.parent) == (b"old", tmp_path)
        assert LEFTOVER.fullmatch(beside.name)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail() -> None:
        with replacing(path) as beside:
            beside.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with replacing(path) as first, replacing(path) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert path.read_bytes() == b"first", "the one that ended last"
    assert names(tmp_path) == ["a.bin"]


def test_content_is_on_the_disk_before_the_first_rename_and_the_folder_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    replace, fsync = os.replace, os.fsync

    def watch_replace(source: Path, target: Path) -> None:
        done.append(f"rename {target.name}")
        replace(source, target)

    def watch_fsync(handle: int) -> None:
        done.append("sync folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "sync file")
        fsync(handle)

    monkeypatch.setattr(os, "replace", watch_replace)
    monkeypatch.setattr(os, "fsync", watch_fsync)
    write_together({tmp_path / "b": b"1", tmp_path / "a": b"2"})
    assert done == ["sync file", "sync file", "rename b", "rename a", "sync folder"]


def test_all_or_none_of_several_files(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    write_together(dict.fromkeys(paths, b"old"))
    with pytest.raises(FileNotFoundError), replacing_together(paths) as beside:
        beside[0].write_bytes(b"new")  # and the other is never written
    assert [path.read_bytes() for path in paths] == [b"old", b"old"]
    assert names(tmp_path) == ["a", "b"]


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: Path, flags: int, *rest: int, **named: int) -> int:
        if flags & os.O_DIRECTORY:
            raise OSError(22, "Invalid argument")
        return real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", refuse)
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_finished_download_is_moved_into_place(tmp_path: Path) -> None:
    part = tmp_path / "a.part"
    part.write_bytes(b"all of it")
    move_into_place({part: tmp_path / "a"})
    assert names(tmp_path) == ["a"]


def test_only_old_temporary_files_are_removed(tmp_path: Path) -> None:
    kept = ["a", "a.part", ".a.part", ".a.0123456z.part", "b.01234567.part", ".b.89abcdef.part"]
    for name in [*kept, ".a.json.01234567.part", ".a\n.01234567.part"]:
        (tmp_path / name).touch()
        old = time.time() - LEFTOVER_AFTER_S - 60
        if name != ".b.89abcdef.part":  # another program writes it now
            os.utime(tmp_path / name, (old, old))
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted(kept)
    remove_leftovers(tmp_path / "nowhere")
