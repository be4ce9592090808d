"""Values of a model's JSON files, each held to its kind before anything is made of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from engine.models.store import ModelError, read_json


class JsonValues:
    """An object out of a JSON file. A value of null counts as not given.

        config = read_values(folder / "config.json")
        length = config.section("text_config").whole("max_position_embeddings", 77, least=1)

    A value that is not given, and has no default, or is of a wrong kind raises ModelError with the
    file, the key and the rule.
    """

    def __init__(self, path: Path, values: dict[str, Any], within: str = "") -> None:
        """`within` is where in the file the object stands, as "text_config."."""
        self.path = path
        self._values = values
        self._within = within

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def raw(self, key: str) -> Any:
        """A value of any kind."""
        if key not in self:
            raise ModelError(f"{self.path} does not say {self._within}{key}")
        return self._values[key]

    def section(self, key: str) -> JsonValues:
        """An object within this one; an empty one where it is not given."""
        value = self.raw(key) if key in self else {}
        if not isinstance(value, dict):
            raise self._wrong(key, value, "an object")
        return JsonValues(self.path, value, f"{self._within}{key}.")

    def number(
        self,
        key: str,
        default: float | None = None,
        *,
        least: float = -math.inf,
        most: float = math.inf,
    ) -> float:
        """A number from `least` to `most`."""
        value = self._given(key, default)
        if not _is_number(value, least, most):
            raise self._wrong(key, value, f"a number{_span(least, most)}")
        return float(value)

    def whole(
        self, key: str, default: int | None = None, *, least: int = 0, most: int = 10**6
    ) -> int:
        """A whole number from `least` to `most`."""
        value = self._given(key, default)
        if not isinstance(value, int) or not _is_number(value, least, most):
            raise self._wrong(key, value, f"a whole number{_span(least, most)}")
        return value

    def numbers(self, key: str, count: int, *, least: float = -math.inf) -> tuple[float, ...]:
        """A list of so many numbers, each `least` or more."""
        value = self.raw(key)
        is_list = isinstance(value, list) and len(value) == count
        if not is_list or not all(_is_number(each, least, math.inf) for each in value):
            raise self._wrong(key, value, f"a list of {count} numbers{_span(least, math.inf)}")
        return tuple(float(each) for each in value)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self._given(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def text(self, key: str) -> str:
        """A string."""
        value = self.raw(key)
        if not isinstance(value, str):
            raise self._wrong(key, value, "a string")
        return value

    def _given(self, key: str, default: Any) -> Any:
        return self.raw(key) if key in self or default is None else default

    def _wrong(self, key: str, value: Any, rule: str) -> ModelError:
        return ModelError(f"{self.path}: {self._within}{key} is {value!r:.60}: it must be {rule}")


def read_values(path: Path) -> JsonValues:
    """The object of a JSON file; raises ModelError where there is none."""
    return JsonValues(path, read_json(path))


def _is_number(value: Any, least: float, most: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and least <= value <= most


def _span(least: float, most: float) -> str:
    if math.isfinite(least) and math.isfinite(most):
        return f" from {least:g} to {most:g}"
    return f", at least {least:g}" if math.isfinite(least) else ""
