"""Bodies and forms of search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from engine.api.schemas.base import (
    MAX_PROMPTS,
    Body,
    ConversationOption,
    FilePart,
    IndexOption,
    PageLimit,
    Text,
    Word,
    missing,
)
from engine.catalog.queries import OPERATORS, VIDEOS, Condition, read_condition
from engine.errors import PlatformError
from engine.retrieval.search import And, Confidence, Not, Or, Query, SearchRequest, Then
from engine.retrieval.search import Text as Words

# Names that a search's filter has for fields of the list of videos.
FILTER_NAMES = {"id": "_id", "title": "video_title"}


class SearchChoices(Body):
    """What every kind of search takes besides its query."""

    index_id: Text
    search_options: list[IndexOption] = Field(min_length=1)
    group_by: Literal["clip", "video"] = "clip"
    threshold: Word = "low"
    sort_option: Literal["score", "clip_count"] = "score"
    operator: Literal["or", "and"] = "or"
    conversation_option: ConversationOption = "semantic"
    adjust_confidence_level: Annotated[float, Field(ge=0, le=1)] = 0.5
    filter: dict[str, Any] = Field(default={}, max_length=100)
    page_limit: PageLimit = 10

    @property
    def confidence(self) -> Confidence:
        """Scores in words, as strict as requested."""
        return Confidence(self.adjust_confidence_level)

    def request(self, query: Query) -> SearchRequest:
        """The search for a query; raises PlatformError for a filter that videos do not have."""
        return SearchRequest(
            index_id=self.index_id,
            query=query,
            options=tuple(dict.fromkeys(self.search_options)),
            operator=self.operator,
            conversation_option=self.conversation_option,
            threshold=self.threshold,
            confidence=self.confidence,
            conditions=tuple(_conditions(self.filter)),
        )


class SearchBody(SearchChoices):
    """`POST /search`."""

    query: Text


class SearchForm(SearchChoices):
    """`POST /search-v2`: by text, or by an image."""

    query_text: Text | None = None
    query_media_type: Literal["image"] | None = None
    query_media_url: Text | None = None
    query_media_file: FilePart | None = None
    # The vendor's SDK sends an empty field of this name, so that its form is not empty.
    dummy: Literal[""] = ""

    @field_validator("filter", mode="before")
    @classmethod
    def _filter_is_json(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError("It must be a JSON object") from None

    @model_validator(mode="after")
    def _one_query(self) -> SearchForm:
        given = [self.query_text, self.query_media_url, self.query_media_file]
        if not any(given):
            raise missing("query_text")
        if sum(map(bool, given)) > 1:
            raise ValueError("Give one of query_text, query_media_url and query_media_file")
        if not self.query_text and not self.query_media_type:
            raise missing("query_media_type")
        return self


class TextNode(Body):
    """A text to search for."""

    text: Text


class AndNode(Body):
    """The time that all parts share."""

    parts: list[Node] = Field(alias="$and", min_length=1)


class OrNode(Body):
    """The time of any part."""

    parts: list[Node] = Field(alias="$or", min_length=1)


class NotParts(Body):
    """What to keep, and what to cut out of it."""

    origin: Node
    sub: Node


class NotNode(Body):
    """The time of one part without that of another."""

    parts: NotParts = Field(alias="$not")


class ThenNode(Body):
    """One part after the other."""

    parts: list[Node] = Field(alias="$then", min_length=1)


def _kind(node: Any) -> str | None:
    """The operator of a node; None, which pydantic refuses, for anything else."""
    known = ("text", "$and", "$or", "$not", "$then")
    if isinstance(node, dict):
        return next((name for name in known if name in node), None)
    return None


Node = Annotated[
    Annotated[TextNode, Tag("text")]
    | Annotated[AndNode, Tag("$and")]
    | Annotated[OrNode, Tag("$or")]
    | Annotated[NotNode, Tag("$not")]
    | Annotated[ThenNode, Tag("$then")],
    Discriminator(_kind),
]


class CombinedBody(SearchChoices):
    """`POST /search/combined`."""

    query: Node

    @field_validator("query")
    @classmethod
    def _limited_texts(cls, node: Node) -> Node:
        texts = sum(1 for _ in _texts(node))
        if texts > MAX_PROMPTS:
            raise ValueError(f"{texts} texts in all; at most {MAX_PROMPTS} are taken")
        return node

    @property
    def tree(self) -> Query:
        """The query as the service takes it."""
        return _query(self.query)


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node, TextNode):
        yield node.text
    elif isinstance(node, NotNode):
        yield from _texts(node.parts.origin)
        yield from _texts(node.parts.sub)
    else:
        for part in node.parts:
            yield from _texts(part)


def _query(node: Node) -> Query:
    if isinstance(node, TextNode):
        return Words(node.text)
    if isinstance(node, NotNode):
        return Not(_query(node.parts.origin), _query(node.parts.sub))
    parts = tuple(_query(part) for part in node.parts)
    if isinstance(node, AndNode):
        return And(parts)
    return Or(parts) if isinstance(node, OrNode) else Then(parts)


def _conditions(filters: dict[str, Any]) -> Iterator[Condition]:
    """The filter object: a value, an object of gte and lte, or a list of ids."""
    for name, wanted in filters.items():
        field = FILTER_NAMES.get(name, name)
        try:
            if isinstance(wanted, list):
                yield _any_of(field, wanted)
            elif isinstance(wanted, dict):
                if not wanted:
                    raise PlatformError("", "it has no gte or lte")
                for compare, value in wanted.items():
                    if compare not in OPERATORS:
                        raise PlatformError("", f"{compare!r} is not one of gte, lte and eq")
                    yield read_condition(VIDEOS, field, compare, value)
            else:
                yield read_condition(VIDEOS, field, "eq", wanted)
        except PlatformError as error:
            raise PlatformError(
                "search_filter_invalid", f"The filter parameter is invalid at {name}: {error}"
            ) from None


def _any_of(field: str, wanted: list[Any]) -> Condition:
    if field != "_id" or not all(isinstance(each, str) for each in wanted):
        raise PlatformError("", "only id takes a list, and its members are ids")
    return Condition(field, "in", tuple(wanted))
