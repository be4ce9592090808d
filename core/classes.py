"""The classes file: `{"classes": [{"name": ..., "prompts": [...]}]}`, or the bare list.

Other keys beside "classes" are the author's notes and are ignored; inside a class they are refused,
because a typo such as "prompt" for "prompts" would waste a whole run.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UserError

# The platform's limits for one request: prompts over all classes, characters of each text.
MAX_PROMPTS = 100
MAX_CHARACTERS = 2000
# Letters and marks to Unicode, but nothing is displayed for them.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800")
SHAPE = '{"classes": [{"name": "Pets", "prompts": ["dog", "cat"]}]}'


@dataclass(frozen=True)
class PromptClass:
    """A class as the user described it."""

    name: str
    prompts: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The class as the API, the classes file and `run.json` have it."""
        return {"name": self.name, "prompts": list(self.prompts)}


class ClassesError(UserError):
    """The classes file cannot be used; the message names the file, the entry and the rule."""

    title = "The classes cannot be used"


def load_classes(path: Path) -> tuple[PromptClass, ...]:
    """Read and check a classes file; names and prompts are stripped. Raises ClassesError."""
    try:
        return parse_classes(path.read_bytes())
    except FileNotFoundError:
        raise ClassesError(
            f"{path}: there is no such file: write your classes as {SHAPE}"
        ) from None
    except OSError as error:
        raise ClassesError(f"{path}: it cannot be read: {error.strerror}") from error
    except ClassesError as error:
        raise ClassesError(f"{path}: {error}") from None


def parse_classes(content: bytes) -> tuple[PromptClass, ...]:
    """The classes of a classes file's bytes; raises ClassesError with the entry and the rule."""
    return check_classes(_read(content))


def check_classes(data: Any) -> tuple[PromptClass, ...]:
    """The classes of a classes file's content; raises ClassesError with the entry and the rule."""
    return _checked(_entries(data))


def _read(content: bytes) -> Any:
    try:
        # utf-8-sig, because some editors begin a file with a byte order mark.
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise ClassesError(
            f"byte {error.start + 1} is not UTF-8: save the file as UTF-8 text"
        ) from None
    except json.JSONDecodeError as error:
        raise ClassesError(
            f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except ClassesError:
        raise
    except (ValueError, RecursionError) as error:
        raise ClassesError(f"it cannot be read as JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of a repeated key, Python would silently keep only the last value."""
    keys = Counter(key for key, _ in pairs)
    for key, count in keys.items():
        if count > 1:
            names = [repr(value) for other, value in pairs if other == "name"]
            where = f" in the class {names[0]}" if names else ""
            raise ClassesError(f"the key {key!r} appears {count} times{where}: merge its values")
    return dict(pairs)


def _entries(data: Any) -> list[Any]:
    entries = data.get("classes") if isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise ClassesError(f"it must contain a list of classes: {SHAPE}")
    if not entries:
        raise ClassesError("it contains no class: give at least one with a name and prompts")
    return entries


def _checked(entries: Sequence[Any]) -> tuple[PromptClass, ...]:
    classes = tuple(_class(entry, position) for position, entry in enumerate(entries, start=1))
    _refuse_duplicates([found.name for found in classes], "class", "names")
    total = sum(len(found.prompts) for found in classes)
    if total > MAX_PROMPTS:
        raise ClassesError(
            f"{total} prompts in total exceed the limit of {MAX_PROMPTS} in one request:"
            f" remove {total - MAX_PROMPTS}"
        )
    return classes


def _class(entry: Any, position: int) -> PromptClass:
    where = f"class {position}"
    if not isinstance(entry, dict):
        raise ClassesError(f"{where} must be an object with a name and prompts, as in {SHAPE}")
    name = _text(entry.get("name"), f"the name of {where}")
    where = f"{where} ({name!r})"
    for key in sorted(entry.keys() - {"name", "prompts"}):
        raise ClassesError(
            f'{where} has an unknown field {key!r}: only "name" and "prompts" are allowed'
        )
    given = entry.get("prompts")
    if not isinstance(given, list):
        raise ClassesError(f"the prompts of {where} must be a list of strings")
    if not given:
        raise ClassesError(f"{where} has no prompts: give at least one")
    prompts = [_text(text, f"prompt {place} of {where}") for place, text in enumerate(given, 1)]
    _refuse_duplicates(prompts, f"{where}, prompt", "prompts")
    return PromptClass(name, tuple(prompts))


def _text(value: Any, where: str) -> str:
    if value is None:
        raise ClassesError(f"{where} is missing")
    if not isinstance(value, str):
        raise ClassesError(f"{where} must be a string, not {value!r:.40}")
    text = value.strip()
    if not _as_seen(text):
        raise ClassesError(f"{where} is empty")
    if len(text) > MAX_CHARACTERS:
        raise ClassesError(
            f"{where} has {len(text)} characters, and the limit is {MAX_CHARACTERS}: shorten it"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ClassesError(
            f"{where} ({text!r}) contains half of a surrogate pair: remove it"
        ) from None
    return text


def _refuse_duplicates(texts: Sequence[str], what: str, plural: str) -> None:
    """Refuse texts that look the same."""
    first_places: dict[str, int] = {}
    for place, text in enumerate(texts, start=1):
        first = first_places.setdefault(_as_seen(text), place)
        if first != place:
            raise ClassesError(
                f"{what} {place} ({text!r}) repeats number {first} ({texts[first - 1]!r}):"
                f" {plural} must differ by more than case, spaces and invisible characters"
            )


def _as_seen(text: str) -> str:
    """A text as a person sees it: one form for composed, wide and small letters, none invisible."""
    shown = "".join(" " if char.isspace() else char for char in text if not _is_invisible(char))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", shown).casefold())
    return " ".join(folded.split())


def _is_invisible(char: str) -> bool:
    if char.isspace():
        return False
    is_variation = "\ufe00" <= char <= "\ufe0f"
    return is_variation or char in INVISIBLE or unicodedata.category(char) in ("Cc", "Cf")
