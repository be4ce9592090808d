"""The video files that the page serves: found inside their folder, sent by ranges."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

from flask import Response, request, send_file
from waitress.buffers import ReadOnlyFileBasedBuffer
from werkzeug.exceptions import RequestedRangeNotSatisfiable

# Fixed here because the system's own table differs from machine to machine.
VIDEO_TYPES = {
    ".3gp": "video/3gpp",
    ".avi": "video/x-msvideo",
    ".flv": "video/x-flv",
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp4": "video/mp4",
    ".mpeg": "video/mpeg",
    ".mpg": "video/mpeg",
    ".mts": "video/mp2t",
    ".ogv": "video/ogg",
    ".ts": "video/mp2t",
    ".webm": "video/webm",
    ".wmv": "video/x-ms-wmv",
}


def video_file(folder: Path, name: str) -> Path | None:
    """The file of a video, or None if it is missing or outside the folder."""
    try:
        name.encode()  # a name that is not valid Unicode has no URL
        path = (folder / name).resolve(strict=True)
        inside = path.is_relative_to(folder.resolve(strict=True))
    except (OSError, ValueError, RuntimeError):  # missing; a null byte; a loop of links
        return None
    return path if inside and path.is_file() else None


def video_type(name: str) -> str:
    """The media type of a video; never one whose content a browser would run."""
    guess = mimetypes.guess_type(name)[0] or ""
    fallback = guess if guess.startswith("video/") else "application/octet-stream"
    return VIDEO_TYPES.get(Path(name).suffix.lower(), fallback)


def send_video(path: Path, media_type: str) -> Response:
    """Send a file, or the one range of it that the request asks for."""
    response = send_file(path, mimetype=media_type, conditional=False)
    body: Any = response.response
    is_sent_by_waitress = isinstance(body, ReadOnlyFileBasedBuffer)
    # Other units, several ranges and nonsense are ignored, as RFC 9110 (14.2) allows.
    asked = request.range
    is_one_range = asked is not None and asked.units == "bytes" and len(asked.ranges) == 1
    try:
        response.make_conditional(
            request, accept_ranges=is_one_range, complete_length=response.content_length
        )
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
    response.accept_ranges = "bytes"
    # Werkzeug hands a range to the server piece by piece, so every paused player would hold a
    # thread. Waitress sends a file by itself, from its position for Content-Length bytes.
    if response.status_code == 206 and is_sent_by_waitress:
        body.seek(response.content_range.start)
        response.response = body
    return response
