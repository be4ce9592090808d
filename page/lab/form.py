"""The form of the prompt lab: made from a run or from what was posted, and read into a request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.classes import ClassesError, PromptClass, check_classes, parse_classes
from core.classification import Thresholds
from core.types import ClassifyRequest
from page.query import LIMITS, read_thresholds

OPTIONS = ("visual", "conversation", "text_in_video")
CONVERSATION_OPTIONS = ("semantic", "exact_match")
MAX_ROWS = 100
MAX_VISIBLE_LINES = 10


@dataclass(frozen=True)
class ClassRow:
    """One class as it is typed into the form: one prompt per line."""

    name: str
    prompts: str

    @property
    def visible_lines(self) -> int:
        """The height of the text area: all prompts and an empty line, within bounds."""
        return min(self.prompts.count("\n") + 2, MAX_VISIBLE_LINES)

    def prompt_class(self) -> PromptClass:
        """The class that the row describes, unchecked; empty lines are no prompts."""
        lines = (line.strip() for line in self.prompts.splitlines())
        return PromptClass(self.name, tuple(line for line in lines if line))


@dataclass(frozen=True)
class LabForm:
    """The form as it is filled in; thresholds are text, because they may be wrong."""

    rows: tuple[ClassRow, ...]
    options: tuple[str, ...]
    conversation_option: str
    thresholds: Mapping[str, str]

    def classes(self) -> list[dict[str, Any]]:
        """The classes as in a classes file, without empty rows."""
        filled = (row for row in self.rows if row.name.strip() or row.prompts.strip())
        return [row.prompt_class().as_json() for row in filled]

    def request(self) -> ClassifyRequest:
        """The request that the form makes; raises ClassesError or QueryError with what is wrong."""
        if not self.options:
            raise ClassesError("no evidence is selected: select at least one kind")
        return ClassifyRequest(
            check_classes(self.classes()),
            self.options,
            self.conversation_option,
            read_thresholds(self.thresholds, Thresholds()),
        )


def form_of(request: ClassifyRequest) -> LabForm:
    """A form that makes a request."""
    return LabForm(
        rows_of(request.classes),
        request.options,
        request.conversation_option,
        {name: f"{getattr(request.thresholds, name):g}" for name in LIMITS},
    )


def read_form(posted: Mapping[str, Sequence[str]]) -> LabForm:
    """The form as it was posted; each field comes with all its values."""

    def one(name: str) -> str:
        return next(iter(posted.get(name, ())), "")

    rows = zip(posted.get("name", ()), posted.get("prompts", ()), strict=False)
    speech = one("conversation_option")
    return LabForm(
        tuple(ClassRow(name, prompts) for name, prompts in rows)[:MAX_ROWS],
        tuple(option for option in OPTIONS if option in posted.get("options", ())),
        speech if speech in CONVERSATION_OPTIONS else CONVERSATION_OPTIONS[0],
        {name: one(name) for name in LIMITS},
    )


def edit(form: LabForm, action: str) -> LabForm:
    """The form after a button: "add", or "remove", "up" or "down" with a row number, as "up:2"."""
    rows = list(form.rows)
    verb, _, text = action.partition(":")
    position = int(text) if text.isascii() and text.isdecimal() else -1
    if verb == "add":
        rows.append(ClassRow("", ""))
    elif 0 <= position < len(rows):
        if verb == "remove":
            del rows[position]
        elif verb == "up" and position:
            rows[position - 1 : position + 1] = [rows[position], rows[position - 1]]
        elif verb == "down" and position + 1 < len(rows):
            rows[position : position + 2] = [rows[position + 1], rows[position]]
    return replace(form, rows=tuple(rows))


def imported(form: LabForm, content: bytes) -> LabForm:
    """The form with the classes of a classes file; raises ClassesError."""
    return replace(form, rows=rows_of(parse_classes(content)))


def rows_of(classes: Iterable[PromptClass]) -> tuple[ClassRow, ...]:
    """Rows for these classes."""
    return tuple(ClassRow(each.name, "\n".join(each.prompts)) for each in classes)


def exported(classes: Sequence[Mapping[str, Any]]) -> str:
    """The content of a classes file, one class per line."""
    lines = ",\n".join(f"    {json.dumps(each, ensure_ascii=False)}" for each in classes)
    return f'{{\n  "classes": [\n{lines}\n  ]\n}}\n'
