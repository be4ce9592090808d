"""The videos folder: what is found in it, and what is refused by its name or kind alone."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from steps.folder import find_videos
from tests.support.media import write_video


def put(folder: Path, name: str, content: bytes = b"x") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_finds_every_container_in_any_case_in_subfolders_and_by_odd_names(tmp_path: Path) -> None:
    names = [
        "-dash.mp4",
        "=sum.MOV",
        'a "quoted" one.Mp4',
        "sub folder/deeper/clip.webm",
        "two\nlines.mkv",
        "Übung №1, 映画.mp4",
        "x.m2ts",
    ]
    for name in names:
        put(tmp_path, name)
    videos, refused = find_videos(tmp_path)
    assert ([video.name for video in videos], refused) == (sorted(names), [])
    assert all(video.path.read_bytes() == b"x" and video.size == 1 for video in videos)


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "mp4", ".hidden.mp4", "._clip.mp4", ".trash/clip.mp4", "a.gif", "clip.mp4.part"],
)
def test_skips_what_is_no_video(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    assert find_videos(tmp_path) == ([], [])


@pytest.mark.parametrize(
    "folder",
    [
        *("@eaDir", "#recycle", "$RECYCLE.BIN", ".Trash-1000", ".Trashes", "lost+found"),
        *("System Volume Information", "@Recycle", "RECYCLER", "#snapshot", "sub/@eaDir/clip.mp4"),
    ],
)
def test_skips_folders_of_the_system(tmp_path: Path, folder: str) -> None:
    put(tmp_path, f"{folder}/clip.mp4")
    kept = put(tmp_path, "eaDir/@home #1/clip.mp4")
    videos, refused = find_videos(tmp_path)
    assert ([video.path for video in videos], refused) == ([kept], [])


TYPESCRIPT = "\ufeff" + "import { größe } from './größe';\n\texport const a = 1;\n" * 20


@pytest.mark.parametrize("name", ["index.ts", "types.d.ts", "module.mts", "a.TS"])
def test_skips_typescript(tmp_path: Path, name: str) -> None:
    for size in (1, 20, 511, 512, 513, len(TYPESCRIPT)):
        put(tmp_path, name, TYPESCRIPT.encode()[:size] if size > 3 else b"x")
        assert find_videos(tmp_path) == ([], [])


def test_finds_transport_streams_that_share_its_suffix(tmp_path: Path) -> None:
    write_video(tmp_path / "a.ts", seconds=0.5)
    whole = (tmp_path / "a.ts").read_bytes()
    put(tmp_path, "cut at its beginning.ts", whole[100:])
    put(tmp_path, "camera.mts", b"\0\0\0\0" + whole[:188])
    put(tmp_path, "empty.ts", b"")
    put(tmp_path, "text.m2ts", b"text")
    assert len(find_videos(tmp_path)[0]) == 5


def test_names_are_relative_where_the_folder_is_a_link(tmp_path: Path) -> None:
    put(tmp_path, "real/sub/clip.mp4")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    videos, refused = find_videos(tmp_path / "link")
    assert ([video.name for video in videos], refused) == (["sub/clip.mp4"], [])


@pytest.mark.parametrize("name", ["missing", "file.mp4"])
def test_a_missing_folder_or_a_file_raises(tmp_path: Path, name: str) -> None:
    put(tmp_path, "file.mp4")
    with pytest.raises(OSError, match=r"file|directory"):
        find_videos(tmp_path / name)


def test_links_count_only_inside_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    outside = put(tmp_path, "secret/outside.mp4")
    inside = put(folder, "inside.mp4")
    (folder / "again.mp4").symlink_to(inside)
    (folder / "stolen.mp4").symlink_to(outside)
    (folder / "dangling.mp4").symlink_to(folder / "gone.mp4")
    (folder / "loop.mp4").symlink_to(folder / "loop.mp4")
    (folder / "elsewhere").symlink_to(outside.parent)
    (folder / "round").symlink_to(folder)
    videos, refused = find_videos(folder)
    assert [video.name for video in videos] == ["again.mp4", "inside.mp4"]
    assert [(entry.video_name, entry.reason.split(":")[0]) for entry in refused] == [
        ("dangling.mp4", "is a link to a file that does not exist"),
        ("elsewhere", "is a link to a folder outside the videos folder"),
        ("loop.mp4", "cannot be read"),
        ("stolen.mp4", "is a link to a file outside the videos folder"),
    ]


def test_refuses_what_would_block_a_reader_or_cannot_be_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    os.mkfifo(tmp_path / "pipe.ts")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.mp4"))
        put(tmp_path, os.fsdecode(b"caf\xe9.mp4"))
        (tmp_path / "folder.mp4").mkdir()
        videos, refused = find_videos(tmp_path)
    assert videos == []
    assert [entry.reason for entry in refused] == [
        "has a name that is not valid UTF-8: rename it",
        "is not a regular file",
        "is not a regular file",
        "is not a regular file",
    ]
