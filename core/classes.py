"""The classes file: `{"classes": [{"name": ..., "prompts": [...]}]}`, or the bare list.

Other keys beside "classes" are notes of the author's and are left alone; within a class they are
refused, because "prompt" for "prompts" is a slip that would cost a whole run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UserError

# The platform's limits for one request: prompts over all classes, characters of each text.
MAX_PROMPTS = 100
MAX_CHARACTERS = 2000
SHAPE = '{"classes": [{"name": "Pets", "prompts": ["dog", "cat"]}]}'


@dataclass(frozen=True)
class PromptClass:
    """A class as the user described it."""

    name: str
    prompts: tuple[str, ...]


class ClassesError(UserError):
    """The classes file cannot be used; the message names the file, the entry and the rule."""

    title = "The classes cannot be used"


def load_classes(path: Path) -> tuple[PromptClass, ...]:
    """Read and check a classes file; names and prompts come without space around them."""
    try:
        return check_classes(_read(path))
    except ClassesError as error:
        raise ClassesError(f"{path}: {error}") from None


def check_classes(data: Any) -> tuple[PromptClass, ...]:
    """The classes of a classes file's content; raises ClassesError with the entry and the rule."""
    return _checked(_entries(data))


def _read(path: Path) -> Any:
    try:
        # utf-8-sig, because some editors begin a file with a byte order mark.
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ClassesError(f"there is no such file: write your classes as {SHAPE}") from None
    except OSError as error:
        raise ClassesError(f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ClassesError(
            f"byte {error.start + 1} is not UTF-8: save the file as UTF-8 text"
        ) from None
    except json.JSONDecodeError as error:
        raise ClassesError(
            f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ClassesError(f"it cannot be read as JSON: {error}") from None


def _entries(data: Any) -> list[Any]:
    entries = data.get("classes") if isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise ClassesError(f"it must hold a list of classes: {SHAPE}")
    if not entries:
        raise ClassesError("it holds no class: give at least one with a name and prompts")
    return entries


def _checked(entries: Sequence[Any]) -> tuple[PromptClass, ...]:
    classes = tuple(_class(entry, position) for position, entry in enumerate(entries, start=1))
    _no_twins([found.name for found in classes], "class", "names")
    total = sum(len(found.prompts) for found in classes)
    if total > MAX_PROMPTS:
        raise ClassesError(
            f"{total} prompts in all are more than the {MAX_PROMPTS} that a platform takes at once:"
            f" take out {total - MAX_PROMPTS}"
        )
    return classes


def _class(entry: Any, position: int) -> PromptClass:
    where = f"class {position}"
    if not isinstance(entry, dict):
        raise ClassesError(f"{where} must be an object with a name and prompts, as in {SHAPE}")
    name = _text(entry.get("name"), f"the name of {where}")
    where = f"{where} ({name!r})"
    for key in sorted(entry.keys() - {"name", "prompts"}):
        raise ClassesError(f'{where} has an unknown field {key!r}: only "name" and "prompts" count')
    given = entry.get("prompts")
    if not isinstance(given, list):
        raise ClassesError(f"the prompts of {where} must be a list of strings")
    if not given:
        raise ClassesError(f"{where} has no prompts: give at least one")
    prompts = [_text(text, f"prompt {place} of {where}") for place, text in enumerate(given, 1)]
    _no_twins(prompts, f"{where}, prompt", "prompts")
    return PromptClass(name, tuple(prompts))


def _text(value: Any, where: str) -> str:
    if value is None:
        raise ClassesError(f"{where} is missing")
    if not isinstance(value, str):
        raise ClassesError(f"{where} must be a string, not {value!r:.40}")
    text = value.strip()
    if not text:
        raise ClassesError(f"{where} is empty")
    if len(text) > MAX_CHARACTERS:
        raise ClassesError(
            f"{where} has {len(text)} characters: shorten it to the {MAX_CHARACTERS} that are taken"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ClassesError(f"{where} ({text!r}) holds half of a character") from None
    return text


def _no_twins(texts: Sequence[str], what: str, plural: str) -> None:
    """Refuse equal texts; case and space around do not make a difference a reader would see."""
    first_places: dict[str, int] = {}
    for place, text in enumerate(texts, start=1):
        first = first_places.setdefault(text.casefold(), place)
        if first != place:
            raise ClassesError(
                f"{what} {place} ({text!r}) is there already as number {first}:"
                f" {plural} must differ by more than case"
            )
