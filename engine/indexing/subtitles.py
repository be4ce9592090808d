"""Transcripts that clients upload as SubRip (SRT) or WebVTT files, read as lines with times.

WebVTT follows the W3C's candidate recommendation of 2019. Notes, styles, regions, cue settings and
markup are dropped; the spoken text is kept.
"""

from __future__ import annotations

import html
import re

from engine.errors import PlatformError
from engine.evidence import TextSpan

MAX_BYTES = 16 * 1024**2  # a subtitle file of two hours has about 0.2 MB
CLOCK = r"(?:(\d{1,4}):)?([0-5]?\d):([0-5]?\d)[.,](\d{1,3})"
TIMING = re.compile(rf"^\s*{CLOCK}\s*-->\s*{CLOCK}(?:\s.*)?$")
MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


def read_subtitles(data: bytes, field: str) -> tuple[TextSpan, ...]:
    """The lines of an SRT or WebVTT file, sorted by their start.

    Raises PlatformError that names the `field` and the place of the mistake.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refusal(field, f"byte {error.start} is not UTF-8") from None
    blocks = re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n").strip("\n"))
    spans = []
    for block in blocks:
        span = _cue(block, field)
        if span:
            spans.append(span)
    if not any("-->" in block for block in blocks):
        raise _refusal(field, "it has no cue with times (00:00:01,000 --> 00:00:02,000)")
    return tuple(sorted(spans, key=lambda span: (span.start, span.end)))


def _cue(block: str, field: str) -> TextSpan | None:
    """One cue; None for a header, a note, a style or a cue without words."""
    lines = block.split("\n")
    at = next((number for number, line in enumerate(lines) if "-->" in line), None)
    if at is None or lines[0].startswith(("NOTE", "STYLE", "REGION")):
        return None
    found = TIMING.match(lines[at])
    if not found:
        raise _refusal(field, f"these are no times: {lines[at][:80]!r}")
    start, end = _seconds(found.groups()[:4]), _seconds(found.groups()[4:])
    if end < start:
        raise _refusal(field, f"this cue ends before it starts: {lines[at][:80]!r}")
    plain = html.unescape(MARKUP.sub("", " ".join(lines[at + 1 :])))
    words = " ".join(plain.split())
    return TextSpan(start, end, words) if words else None


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + float(f"{seconds}.{fraction}")


def _refusal(field: str, reason: str) -> PlatformError:
    return PlatformError(
        "parameter_invalid", f"The {field} parameter is no SRT or WebVTT file: {reason}."
    )
