"""Numbers, times and names in a reader's words."""

from __future__ import annotations

import math
from datetime import datetime

OPTION_WORDS = {
    "visual": "picture",
    "conversation": "speech",
    "text_in_video": "text on screen",
    "text": "meaning of words",
}
CONVERSATION_WORDS = {"semantic": "by meaning", "exact_match": "by exact words"}

# Pictures and sound of a file seldom end together: a video of 30.03 s is one of 0:30.
REST_S = 0.1


def evidence_word(option: str) -> str:
    """An option in a reader's words."""
    return OPTION_WORDS.get(option, option.replace("_", " "))


def span(start: float, end: float) -> str:
    """From when to when, in whole seconds that hold it."""
    return f"{clock(math.floor(start))}\N{EN DASH}{end_clock(end)}"


def end_clock(seconds: float) -> str:
    """The whole second by which something has ended; the rest of a frame does not count."""
    return clock(max(math.ceil(seconds - REST_S), 0))


def plain_seconds(seconds: float) -> str:
    """Seconds to the millisecond, as addresses take them: 12 or 3.25, never 1e-05."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def clock(seconds: int) -> str:
    """Whole seconds as m:ss, from an hour on as h:mm:ss."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def counted(number: int, noun: str) -> str:
    """A number with its noun in the right form."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def spoken_time(rfc3339: str, hours: str = "%H:%M") -> str:
    """A time for people, its clock in the form `hours`; what is no time is shown as it is."""
    try:
        moment = datetime.fromisoformat(rfc3339.replace("Z", "+00:00"))
    except ValueError:
        return rfc3339
    return f"{moment.day} {moment:%B %Y}, {moment:{hours}} {moment.tzname() or ''}".strip()


def spoken_duration(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours} h {minute} min" if hours else f"{minute} min {second} s"
