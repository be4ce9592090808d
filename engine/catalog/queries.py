"""Lists of the catalogue: their filters, their order and their pages.

A filter compares a field by eq, gte or lte, whether it comes from a query string or from the filter
object of a search. Videos can also be filtered by the custom fields that clients stored with them.
"""

from __future__ import annotations

import math
import operator
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Generic, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Select, String, and_, cast, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from engine.catalog.tables import ENGINE_FAMILIES, INDEX_OPTIONS, Index, Task, Video
from engine.errors import PlatformError

Row = TypeVar("Row", Index, Task, Video)
Kind = Literal["text", "number", "time", "options", "family"]
Operator = Literal["eq", "gte", "lte", "in"]

# Operators that a client can name; `in` comes from a list of values.
OPERATORS: tuple[Operator, ...] = ("eq", "gte", "lte")
# Names of custom fields; other characters could be part of a filter's own syntax.
CUSTOM_NAME = re.compile(r"[\w.-]{1,100}")
TIME = TypeAdapter(datetime)
# Pydantic also takes a number as seconds since 1970, but who sends "2023" means a year.
BEGINS_WITH_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Field:
    """A field that a list can be filtered by."""

    column: ColumnElement[Any] | InstrumentedAttribute[Any]
    kind: Kind = "text"


@dataclass(frozen=True)
class Listing:
    """The fields of one list; `custom` is the column with the fields that clients stored."""

    fields: Mapping[str, Field]
    custom: InstrumentedAttribute[Any] | None = None
    ignored: frozenset[str] = frozenset()


INDEXES = Listing(
    {
        "_id": Field(Index.id),
        "index_name": Field(Index.name),
        "engine_options": Field(Index.options, "options"),
        "index_options": Field(Index.options, "options"),
        "engine_family": Field(Index.engines, "family"),
        "created_at": Field(Index.created_at, "time"),
        "updated_at": Field(Index.updated_at, "time"),
    }
)
TASKS = Listing(
    {
        "_id": Field(Task.id),
        "index_id": Field(Task.index_id),
        "status": Field(Task.status),
        "filename": Field(Task.filename),
        "duration": Field(Task.duration, "number"),
        "width": Field(Task.width, "number"),
        "height": Field(Task.height, "number"),
        "created_at": Field(Task.created_at, "time"),
        "updated_at": Field(Task.updated_at, "time"),
        "estimated_time": Field(Task.estimated_time, "time"),
    }
)
VIDEOS = Listing(
    {
        "_id": Field(Video.id),
        "filename": Field(Video.filename),
        "video_title": Field(func.coalesce(Video.title, Video.filename)),
        "duration": Field(Video.duration, "number"),
        "fps": Field(Video.fps, "number"),
        "width": Field(Video.width, "number"),
        "height": Field(Video.height, "number"),
        "size": Field(Video.size, "number"),
        "created_at": Field(Video.created_at, "time"),
        "updated_at": Field(Video.updated_at, "time"),
        "indexed_at": Field(Video.indexed_at, "time"),
    },
    custom=Video.custom_metadata,
    # The vendor's SDK sends its `metadata` argument as the text of a Python dict.
    ignored=frozenset({"metadata"}),
)


@dataclass(frozen=True)
class Condition:
    """One filter of a list; its value has the type of the field."""

    field: str
    operator: Operator
    value: Any


