"""Files that are replaced whole or not at all: a reader finds the old content or the new.

New content is written beside the file, brought to the disk and renamed. What a killed program
leaves behind is named `.NAME.HEX.part`, with eight hexadecimal digits of its own.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.part", re.DOTALL)
# A program that still writes to its file changes it far more often than this.
LEFTOVER_AFTER_S = 3600.0


def write_whole(path: Path, content: bytes) -> None:
    """Replace one file; its folder is made where it is missing."""
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Replace several files: none before all new ones are on the disk, the last one last."""
    with replacing_together(list(contents)) as beside:
        for temporary, content in zip(beside, contents.values(), strict=True):
            temporary.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file name to write to, beside `path`; at the end of the block it replaces `path`.

    Where the block raises, `path` stays as it was and nothing is left of the temporary file.
    """
    with replacing_together([path]) as (temporary,):
        yield temporary


@contextmanager
def replacing_together(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """`replacing` for several files: none is replaced before all new ones are on the disk."""
    beside = [_temporary(path) for path in paths]
    try:
        for folder in {path.parent for path in paths}:
            folder.mkdir(parents=True, exist_ok=True)
        yield beside
        move_into_place(dict(zip(beside, paths, strict=True)))
    finally:
        for temporary in beside:
            temporary.unlink(missing_ok=True)


def move_into_place(moves: Mapping[Path, Path]) -> None:
    """Rename finished files to their targets, in this order, once all of them are on the disk."""
    for source in moves:
        _sync(source)
    for source, target in moves.items():
        os.replace(source, target)
    for folder in {target.parent for target in moves.values()}:
        _sync_folder(folder)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files that killed programs left in a folder."""
    before = time.time() - LEFTOVER_AFTER_S
    for path in folder.glob(".*.part"):
        with suppress(OSError):  # another program may be at the same
            if LEFTOVER.fullmatch(path.name) and path.stat().st_mtime < before:
                path.unlink()


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that there is no room on the disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "disk is full" in str(error):  # SQLite's own words
            return True
        error = error.__cause__ or error.__context__
    return False


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make renames survive a power cut, where system and file system can do that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
