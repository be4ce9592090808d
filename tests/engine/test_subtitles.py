"""Transcripts in SRT and WebVTT."""

from __future__ import annotations

import pytest

from engine.errors import PlatformError
from engine.evidence import TextSpan
from engine.indexing.subtitles import read_subtitles

TWO = (TextSpan(1.0, 2.5, "Good day."), TextSpan(3661.25, 3662.0, "Bye & thanks"))


@pytest.mark.parametrize(
    "text",
    [
        "1\n00:00:01,000 --> 00:00:02,500\nGood day.\n\n"
        "2\n01:01:01,250 --> 01:01:02,000\nBye & thanks\n",
        "1\r\n00:00:01,000 --> 00:00:02,500\r\nGood\r\nday.\r\n\r\n"
        "2\r\n01:01:01,250 --> 01:01:02,000\r\n<i>Bye</i> &amp; {\\an8}thanks",
        "WEBVTT - a title\n\nNOTE\nnothing\n\nSTYLE\n::cue { color: red }\n\n"
        "00:01.000 --> 00:02.500 line:0 align:start\n<v Ann>Good <b>day</b>.\n\n"
        "last\n01:01:01.250 --> 01:01:02.000\n<c.loud>Bye</c> &amp; <00:19.000>thanks\n",
        "\ufeffWEBVTT\n\n01:01:01.250 --> 01:01:02.000\nBye & thanks\n \n"
        "00:00:01.0 --> 00:00:02.5\nGood day.\n\n00:00:05.000 --> 00:00:06.000\n\n",
    ],
)
def test_lines_have_their_times_and_no_markup(text: str) -> None:
    assert read_subtitles(text.encode(), "transcription_file") == TWO


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no cue"),
        (b"just words", "no cue"),
        (b"WEBVTT\n\n", "no cue"),
        (b"1\n00:00:01,000 --> later\nhello", "no times"),
        (b"1\n00:00:02,000 --> 00:00:01,000\nhello", "ends before it starts"),
        (b"1\n00:00:01,000 --> 00:99:01,000\nhello", "no times"),
        ("1\n00:00:01,000 --> 00:00:02,000\nh\u00e9".encode("latin-1"), "UTF-8"),
        (b"\x00\x01\x02\xff", "UTF-8"),
    ],
)
def test_a_file_that_is_no_transcript_is_refused_with_the_reason(data: bytes, words: str) -> None:
    with pytest.raises(PlatformError, match=words) as caught:
        read_subtitles(data, "transcription_file")
    assert caught.value.code == "parameter_invalid"
    assert "transcription_file" in caught.value.message


def test_a_large_file_is_read_in_no_time() -> None:
    cue = "1\n00:00:01,000 --> 00:00:02,000\n" + "<" * 2000 + "\n\n"
    assert len(read_subtitles((cue * 200).encode(), "transcription_file")) == 200