@dataclass(frozen=True)
class PageRequest:
    """Which page of a list is requested, and in which order."""

    page: int = 1
    limit: int = 10
    sort_by: str = "created_at"
    descending: bool = True
    conditions: tuple[Condition, ...] = field(default=())


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of a list; `total` counts the rows of all pages."""

    rows: tuple[Row, ...]
    request: PageRequest
    total: int

    @property
    def pages(self) -> int:
        """Number of pages; an empty list has one."""
        return max(-(-self.total // self.request.limit), 1)


def read_condition(listing: Listing, name: str, compare: str | None, raw: Any) -> Condition:
    """A filter from a name, an operator and a raw value.

    Without an operator a time means "at or after", everything else "equal". Raises PlatformError
    for a field that the list does not have, or a value that the field cannot have.
    """
    known = listing.fields.get(name)
    if known is None and (listing.custom is None or not CUSTOM_NAME.fullmatch(name)):
        fields = ", ".join(sorted(listing.fields))
        raise PlatformError(
            "parameter_unknown", f"{name} is not a field of this list; it has {fields}."
        )
    chosen = compare or ("gte" if known and known.kind == "time" else "eq")
    ordered = known is None or known.kind in ("number", "time")
    if chosen not in (OPERATORS if ordered else ("eq",)):
        raise PlatformError("parameter_unknown", f"The {name}[{chosen}] parameter is unknown.")
    try:
        value = _value(known.kind if known else None, chosen, raw)
    except ValueError:
        raise PlatformError(
            "parameter_invalid", f"The {name} parameter is invalid: {raw!r}."
        ) from None
    return Condition(name, chosen, value)


def _value(kind: Kind | None, compare: str, raw: Any) -> Any:
    """A value of the right type; raises ValueError. Custom fields have None for their kind."""
    if kind == "time":
        return _time(raw)
    if kind == "number" or (kind is None and compare != "eq"):
        if isinstance(raw, bool) or not isinstance(raw, str | int | float):
            raise ValueError
        return _finite(raw)
    if kind is None and isinstance(raw, bool | int | float):
        return raw
    if not isinstance(raw, str):
        raise ValueError
    if kind == "options":
        return _known([part.strip() for part in raw.split(",")], INDEX_OPTIONS)
    if kind == "family":
        return _known([raw], ENGINE_FAMILIES)[0]
    return raw


def _known(words: list[str], known: tuple[str, ...]) -> list[str]:
    if not set(words) <= set(known):
        raise ValueError
    return words


def _finite(raw: str | int | float) -> float:
    try:
        number = float(raw)
    except OverflowError:
        raise ValueError from None
    if not math.isfinite(number):
        raise ValueError
    return number


def _time(raw: Any) -> datetime:
    if not isinstance(raw, str) or not BEGINS_WITH_DATE.match(raw):
        raise ValueError
    try:
        moment = TIME.validate_python(raw)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(
            timezone.utc
        )
    except (ValidationError, OverflowError):
        raise ValueError from None


def criterion(listing: Listing, condition: Condition) -> ColumnElement[bool]:
    """A filter in SQL."""
    known = listing.fields.get(condition.field)
    if known is None and listing.custom is not None:
        return _custom_criterion(listing.custom[condition.field], condition)
    known = listing.fields[condition.field]
    if known.kind == "options":
        return and_(*(_mentions(known.column, f'"{option}"') for option in condition.value))
    if known.kind == "family":
        return _mentions(known.column, f'"engine_name": "{condition.value}')
    if condition.operator == "in":
        return known.column.in_(condition.value)
    compare = {"gte": operator.ge, "lte": operator.le, "eq": operator.eq}[condition.operator]
    result: ColumnElement[bool] = compare(known.column, condition.value)
    return result


def _custom_criterion(stored: Any, condition: Condition) -> ColumnElement[bool]:
    """Compares what a client stored: as text, and as the number or truth value a text may mean."""
    value = condition.value
    if condition.operator != "eq":  # both ends are numbers, or texts would lie in between
        least, most = -sys.float_info.max, sys.float_info.max
        low, high = (value, most) if condition.operator == "gte" else (least, value)
        between: ColumnElement[bool] = stored.as_float().between(low, high)
        return between
    text = str(value).lower() if isinstance(value, bool) else str(value)
    ways: list[ColumnElement[bool]] = [stored.as_string() == text]
    if text in ("true", "false"):
        ways.append(stored.as_boolean() == (text == "true"))
    with suppress(ValueError):
        ways.append(stored.as_float() == _finite(text))
    return or_(*ways)


def _mentions(column: Any, text: str) -> ColumnElement[bool]:
    """Whether the JSON text of a column holds a text; the same in every SQL dialect."""
    return cast(column, String).contains(text, autoescape=True)


def read_page(
    session: Session, query: Select[tuple[Row]], listing: Listing, request: PageRequest
) -> Page[Row]:
    """One page of a query, with the request's filters and order."""
    query = query.where(*(criterion(listing, each) for each in request.conditions))
    order = listing.fields[request.sort_by].column
    ordered = query.order_by(
        order.desc() if request.descending else order.asc(), listing.fields["_id"].column
    )
    total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    offset = (request.page - 1) * request.limit
    return Page(tuple(session.scalars(ordered.offset(offset).limit(request.limit))), request, total)
