"""Numbers, times and names as people read them; FILTERS are for the templates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

OPTION_WORDS = {
    "visual": "picture",
    "conversation": "speech",
    "text_in_video": "text on screen",
    "text": "meaning of words",
}
CONVERSATION_WORDS = {"semantic": "by meaning", "exact_match": "by exact words"}

# Pictures and sound of a file seldom end together: 30.03 s are shown as 0:30.
REST_S = 0.1


def evidence_word(option: str) -> str:
    """An option of classification as people call it."""
    return OPTION_WORDS.get(option, option.replace("_", " "))


def span(start: float, end: float) -> str:
    """From when to when, widened to whole seconds."""
    return f"{clock(math.floor(start))}\N{EN DASH}{end_clock(end)}"


def end_clock(seconds: float) -> str:
    """The whole second by which something has ended; up to REST_S more are ignored."""
    return clock(max(math.ceil(seconds - REST_S), 0))


def plain_seconds(seconds: float) -> str:
    """Seconds to the millisecond, as URLs take them: 12 or 3.25, never 1e-05."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def clock(seconds: int) -> str:
    """Whole seconds as m:ss, from an hour on as h:mm:ss."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def counted(number: int, noun: str) -> str:
    """A number with its noun in singular or plural."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def readable_time(rfc3339: str, hours: str = "%H:%M") -> str:
    """A date and time, its clock in the form `hours`; text that is no time stays as it is."""
    try:
        moment = datetime.fromisoformat(rfc3339.replace("Z", "+00:00"))
    except ValueError:
        return rfc3339
    return f"{moment.day} {moment:%B %Y}, {moment:{hours}} {moment.tzname() or ''}".strip()


def readable_duration(seconds: float) -> str:
    """A length of time."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours} h {minute} min" if hours else f"{minute} min {second} s"


def points(score: float) -> str:
    """A score in whole points."""
    return f"{score:.0f}"


def points_reached(score: float) -> str:
    """A score rounded down, so that it does not seem to reach a threshold that it misses."""
    return f"{math.floor(score)}"


def percent(ratio: float) -> str:
    """A ratio, 0-1, in whole per cent."""
    return f"{ratio:.0%}"


def thousands(number: int) -> str:
    """A whole number with a comma for the thousands."""
    return f"{number:,}"


def plain_number(number: float) -> str:
    """A number with as many digits as it needs: 65 or 0.5."""
    return f"{number:g}"


def one_decimal(number: float) -> str:
    """A number with one digit after the point."""
    return f"{number:.1f}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "clock": end_clock,
    "counted": counted,
    "evidence": evidence_word,
    "number": plain_number,
    "one_decimal": one_decimal,
    "percent": percent,
    "points": points,
    "points_reached": points_reached,
    "seconds": plain_seconds,
    "span": span,
    "thousands": thousands,
}
