"""The rate limit: how often the platform may be called, and how many calls are left."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from flask import Response, g, request

WINDOW_S = 60
# Reported where there is no limit, because programs read the headers as numbers.
UNLIMITED = 2**31 - 1


@dataclass(frozen=True)
class Allowance:
    """The state of a rate limit; `reset` is in UTC epoch seconds."""

    limit: int
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        """Calls left in this window."""
        return max(self.limit - self.used, 0)

    @property
    def exceeded(self) -> bool:
        """Whether this call exceeds the limit."""
        return self.used > self.limit


class RateLimiter:
    """Counts calls by group of routes in windows of a minute; with limit 0 it refuses nothing.

    Reading is free, including polling a task and requesting further pages.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit or UNLIMITED
        self._window = 0
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    def call(self, group: str, *, counts: bool) -> Allowance:
        """Record a call."""
        window = int(time.time()) // WINDOW_S
        with self._lock:
            if window != self._window:
                self._window = window
                self._used.clear()
            used = self._used.get(group, 0)
            if counts:
                used += 1
                self._used[group] = min(used, self._limit)
        return Allowance(self._limit, used, (window + 1) * WINDOW_S)


def note_call(limiter: RateLimiter, group: str) -> Allowance:
    """Count the current request if it is a POST, which causes work."""
    allowance = limiter.call(group, counts=request.method == "POST")
    g.allowance = allowance
    return allowance


def add_headers(response: Response) -> None:
    """Report the state of the rate limit, if the request got as far as being counted."""
    allowance: Allowance | None = g.get("allowance")
    if allowance is None:
        return
    response.headers["X-Ratelimit-Limit"] = str(allowance.limit)
    response.headers["X-Ratelimit-Remaining"] = str(allowance.remaining)
    response.headers["X-Ratelimit-Used"] = str(min(allowance.used, allowance.limit))
    response.headers["X-Ratelimit-Reset"] = str(allowance.reset)
    if allowance.exceeded:
        response.headers["Retry-After"] = str(max(allowance.reset - int(time.time()), 1))
