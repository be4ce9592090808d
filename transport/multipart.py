"""Uploads a video as part of a form, streamed: memory does not grow with the file."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from requests_toolbelt import (  # type: ignore[import-untyped]
    MultipartEncoder,
    MultipartEncoderMonitor,
)

from transport.errors import ApiError
from transport.http import Transport

OnProgress = Callable[[int, int], None]


def checked_name(filename: str) -> str:
    """The file name, if a form can carry it; else raises ApiError."""
    if re.search(r"[\r\n\0]|%22|[\ud800-\udfff]", filename):
        raise ApiError(
            f"{filename!r} cannot be sent as a file name: rename the file so that its name is "
            "Unicode text without line breaks and without %22"
        )
    return filename


def send_form(
    http: Transport,
    collection: str,
    fields: Mapping[str, str],
    file_field: str,
    path: Path,
    filename: str,
    on_progress: OnProgress | None = None,
) -> str:
    """One try to post a form with a video; the id of what the platform made of it.

    `on_progress` gets (bytes sent, bytes in all). Raises OSError if the file cannot be opened.
    """

    def report(form: MultipartEncoderMonitor) -> None:
        if on_progress:
            on_progress(form.bytes_read, form.len)

    # The encoder escapes quotes itself.
    form_name = checked_name(filename).replace("\\", "\\\\")
    with path.open("rb") as video:
        content = {**fields, file_field: (form_name, video, video_type(path))}
        form = MultipartEncoderMonitor(MultipartEncoder(content), report)
        headers = {"Content-Type": form.content_type}
        body = http.json(http.fetch("POST", collection, data=form, headers=headers), "_id")
    return str(body["_id"])


def video_type(path: Path) -> str:
    """The media type of a video by its suffix; MP4 for any other file."""
    guess = mimetypes.guess_type(path.name)[0] or ""
    return guess if guess.startswith("video/") else "video/mp4"
