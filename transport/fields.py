"""Reads fields of JSON objects that may hold anything: a value of the right type, or a default."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

Json = Mapping[str, Any]


def text(record: Json, key: str) -> str:
    """A string; "" for anything else."""
    value = record.get(key)
    return value if isinstance(value, str) else ""


def texts(record: Json, key: str) -> list[str]:
    """The strings of a list; none for anything else."""
    return [each for each in _list(record, key) if isinstance(each, str)]


def table(record: Json, key: str) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def tables(record: Json, key: str) -> list[dict[str, Any]]:
    """The JSON objects of a list; none for anything else."""
    return [each for each in _list(record, key) if isinstance(each, dict)]


def number(record: Json, key: str) -> float | None:
    """A finite number of at least 0; None for anything else."""
    value = record.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def whole_number(record: Json, key: str) -> int | None:
    """A whole number of at least 0; None for anything else."""
    found = number(record, key)
    return int(record[key]) if found is not None and found.is_integer() else None


def moment(record: Json, key: str) -> datetime | None:
    """A time in RFC 3339, taken as UTC if it names no time zone; None for anything else."""
    # Python 3.10 reads fractions of three or six digits only; platforms give any number of them.
    written = re.sub(r"\.(\d+)", lambda digits: f".{digits[1]:0<6.6}", text(record, key))
    try:
        found = datetime.fromisoformat(written.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def reason(record: Json) -> str:
    """Why something failed: what stands under "error", as an object or as text; "" if nothing."""
    error = table(record, "error")
    return text(error, "message") or text(error, "code") or text(record, "error")


def _list(record: Json, key: str) -> list[Any]:
    value = record.get(key)
    return value if isinstance(value, list) else []
