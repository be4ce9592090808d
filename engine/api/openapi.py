"""The OpenAPI document, generated from the table of routes and the signatures of their views."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NoReturn

from pydantic import TypeAdapter

from engine.api.responses import ErrorResponse
from engine.api.routes import ROUTES
from engine.api.routing import Route
from engine.api.schemas.library import ListQuery
from engine.catalog.queries import Listing

Json = dict[str, Any]

REFERENCES = "#/components/schemas/{model}"
FORMATS: dict[str, Json] = {
    "number": {"type": "number"},
    "time": {"type": "string", "format": "date-time"},
}


def openapi(versions: Sequence[str]) -> Json:
    """OpenAPI 3.1 for every route of every version."""
    schemas: Json = {}
    paths: Json = {}
    for version in versions:
        for route in ROUTES:
            path = f"/{version}{path_template(route)}"
            paths.setdefault(path, {})[route.method.lower()] = _operation(version, route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Embedded video platform", "version": versions[-1]},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
        "security": [{"key": []}, {}],
    }


def path_template(route: Route) -> str:
    """A route's rule with its parameters in braces."""
    return route.rule.replace("<", "{").replace(">", "}")


def _operation(version: str, route: Route, schemas: Json) -> Json:
    operation: Json = {
        "operationId": f"{version} {route.method} {route.rule}",
        "summary": route.summary,
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
    }
    for name, mimetype in (("body", "application/json"), ("form", "multipart/form-data")):
        if name in route.hints:
            schema = _schema(route.hints[name], schemas)
            operation["requestBody"] = {"required": True, "content": {mimetype: {"schema": schema}}}
    return operation


def _parameters(route: Route, schemas: Json) -> list[Json]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"<(.*?)>", route.rule)
    ]
    query = ListQuery if route.listing else route.hints.get("query")
    if query is None:
        return in_path
    model = TypeAdapter(query).json_schema(ref_template=REFERENCES)
    schemas |= model.pop("$defs", {})
    required = model.get("required", [])
    in_query = [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in model["properties"].items()
    ]
    return in_path + in_query + (_filters(route.listing) if route.listing else [])


def _filters(listing: Listing) -> list[Json]:
    """A list's filters; numbers and times also as ranges."""
    found = []
    for name, field in listing.fields.items():
        spellings = [name]
        if field.kind in FORMATS:
            spellings += [f"{name}[gte]", f"{name}[lte]"]
        schema = FORMATS.get(field.kind, {"type": "string"})
        found += [{"name": each, "in": "query", "schema": schema} for each in spellings]
    return found


def _responses(route: Route, schemas: Json) -> Json:
    error = {
        "description": "refused, with the reason",
        "content": {"application/json": {"schema": _schema(ErrorResponse, schemas)}},
    }
    response = route.hints.get("return")
    if response is NoReturn:
        return {"400": error, "default": error}
    success: Json = {"description": "done"}
    if response is not type(None):
        success["content"] = {"application/json": {"schema": _schema(response, schemas)}}
    return {str(route.status): success, "default": error}


def _schema(kind: Any, schemas: Json) -> Json:
    """The JSON schema of a type; schemas that it refers to are added to `schemas`."""
    schema = TypeAdapter(kind).json_schema(ref_template=REFERENCES)
    schemas |= schema.pop("$defs", {})
    return schema
