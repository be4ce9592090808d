"""The files of an engine's data folder: uploads on their way, and the evidence of videos.

Only names that the engine made are ever removed: a person may keep other files there, or name a
folder of theirs by mistake.
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
    "The engine keeps its catalogue and the evidence of videos here. Files in uploads/ and\n"
    "evidence/ that it made itself are removed when they are no longer needed.\n"
)
OWN_NAME = re.compile(r"[0-9a-f]{24}\.(video|part|safetensors(\.part)?)")
MAX_NAMED = 3


class DataFolderError(UserError):
    """The data folder is not the engine's; the message names what is in it."""

    title = "The engine cannot start"
    page_status = 503


class DataFolder:
    """Names the files of a data folder and removes those that nothing needs."""

    def __init__(self, folder: Path) -> None:
        """Make the folder, or claim one that is there.

        Raises DataFolderError for a folder without the engine's marker in which `uploads` or
        `evidence` hold files of somebody else.
        """
        self._uploads = folder / "uploads"
        self.evidence = folder / "evidence"
        is_claimed = (folder / MARKER).exists() or (folder / "catalog.sqlite3").exists()
        if not is_claimed and (foreign := sorted(self._foreign())):
            more = f" and {len(foreign) - MAX_NAMED} more" if len(foreign) > MAX_NAMED else ""
            raise DataFolderError(
                f"{folder} is not a folder of the engine: it holds"
                f" {', '.join(foreign[:MAX_NAMED])}{more}. Give the engine a folder of its own with"
                " ENGINE_DATA_DIR."
            )
        for place in (self._uploads, self.evidence):
            place.mkdir(parents=True, exist_ok=True)
        (folder / MARKER).write_text(MARKER_TEXT, encoding="utf-8")

    def incoming_path(self) -> Path:
        """A path for the bytes of an upload while they arrive."""
        return self._uploads / f"{new_id()}.part"

    def work_path(self, task_id: str) -> Path:
        """The video of an unfinished task."""
        return self._uploads / f"{task_id}.video"

    def evidence_path(self, video_id: str) -> Path:
        """The evidence file of a video."""
        return self.evidence / f"{video_id}.safetensors"

    def free_bytes(self) -> int:
        """Bytes that are free on the disk."""
        return shutil.disk_usage(self._uploads).free

    def remove_all_but(self, needed: Collection[Path]) -> None:
        """Remove the engine's own files that nothing needs any more."""
        for path in self._files():
            if path not in needed and _is_own(path):
                with suppress(OSError):  # it is tried again at the next start
                    path.unlink()

    def _foreign(self) -> Iterator[str]:
        return (str(path) for path in self._files() if not _is_own(path))

    def _files(self) -> Iterator[Path]:
        for folder in (self._uploads, self.evidence):
            if folder.is_dir():
                yield from list(folder.iterdir())


def _is_own(path: Path) -> bool:
    return bool(OWN_NAME.fullmatch(path.name) or LEFTOVER.fullmatch(path.name))
