"""Further pages of a result, stored for a few minutes under an opaque page token."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import uuid4

from engine.catalog.tables import now
from engine.errors import PlatformError

# The hosted platform's page tokens expired after five minutes. The numbers limit the memory.
LIFETIME = timedelta(minutes=5)
MAX_RESULTS = 100
MAX_ITEMS = 200_000

Item = TypeVar("Item")
View = TypeVar("View")


@dataclass(frozen=True)
class ResultPage(Generic[Item, View]):
    """One page of a result; `view` says how to show it, and tokens are empty at its ends.

    `limit` is the number of items on a page, `total` that of the whole result.
    """

    items: Sequence[Item]
    view: View
    limit: int
    total: int
    expires_at: datetime
    next_token: str
    previous_token: str


@dataclass(frozen=True)
class _Result(Generic[Item, View]):
    items: Sequence[Item]
    view: View
    limit: int
    expires_at: datetime


class ResultPages(Generic[Item, View]):
    """Splits results into pages; the oldest results are dropped when there are too many."""

    def __init__(self) -> None:
        self._results: OrderedDict[str, _Result[Item, View]] = OrderedDict()
        self._lock = threading.Lock()

    def first(self, items: Sequence[Item], limit: int, view: View) -> ResultPage[Item, View]:
        """The first page of a new result; the result is stored if it has more pages."""
        result = _Result(items, view, limit, now() + LIFETIME)
        key = str(uuid4())
        if len(items) > limit:
            with self._lock:
                self._results[key] = result
                self._drop_oldest()
        return _page(result, key, 0)

    def page(self, token: str) -> ResultPage[Item, View]:
        """The page of a token; raises PlatformError if the token is unknown or has expired."""
        key, _, digits = token.rpartition("-")
        is_number = digits.isascii() and digits.isdecimal() and len(digits) < 10
        with self._lock:
            result = self._results.get(key)
        if result is None or result.expires_at <= now() or not is_number:
            raise _expired()
        number = int(digits)
        if number * result.limit >= len(result.items):
            raise _expired()
        return _page(result, key, number)

    def _drop_oldest(self) -> None:
        held = sum(len(result.items) for result in self._results.values())
        while len(self._results) > MAX_RESULTS or (held > MAX_ITEMS and len(self._results) > 1):
            _, oldest = self._results.popitem(last=False)
            held -= len(oldest.items)


def _expired() -> PlatformError:
    return PlatformError(
        "search_page_token_expired",
        "The page token is unknown or has expired: send the request again.",
    )


def _page(result: _Result[Item, View], key: str, number: int) -> ResultPage[Item, View]:
    start = number * result.limit
    end = start + result.limit
    return ResultPage(
        items=result.items[start:end],
        view=result.view,
        limit=result.limit,
        total=len(result.items),
        expires_at=result.expires_at,
        next_token=f"{key}-{number + 1}" if end < len(result.items) else "",
        previous_token=f"{key}-{number - 1}" if number else "",
    )
