"""The files of an engine's data folder: unfinished uploads, and the evidence of videos.

Only files with names of the engine's own are ever removed, because users may store other files
there or name the wrong folder.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from core.errors import UserError
from core.files import LEFTOVER
from engine.catalog.tables import new_id

MARKER = "engine-data.txt"
MARKER_TEXT = (
    "The engine stores its catalogue and the evidence of videos here. It removes its own files in\n"
    "uploads/ and evidence/ when they are no longer needed.\n"
)
OWN_NAME = re.compile(r"[0-9a-f]{24}\.(video|part|safetensors(\.part)?)")
MAX_NAMED = 3


class DataFolderError(UserError):
    """The data folder belongs to something else; the message names files in it."""

    title = "The engine cannot start"
    page_status = 503


class DataFolder:
    """Names the files of a data folder, and removes those that are no longer needed."""

    def __init__(self, folder: Path) -> None:
        """Create the folder, or mark an existing one as the engine's.

        Raises DataFolderError for a folder without the marker whose `uploads` or `evidence` have
        files that are not the engine's.
        """
        self._uploads = folder / "uploads"
        self.evidence = folder / "evidence"
        if not (folder / MARKER).exists() and not (folder / "catalog.sqlite3").exists():
            self._check_unmarked(folder)
        for place in (self._uploads, self.evidence):
            place.mkdir(parents=True, exist_ok=True)
        if not (folder / MARKER).exists():
            (folder / MARKER).write_text(MARKER_TEXT, encoding="utf-8")

    def incoming_path(self) -> Path:
        """A path for the bytes of an upload while they arrive."""
        return self._uploads / f"{new_id()}.part"

    def work_path(self, task_id: str) -> Path:
        """The video file of an unfinished task."""
        return self._uploads / f"{task_id}.video"

    def evidence_path(self, video_id: str) -> Path:
        """The evidence file of a video."""
        return self.evidence / f"{video_id}.safetensors"

    def free_bytes(self) -> int:
        """Bytes that are free on the disk."""
        return shutil.disk_usage(self._uploads).free

    def remove_all_but(self, needed: Collection[Path]) -> None:
        """Remove the engine's own files that are no longer needed."""
        for path in self._files():
            if path not in needed and _is_own(path):
                with suppress(OSError):  # tried again at the next start
                    path.unlink()

    def _check_unmarked(self, folder: Path) -> None:
        others = sorted(str(path) for path in self._files() if not _is_own(path))
        if others:
            more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
            raise DataFolderError(
                f"{folder} is not a folder of the engine: it holds"
                f" {', '.join(others[:MAX_NAMED])}{more}. Give the engine a folder of its own with"
                " ENGINE_DATA_DIR."
            )

    def _files(self) -> Iterator[Path]:
        for folder in (self._uploads, self.evidence):
            if folder.is_dir():
                yield from list(folder.iterdir())


def _is_own(path: Path) -> bool:
    return bool(OWN_NAME.fullmatch(path.name) or LEFTOVER.fullmatch(path.name))
