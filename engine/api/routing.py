"""A table of routes whose views declare by their signatures what they take and return.

    def rename_index(index_id: str, body: RenameIndexBody) -> None: ...

    Route("PUT", "/indexes/<index_id>", rename_index, status=204)

`body` is validated JSON, `form` a validated form, `query` the validated query string, and `page`
the requested page of a list with its filters; other parameters come from the path. The returned
object is sent as JSON. OpenAPI and the documentation are generated from the same table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_type_hints

from flask import Response, jsonify, request

from engine.api.schemas.base import Body, FilePart
from engine.api.schemas.library import ListQuery
from engine.api.uploads import read_form, read_json
from engine.catalog.queries import Condition, Listing, PageRequest, read_condition
from engine.errors import PlatformError

PAGE_NAMES = set(ListQuery.model_fields)


@dataclass(frozen=True)
class Route:
    """A route of every version; `listing` has the filters of a view that takes `page`."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    rule: str
    view: Callable[..., Any]
    status: int = 200
    listing: Listing | None = None
    state: Literal["works", "refused"] = "works"

    @cached_property
    def hints(self) -> dict[str, Any]:
        """Types of the view's parameters, and of its response as `return`."""
        return get_type_hints(self.view, include_extras=True)

    @property
    def summary(self) -> str:
        """The first line of the view's docstring."""
        return (self.view.__doc__ or "").strip().split("\n")[0]

    def __hash__(self) -> int:
        return hash((self.method, self.rule))

    def respond(self, **path: str) -> Response:
        """Call the view with its parameters and send what it returns."""
        result = self.view(**path, **self._arguments())
        response = Response() if result is None else jsonify(result)
        response.status_code = self.status
        return response

    def _arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        hints = self.hints
        if "query" in hints:
            found["query"] = hints["query"].model_validate(request.args.to_dict())
        if "page" in hints and self.listing:
            found["page"] = _page(self.listing)
        if "body" in hints:
            found["body"] = hints["body"].model_validate(read_json())
        if "form" in hints:
            found["form"] = _form(hints["form"])
        return found


def _form(kind: type[Body]) -> Body:
    fields = kind.model_fields.items()
    lists = {name for name, field in fields if "list[" in str(field.annotation)}
    files = {name for name, field in fields if FilePart.__name__ in str(field.annotation)}
    return kind.model_validate(read_form(lists, files))


def _page(listing: Listing) -> PageRequest:
    """The page, order and filters of the query string."""
    order = ListQuery.model_validate(
        {name: value for name, value in request.args.items() if name in PAGE_NAMES}
    )
    return PageRequest(
        page=order.page,
        limit=order.page_limit,
        sort_by=order.sort_by,
        descending=order.sort_option == "desc",
        conditions=tuple(
            _condition(listing, name, value)
            for name, value in request.args.items(multi=True)
            if name not in PAGE_NAMES | listing.ignored
        ),
    )


def _condition(listing: Listing, name: str, value: str) -> Condition:
    """A filter from the query string: `name=value`, `name[gte]=value` or `name[lte]=value`."""
    field, bracket, rest = name.partition("[")
    if bracket and not rest.endswith("]"):
        raise PlatformError("parameter_unknown", f"The {name} parameter is unknown.")
    return read_condition(listing, field, rest[:-1] or None, value)
