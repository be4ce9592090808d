"""Results files: JSON and pickles that hold plain data only, checked by types when they are read.

UserError
+-- ResultsError
    +-- ResultsMissing   a file is not there: the pipeline has not run, or not into this folder
    +-- ResultsBroken    a file is there and breaks a rule; the message names file, field and rule
    +-- ResultsRefused   what was to be written breaks a rule, and nothing was written
"""

from __future__ import annotations

import io
import json
import math
import pickle
import pickletools
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from core.errors import UserError

T = TypeVar("T")


class ResultsError(UserError):
    """The results cannot be used; `path` is the file at fault."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class ResultsMissing(ResultsError):
    """A results file is not there."""

    title = "No results yet"
    page_status = 404

    def __init__(self, path: Path) -> None:
        super().__init__(path, "there is no such file: run pipeline.py first")


class ResultsBroken(ResultsError):
    """A results file cannot be read, or its content is not valid; `rule` says where and why."""

    title = "The results cannot be read"
    page_status = 500

    def __init__(self, path: Path, rule: str) -> None:
        super().__init__(path, f"{rule}: run pipeline.py again")
        self.rule = rule


class ResultsRefused(ResultsError):
    """The results to write are not valid; nothing was written, and earlier ones are unchanged."""

    title = "The results cannot be written"
    page_status = 500

    def __init__(self, path: Path, rule: str) -> None:
        super().__init__(path, f"{rule}: nothing was written, and earlier results are kept")


# Writing


def both_forms(folder: Path, name: str, data: Any) -> dict[Path, bytes]:
    """The content of `name.json` and `name.pickle`; raises ResultsRefused."""
    path = folder / f"{name}.json"
    text = json_bytes(path, data)
    # Pickled from the JSON and not from `data`, so that both files read the same even if `data` has
    # tuples, enumerations or keys that are not strings.
    return {path: text, path.with_suffix(".pickle"): pickle.dumps(json.loads(text), protocol=4)}


def json_bytes(path: Path, data: Any) -> bytes:
    """The content of a JSON file; raises ResultsRefused for a number that is not finite."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    except ValueError:
        for place in _not_finite(data):
            raise ResultsRefused(path, f"{place.lstrip('.')}: expected a finite number") from None
        raise
    # A file name that is not valid Unicode holds lone surrogates; backslashreplace writes them as
    # \udcXX, which is how JSON has them.
    return text.encode("utf-8", errors="backslashreplace")


def _not_finite(value: Any, place: str = "") -> Iterator[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield place
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _not_finite(inner, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            yield from _not_finite(inner, f"{place}[{at}]")


# Reading


@dataclass(frozen=True)
class StoredFile:
    """The content of a results file, JSON or pickle by its name."""

    path: Path
    content: bytes

    @staticmethod
    def read(path: Path) -> StoredFile:
        """Read a file; raises ResultsMissing or ResultsBroken."""
        try:
            return StoredFile(path, path.read_bytes())
        except FileNotFoundError:
            raise ResultsMissing(path) from None
        except OSError as error:
            raise ResultsBroken(path, f"it cannot be read: {error.strerror}") from error

    def plain(self) -> Any:
        """Lists, dictionaries, strings and numbers, unchecked; raises ResultsBroken."""
        if self.path.suffix == ".pickle":
            return _unpickle(self.path, self.content)
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise ResultsBroken(self.path, f"it is not valid JSON: {error}") from error

    def decode(self, kind: type[T]) -> T:
        """The content as a type, whose annotations are the rules; raises ResultsBroken."""
        if self.path.suffix != ".pickle":
            with suppress(ValueError, RecursionError):
                return msgspec.json.decode(self.content, type=kind)
        # Slower, but takes pickles, and what msgspec's JSON does not: lone surrogates, NaN, UTF-16.
        try:
            return msgspec.convert(self.plain(), kind)
        except ValueError as error:
            raise ResultsBroken(self.path, broken_rule(error)) from error


def read_plain(path: Path) -> Any:
    """The content of a JSON file or a pickle, unchecked; raises ResultsMissing or ResultsBroken."""
    return StoredFile.read(path).plain()


# What msgspec calls the kinds of JSON values.
_KINDS = {
    "float": "a number",
    "int": "a number",
    "str": "a string",
    "bool": "a boolean",
    "array": "a list",
    "object": "an object",
}
_FINITE = f"a number <= {sys.float_info.max}"


def broken_rule(error: ValueError, place: str = "") -> str:
    """What msgspec found wrong, in plain words after the place, a part of `place`."""
    rule, _, path = str(error).partition(" - at `$")
    where = (place + path.rstrip("`")).lstrip(".")
    rule = re.sub(r"Object missing required field `(.*)`", r'"\1" is missing', rule)
    rule = re.sub(r"`([\w |]+)`", lambda found: _in_words(found[1]), rule)
    rule = (rule[:1].lower() + rule[1:]).replace(_FINITE, "a finite number")
    return f"{where}: {rule}" if where else rule


def _in_words(kinds: str) -> str:
    return " or ".join(_KINDS.get(kind, kind) for kind in kinds.split(" | "))


_STRINGS = frozenset(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"))
_STORES = frozenset(("MEMOIZE", "BINPUT", "LONG_BINPUT"))
_FETCHES = frozenset(("BINGET", "LONG_BINGET"))
_CONTAINERS = frozenset(
    ("MARK", "EMPTY_DICT", "EMPTY_LIST", "SETITEM", "SETITEMS", "APPEND", "APPENDS")
)
_SCALARS = frozenset(
    ("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT")
)
_FRAMING = frozenset(("PROTO", "FRAME", "STOP"))
_PLAIN = _STRINGS | _STORES | _FETCHES | _CONTAINERS | _SCALARS | _FRAMING


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name} is not plain data")


def _unpickle(path: Path, content: bytes) -> Any:
    try:
        _check_opcodes(content)
        return _PlainUnpickler(io.BytesIO(content)).load()
    # A hostile or cut pickle makes the unpickler raise nearly anything.
    except Exception as error:
        raise ResultsBroken(path, f"it is not a pickle of plain data: {error}") from error


def _check_opcodes(content: bytes) -> None:
    """Refuse a pickle that is more than lists, dicts, strings, numbers, bools and None.

    The check reads the program without running it. Besides classes it refuses what makes a small
    file need much memory or time: far memo places, and containers within each other or themselves.
    """
    containers: set[int] = set()
    stored = 0
    previous = ""
    for opcode, argument, position in pickletools.genops(content):
        if opcode.name not in _PLAIN:
            raise pickle.UnpicklingError(f"{opcode.name} at byte {position} is not plain data")
        if opcode.name in _STORES:
            place = stored if argument is None else int(argument)
            if place > stored:
                raise pickle.UnpicklingError(f"memo place {place} at byte {position} is too far")
            stored = max(stored, place + 1)
            if previous not in _STRINGS:
                containers.add(place)
        elif opcode.name in _FETCHES and argument in containers:
            raise pickle.UnpicklingError(f"one container in two places at byte {position}")
        previous = opcode.name
