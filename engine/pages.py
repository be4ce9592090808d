"""Further pages of one classification, kept for a few minutes under an opaque token."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from engine.catalog import now
from engine.service import PlatformError

# The hosted platform's tokens lived five minutes. The number bounds the memory they take.
LIFETIME = timedelta(minutes=5)
MAX_RESULTS = 100


@dataclass(frozen=True)
class ResultPage:
    """One page of a result; tokens are empty at its ends."""

    items: list[dict[str, Any]]
    limit: int
    total: int
    expires_at: datetime
    next_token: str
    previous_token: str


@dataclass(frozen=True)
class _Result:
    items: list[dict[str, Any]]
    limit: int
    expires_at: datetime


class ResultPages:
    """Splits results into pages; the oldest go first when there are too many."""

    def __init__(self) -> None:
        self._results: OrderedDict[str, _Result] = OrderedDict()
        self._lock = threading.Lock()

    def first(self, items: list[dict[str, Any]], limit: int) -> ResultPage:
        """The first page of a new result; the rest is kept when there is a rest."""
        result = _Result(items, limit, now() + LIFETIME)
        key = str(uuid4())
        if len(items) > limit:
            with self._lock:
                self._results[key] = result
                while len(self._results) > MAX_RESULTS:
                    self._results.popitem(last=False)
        return _page(result, key, 0)

    def page(self, token: str) -> ResultPage:
        """The page that a token stands for; raises PlatformError for a dead or unknown one."""
        key, _, number = token.rpartition("-")
        with self._lock:
            result = self._results.get(key)
        known = result is not None and result.expires_at > now() and number.isdecimal()
        if not known or result is None or int(number) * result.limit >= len(result.items):
            raise PlatformError(
                "search_page_token_expired",
                "The page token is unknown or has expired: send the request again.",
            )
        return _page(result, key, int(number))


def _page(result: _Result, key: str, number: int) -> ResultPage:
    start = number * result.limit
    end = start + result.limit
    return ResultPage(
        items=result.items[start:end],
        limit=result.limit,
        total=len(result.items),
        expires_at=result.expires_at,
        next_token=f"{key}-{number + 1}" if end < len(result.items) else "",
        previous_token=f"{key}-{number - 1}" if number else "",
    )
