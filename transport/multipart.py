"""A video as part of a form that is streamed: memory does not grow with the file."""

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
    """The name of a file as a platform is told it; raises ApiError where no form carries it."""
    if re.search(r"[\r\n\0]|%22|[\ud800-\udfff]", filename):
        raise ApiError(
            f"{filename!r} cannot be sent as a file name: rename the file so that its name is "
            "Unicode text without a line break and without %22"
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
    """One try to post a form with a video; the id of what was made of it.

    `on_progress` gets (bytes sent, bytes in all). Raises OSError where the file cannot be opened.
    """

    def report(form: MultipartEncoderMonitor) -> None:
        if on_progress:
            on_progress(form.bytes_read, form.len)

    # The encoder sees to quotes.
    form_name = checked_name(filename).replace("\\", "\\\\")
    with path.open("rb") as video:
        content = {**fields, file_field: (form_name, video, video_type(path))}
        form = MultipartEncoderMonitor(MultipartEncoder(content), report)
        headers = {"Content-Type": form.content_type}
        answer = http.json(http.fetch("POST", collection, data=form, headers=headers), "_id")
    return str(answer["_id"])


def video_type(path: Path) -> str:
    """The media type of a video by its suffix; MP4 where that says nothing."""
    guess = mimetypes.guess_type(path.name)[0] or ""
    return guess if guess.startswith("video/") else "video/mp4"
