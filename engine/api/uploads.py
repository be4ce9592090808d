"""Request bodies: limits before anything is read, and files straight to disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from flask import Request, request
from werkzeug.datastructures import FileStorage

from engine.api.schemas.base import FilePart
from engine.api.state import service
from engine.errors import PlatformError

# The other fields of a form that has a video.
MAX_OTHER_BYTES = 1024**2
MAX_JSON_BYTES = 16 * 1024**2
MAX_FIELD_BYTES = 1024**2
MAX_PARTS = 100
# A body without a type can only be an empty one.
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded", "")
INCOMING = "engine.incoming"


class EngineRequest(Request):
    """Writes uploaded files straight to the service's work folder, whatever their size."""

    max_form_memory_size = MAX_FIELD_BYTES
    max_form_parts = MAX_PARTS

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        stream = service().incoming_path().open("wb+")
        self.environ.setdefault(INCOMING, []).append(stream)
        return stream

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        raise PlatformError(
            "parameter_invalid",
            f"The body is not valid JSON: {e}."
            if e
            else "The body must be JSON, with Content-Type: application/json.",
        )


def limit_body() -> None:
    """Limit the size of this request's body; refuse one that the disk has no space for."""
    if request.mimetype != "multipart/form-data":
        request.max_content_length = MAX_JSON_BYTES
        return
    request.max_content_length = service().max_video_bytes + MAX_OTHER_BYTES
    free, length = service().free_bytes(), request.content_length or 0
    if free < length <= request.max_content_length:
        raise PlatformError(
            "video_filesize_too_large",
            f"The disk has no space for an upload of {length / 1024**3:.2f} GB: "
            f"{free / 1024**3:.2f} GB are free where the engine keeps its data.",
        )


def too_large() -> PlatformError:
    """The error for a body that exceeds its limit."""
    if request.mimetype == "multipart/form-data":
        return PlatformError(
            "video_filesize_too_large",
            f"The body is too large: a video may have {most_gigabytes()} GB, any other field 1 MB.",
        )
    return PlatformError("parameter_invalid", "The body is too large: it may have 16 MB.")


def most_gigabytes() -> str:
    """The largest size of a video."""
    return f"{service().max_video_bytes / 1024**3:g}"


def read_json() -> Any:
    """The JSON value of the body."""
    try:
        return request.get_json()
    except RecursionError:
        raise PlatformError(
            "parameter_invalid", "The body is not valid JSON: it is nested too deeply."
        ) from None
    except (TimeoutError, ConnectionError):
        raise _cut_off() from None


def read_form(lists: set[str], files: set[str]) -> dict[str, Any]:
    """Fields of a form; those in `lists` may occur several times, those in `files` are files.

    A file sent for any other field is read as its text, since the vendor's SDK sends fields so.
    """
    if request.mimetype not in FORMS:
        raise PlatformError(
            "parameter_invalid", "The body must be a form, with Content-Type: multipart/form-data."
        )
    try:
        form, parts = request.form, request.files
    except (TimeoutError, ConnectionError):
        raise _cut_off() from None
    values: dict[str, Any] = {
        name: texts if name in lists else texts[-1] for name, texts in form.lists()
    }
    for name, part in parts.items():
        if name in files:
            if part.filename:
                values[name] = FilePart(_path(part), part.filename)
        elif part.filename and name not in values:
            part.stream.seek(0)
            values[name] = part.stream.read(MAX_FIELD_BYTES).decode(errors="replace")
    return values


def remove_unclaimed() -> None:
    """Remove uploaded files that no task has taken over."""
    for stream in request.environ.get(INCOMING, ()):
        stream.close()
        with suppress(OSError):
            Path(stream.name).unlink(missing_ok=True)


def _path(part: FileStorage) -> Path:
    path = Path(str(part.stream.name))
    part.close()
    return path


def _cut_off() -> PlatformError:
    return PlatformError("parameter_invalid", "The body ended too early.")
